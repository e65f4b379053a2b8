"""From a dataset's fold and a study's model entry to a trained bundle."""

import hashlib
import inspect
import json
import logging
from pathlib import Path

import numpy as np

from seqlm.common.costs import CostLog
from seqlm.common.errors import InputError
from seqlm.common.files import atomic_path
from seqlm.common.runtime import pick_device, pick_precision, seed_everything
from seqlm.datasets import load_dataset
from seqlm.datasets.augmentation import shifted_copies
from seqlm.datasets.separation.groups import group_numbers, known_groups
from seqlm.evaluation.validation import write_validation
from seqlm.inference.prediction import predict_targets
from seqlm.inference.reading import encoded
from seqlm.models.bundle import save_bundle
from seqlm.models.registry import NETWORKS, chooses_pooling, network
from seqlm.models.solved.probe import fit_head
from seqlm.tokenization.atomic import as_read
from seqlm.training import ArrayData, FitSettings, evaluate, fit, write_history
from seqlm.training.defaults import head_settings, training_settings
from seqlm.training.examples import Examples
from seqlm.training.features import cached_features, standardise_layers
from seqlm.training.objectives import OBJECTIVES
from seqlm.training.pooling import choice_in_words, pooling_fields

log = logging.getLogger(__name__)

NO_CHARACTER = ord("N")
# Settings that a bundle says it was trained with, as they depend on the number of examples.
SHOWN = ("epochs", "batch_size", "learning_rate", "schedule", "warmup", "weight_decay", "patience")


def fit_dataset_model(
    dataset,
    fold,
    model,
    training,
    seed,
    output,
    *,
    backbone=None,
    names=("dataset", "model"),
    precision="auto",
    device="auto",
    checkpoints=None,
    checkpoint_seconds=30.0,
    cache=None,
    code="",
    places=None,
):
    """Train one model of a study on one fold with one seed, and write it as a bundle with history and costs.

    Parameters
    ----------
    dataset : path or Dataset
    fold : int
    model : dict
        Model entry of a study: ``network``, or ``head``, ``train``, ``context``, ``layers`` and others for a backbone.
    training : dict
        Training settings of a study: fields of `FitSettings`, and copies, max_shift, cache, label_scaling, tensorboard.
    seed : int
    output : path
        Existing folder that receives the bundle, history.tsv and cost.json.
    backbone : path, optional
        Bundle of the backbone.
    names : (str, str)
        Names of dataset and model, for the model card.
    precision, device : str
    checkpoints : path, optional
    checkpoint_seconds : float
        See `seqlm.training.FitSettings`.
    cache : path, optional
        Folder for features of frozen backbones; None runs the backbone in every epoch.
    code : str
        Digest of the code, part of the checkpoints' fingerprint.
    places : dict, optional
        What `seqlm.training.places.choose_pooling` found on this fold. Without it, mean and maximum are taken, and
        positions of sequences that the dataset's config calls aligned.

    Returns
    -------
    model : SequenceModel
    history : DataFrame
    """
    data = load_dataset(dataset) if isinstance(dataset, (str, Path)) else dataset
    examples = Examples(data, fold, training.get("label_scaling", "standard"), training.get("class_weights"))
    device, output = pick_device(device), Path(output)
    precision = pick_precision(precision, device)
    if places and not chooses_pooling(model):
        places = None
    examples.pooling |= places or {}
    seed_everything(seed)
    card = {
        "title": f"{names[1]} on {names[0]}, fold {fold}, seed {seed}",
        "Data": {"dataset": names[0], "fold": fold, **examples.counts()},
        "Training": {**model, **training, "seed": seed},
    }
    kind = None if backbone else _network(model)
    if (kind and kind.fit) or model.get("head") == "linear":
        trained, history = _solve(model, examples, seed, output, backbone)
    else:
        trained = _build(model, examples, backbone)
        board = str(output / "tensorboard") if training.get("tensorboard") else None
        cache = cache if backbone and training.get("cache", True) and not _trains_backbone(trained) else None
        train, validation, features = _inputs(trained, examples, training, cache, precision, device)
        pooling = None if examples.target == "track" else getattr(trained.config, "pooling", None)
        own = training_settings(training, len(train), kind, _trained_width(trained) if backbone else None, pooling)
        own |= {"tensorboard": board, "checkpoint_seconds": checkpoint_seconds}
        settings = FitSettings(**own, seed=seed, precision=precision, device=str(device))
        fingerprint = {"model": model, "training": training, "data": examples.digest(), "code": code}
        fingerprint |= {"seed": seed, "fold": fold, "backbone": _backbone_digest(backbone), "precision": precision}
        fingerprint |= {"places": places}
        result = fit(
            trained,
            train,
            validation,
            settings=settings,
            output=output,
            checkpoints=checkpoints,
            fingerprint=fingerprint,
        )
        history = result.history
        if features:
            with atomic_path(output / "cost.json") as path:
                path.write_text(json.dumps([features, result.cost], indent=1) + "\n")
        if backbone:
            from seqlm.models.language.tuning import finish

            trained = finish(trained)
        shown = {key: getattr(settings, key) for key in SHOWN}
        chosen = {"pooling_chosen_by": choice_in_words(places)} if places else {}
        trained.config.trained_with = shown | {"metric": result.metric} | chosen
        card["Training"] |= trained.config.trained_with | {"best epoch": result.best_epoch}
        if getattr(trained, "mix", None) is not None:
            shares = zip(trained.layers, trained.mix.shares().tolist(), strict=True)
            card["Training"] |= {"share of each layer": ", ".join(f"{k}: {share:.2f}" for k, share in shares)}
    if examples.target != "track" and hasattr(trained.config, "pooling"):
        card["Training"]["pooling"] = trained.config.pooling
        convolutions = getattr(trained.config, "before_pooling", None)
        card["Training"] |= {} if convolutions is None else {"convolutions before pooling": convolutions}
    last = history[history["part"] == "validation"]
    best = card["Training"].get("best epoch", 0)
    card["Validation"] = {r.metric: f"{r.value:.4f}" for r in last[last["epoch"] == best].itertuples()}
    save_bundle(trained, output, card=card)
    if examples.target != "track":
        _predict_validation(trained, examples, output, device)
    return trained, history


def _predict_validation(network, examples, output, device):
    """Predictions on the validation part, by which those on new sequences are judged."""
    own = examples.table.iloc[examples.validation]
    predictions = predict_targets(network, as_read(network, own["sequence"]), device=device)
    write_validation(output, own["id"], own["target"], predictions)


def _network(model):
    """What is known of the network that a model entry names."""
    name = model.get("network")
    if name not in NETWORKS:
        raise InputError("model", f"network {name} is unknown", f"use one of {', '.join(NETWORKS)}")
    return network(name)


def _build(model, examples, backbone):
    """The untrained network of a model entry."""
    if backbone:
        return _on_backbone(model, examples, backbone)
    cls = _network(model).load()
    fields = inspect.signature(cls.config_class.__init__).parameters
    options = {key: value for key, value in model.items() if key in fields}
    if "pooling" in fields:
        choices = _network(model).options["pooling"]["enum"]
        default = "auto" if "auto" in choices else fields["pooling"].default
        options |= _pooling(model.get("pooling", default), examples)
    if "layout" in fields:
        options.setdefault("layout", _layout(examples, model.get("samplesize")))
    return cls(cls.config_class(**options, **examples.common()))


def _pooling(wanted, examples, *of_backbone):
    """Fields of the config; nothing is pooled for a track."""
    if examples.target == "track":
        return {"pooling": "mean"}
    return pooling_fields(wanted, as_read(None, examples.sequences), examples.pooling, *of_backbone)


def _layout(examples, samplesize=None):
    """How the text of atomic tokens becomes channels, from (a sample of) the training sequences themselves."""
    from seqlm.tokenization.atomic import MRNA_TOKENS, AtomicLayout, learn_layout

    sequences = examples.sequences.iloc[examples.train]
    if not sequences.str.contains(" ", regex=False).any():
        return AtomicLayout("bases").to_dict()
    specifiers = "#" if sequences.str.contains("#", regex=False).any() else None
    layout = learn_layout(sequences, samplesize, specifier_separator=specifiers)
    if set(layout.tokens) <= set(MRNA_TOKENS) and not specifiers:
        return AtomicLayout("mrna", separator=" ").to_dict()
    return layout.to_dict()


def _on_backbone(model, examples, folder):
    """A head on a pretrained encoder."""
    from seqlm.models.language.backbone import reads_other_text
    from seqlm.models.language.encoders import depth_of, longest_input
    from seqlm.models.language.hub import load_any
    from seqlm.models.language.tuning import layers_to_train, tuned

    encoder = load_any(folder)
    train, limit = model.get("train", "head"), longest_input(encoder.base_model, encoder.tokenizer)
    fields = ("context", "pooling", "hidden", "kernel", "dropout", "skip", "special_tokens")
    options = {key: model[key] for key in fields if key in model}
    apart = reads_other_text(encoder.tokenizer, options)
    options |= head_settings(
        model,
        examples.target,
        layers_to_train(encoder, train) == "head",
        _layer_bytes(encoder, examples, options, limit),
        depth_of(encoder.base_model) + 1,
        apart,
    )
    if options.get("before_pooling") == 0 and options["head"] == "pooled" and "depth" not in model and not apart:
        log.warning("features of all tokens would take more than 8 GB: the head pools at once; depth: 1 does not")
    linear, wanted = options["head"] == "linear", options.get("pooling", "auto")
    if wanted == "auto" and (linear or apart):
        # One vector a sequence, or a strand, is what is read.
        options["pooling"] = "mean_max" if linear else examples.pooling["otherwise"]
    elif not linear:
        options |= _pooling(wanted, examples, encoder.tokenizer, limit)
    return tuned(encoder, encoder.tokenizer, train, **options, **examples.common())


def _layer_bytes(encoder, examples, options, limit):
    """What one layer's features of all tokens take in 32 bits."""
    from seqlm.tokenization import encode_batch, spelled

    sequences = examples.data.examples["sequence"]  # of the dataset, so that a part of it gets the same head
    longest = max(as_read(encoder, sequences), key=len)
    tokens = encode_batch(encoder.tokenizer, spelled(encoder.tokenizer, [longest])).shape[1]
    strands = 2 if options.get("context") == "both_strands" else 1
    return 4.0 * len(sequences) * min(tokens, limit or tokens) * encoder.config.hidden_size * strands


def _trains_backbone(network):
    return any(parameter.requires_grad for parameter in network.backbone.parameters())


def _trained_width(network):
    """Width of an encoder whose own weights are trained; LoRA's start anew, as a head does."""
    return network.backbone.config.hidden_size if network.config.train != "head" else None


def _backbone_digest(folder):
    if not folder:
        return None
    return hashlib.sha256((Path(folder) / "model.safetensors").read_bytes()).hexdigest()


def _inputs(network, examples, training, cache, precision, device):
    """Training and validation data of a network; and the cost of features, where they were cached."""
    sequences, y = examples.sequences.tolist(), examples.y
    origin = np.arange(len(sequences))
    if examples.target == "track":
        sequences, y, origin = _with_copies(examples, training)
    names = [f"example {name!r}" for name in examples.table["id"].iloc[origin]]
    X = encoded(network.encode, as_read(network, sequences), names)
    values = network.positions(X) if hasattr(network, "positions") else X.shape[1]
    if examples.target == "track" and values != y.shape[1]:
        problem = f"reads {values} bases of {y.shape[1]}, a track has a value for each"
        raise InputError("model", problem, "use shorter windows")
    rows, features = X.__getitem__, None
    if cache:
        store, features = cached_features(network, X, cache, precision=precision, device=device)
        rows = store.subset
    train, validation = np.flatnonzero(np.isin(origin, examples.train)), examples.validation
    weight = None if examples.weight is None else examples.weight[origin]
    if getattr(network, "mix", None) is not None:
        standardise_layers(network, rows(train), precision=precision, device=device)
    parts = [ArrayData(rows(part), y[part], None if weight is None else weight[part]) for part in (train, validation)]
    return *parts, features


def _with_copies(examples, training):
    """Sequences and tracks of all examples, then those of shifted copies, and the row each comes from.

    Every fold and seed sees the same copies: so they can share features, and models differ in nothing else.
    """
    lengths = examples.sequences.str.len()
    text = np.full((len(lengths), lengths.max()), NO_CHARACTER, np.uint8)
    tracks = np.full(text.shape, np.nan, np.float32)
    for i, (sequence, track) in enumerate(zip(examples.sequences, examples.y, strict=True)):
        text[i, : len(sequence)] = np.frombuffer(sequence.encode("latin-1"), np.uint8)
        tracks[i, : len(track)] = track
    rows = examples.copied
    copies, copied_tracks, origin = shifted_copies(
        text[rows],
        tracks[rows],
        copies=training.get("copies", 1),
        max_shift=training.get("max_shift", 10),
        fill=NO_CHARACTER,
    )
    text = np.concatenate([text, copies[len(rows) :]])
    tracks = np.concatenate([tracks, copied_tracks[len(rows) :]])
    origin = np.concatenate([np.arange(len(lengths)), rows[origin[len(rows) :]]])
    return [row.tobytes().decode("latin-1") for row in text], tracks, origin


def _solve(model, examples, seed, output, backbone):
    """A model that is solved for rather than trained step by step: a baseline, or a linear probe of a backbone."""
    if examples.target == "track":
        name = model.get("network", "linear")
        raise InputError("model", f"network {name} predicts no value per base", "use network: cnn, or a backbone")
    table, train = examples.table, examples.train
    groups = table["group"].iloc[train]
    with CostLog("fit") as cost:
        data = {
            "sequences": examples.sequences.iloc[train].tolist(),
            "y": examples.y[train],
            "groups": group_numbers(groups).tolist() if known_groups(groups).any() else None,
            "weight": None if examples.weight is None else examples.weight[train],
            "seed": seed,
        }
        if backbone:
            fitted = _on_backbone(model, examples, backbone)
            fit_head(fitted, **(data | {"sequences": as_read(fitted, data["sequences"])}))
        else:
            common = {key: value for key, value in examples.common().items() if key != "n_outputs"}
            options = {key: value for key, value in model.items() if key != "network"}
            kind = _network(model)
            fitted = kind.load(kind.fit)(**data, **common, **options)
        cost.add(samples=len(train))
    cost.parameters = cost.trainable_parameters = sum(p.numel() for p in fitted.parameters())
    cost.write(output)
    rows = []
    for part in ("train", "validation"):
        chosen = getattr(examples, part)
        X = fitted.encode(as_read(fitted, examples.sequences.iloc[chosen]))
        weight = None if examples.weight is None else examples.weight[chosen]
        found = evaluate(fitted, ArrayData(X, examples.y[chosen], weight), OBJECTIVES[examples.target]())
        rows += [[0, 0, part, metric, value] for metric, value in found.items()]
    return fitted, write_history(rows, output)
