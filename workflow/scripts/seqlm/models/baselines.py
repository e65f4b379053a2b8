"""What a language model has to be compared with: the models of a run that names none, and what a run lacks. Light."""

from seqlm.models.registry import NETWORKS, network


def default_models(config, dataset):
    """The models of a run that names none, and entries under ``models`` that they need.

    Every model of the study that can predict the dataset's target; then, of the networks below, those that the study
    has no model of. mRNAs are compared with ridge regression and Saluki. Sequences that the config calls aligned get
    the one-hot baseline beside k-mers, which other datasets get alone.

    Parameters
    ----------
    config : dict
        A study's config, defaults filled in.
    dataset : str

    Returns
    -------
    names : list of str
    entries : dict
        Name -> entry of the baselines that are added.
    """
    about = config["datasets"][dataset]
    names = [name for name, model in config["models"].items() if "ensemble" not in model and _fits(model, about)]
    there = {config["models"][name].get("network") for name in names}
    entries = {}
    for wanted in _baselines(about):
        if wanted not in there:
            # A name that the study uses for something else stays with it.
            name = wanted if wanted not in config["models"] else f"{wanted}-baseline"
            entries[name] = {"network": wanted}
    names = [*entries, *names]
    names += [name for name, model in config["models"].items() if set(model.get("ensemble", "?")) <= set(names)]
    return names, entries


def lacking(models, target):
    """A sentence on the strong baseline that a run lacks, or None.

    Parameters
    ----------
    models : list of dict
        Entries of the run's models.
    target : {"track", "scalar", "class"}
    """
    families = {network(model["network"]).family for model in models if model.get("network") in NETWORKS}
    lacks = []
    if "network" not in families:
        lacks.append("a network trained from scratch (cnn, dilated)")
    if "linear" not in families and target != "track":
        lacks.append("a linear model (kmer, onehot)")
    if not lacks:
        return None
    return f"No strong baseline: the run has not {' nor '.join(lacks)}, so how well its best model does says little."


def _baselines(about):
    if "transcripts" in about:
        return ["linear", "saluki"]
    linear = [] if about["target"] == "track" else ["kmer", "onehot"] if about.get("aligned") else ["kmer"]
    return [*linear, "cnn", "dilated"]


def _fits(model, about):
    """Whether a model's entry can predict a dataset's target from its sequences."""
    target = about["target"]
    if "backbone" in model:
        head = model.get("head")
        return head is None or (head == "conv") == (target == "track")
    name = model.get("network")
    if name not in NETWORKS or target not in network(name).targets:
        return False
    if name == "linear":  # reads what only mRNAs have
        return "transcripts" in about
    return name != "onehot" or about.get("aligned") is not False
