"""How each model on a backbone reads it, in words: which layers, which strands, what of it is trained."""


def model_readings(config, models):
    """How models on backbones read them.

    Parameters
    ----------
    config : dict
        A study's config, checked and filled in.
    models : list of str
        Of one run.

    Returns
    -------
    dict
        Model -> words, of the models that have a backbone. Two models that read one backbone in the same words (and
        differ in training, say) are told apart by their names.
    """
    found, seen = {}, set()
    for name in models:
        entry = config["models"][name]
        if "backbone" not in entry:
            continue
        words = _words(entry)
        if (words, entry["backbone"]) in seen:
            words = f"{words} ({name})"
        seen.add((words, entry["backbone"]))
        found[name] = words
    return found


def _words(entry):
    train, linear = entry.get("train", "head"), entry.get("head") == "linear"
    layers = entry.get("layers", "last" if linear else "all")
    if isinstance(train, dict):
        trained = f"trained above layer {train['freeze']}"
    else:
        trained = {"head": "frozen", "lora": "LoRA", "all": "all trained"}[train]
    words = [
        "linear probe" if linear else trained,
        f"{layers} layer{'s' * (layers == 'all')}"
        if isinstance(layers, str)
        else f"layers {', '.join(map(str, layers))}",
    ]
    if "depth" in entry:
        numbers = {0: "pooled at once", 1: "one convolution"}
        words.append(numbers.get(entry["depth"], f"{entry['depth']} convolutions"))
    words += ["both strands"] * (entry.get("context") == "both_strands")
    words += ["bases beside"] * (entry.get("skip") == "onehot")
    return ", ".join(words)
