"""What each model of a study is: a language model, its untrained control, or a network or baseline of its own.

And what of it is left to the data.
"""

from seqlm.evaluation.words import (
    CONTROL,
    CONTROL_FAMILY,
    ENSEMBLE_FAMILY,
    LANGUAGE,
    LANGUAGE_FAMILY,
    LINEAR_FAMILY,
    NETWORK_FAMILY,
)
from seqlm.models.registry import NETWORKS, chooses_pooling, network


def model_kinds(config):
    """What each model of a study is.

    Returns
    -------
    dict
        name -> {"kind": words for a reader, "family": words, "backbone": name or None, "twin": name or None}. A
        backbone of no steps is an untrained control; its twin is the language model that differs from it in nothing
        but the pretraining. The families are those of `seqlm.evaluation.words`.
    """
    models, backbones = config.get("models") or {}, config.get("backbones") or {}
    kinds = {}
    for name, model in models.items():
        backbone = model.get("backbone")
        if backbone is None:
            own = model.get("network", "ensemble" if "ensemble" in model else "model")
            kind = network(own).words if own in NETWORKS else own
        else:
            kind = CONTROL if backbones[backbone].get("steps") == 0 else LANGUAGE
        kinds[name] = {"kind": kind, "family": _family(model, kind), "backbone": backbone, "twin": None}
    for name, own in kinds.items():
        if own["kind"] == CONTROL:
            same = [
                other
                for other, it in kinds.items()
                if it["kind"] == LANGUAGE and _alike(name, other, models, backbones)
            ]
            own["twin"] = same[0] if same else None
    return kinds


def pooling_is_chosen(dataset, models):
    """Whether the validation part decides how models gather positions (see `seqlm.training.places`).

    Parameters
    ----------
    dataset : dict
        Entry of a dataset.
    models : list of dict
        Entries of the models that are trained on it.
    """
    if dataset["target"] == "track" or dataset.get("aligned") or "transcripts" in dataset:
        return False
    if dataset.get("table", {}).get("tokens"):
        return False
    return any(chooses_pooling(model) for model in models if "ensemble" not in model)


def _family(model, kind):
    """The family of a model as a study describes it. A linear probe of a language model is a language model."""
    if "backbone" in model:
        return CONTROL_FAMILY if kind == CONTROL else LANGUAGE_FAMILY
    if "ensemble" in model:
        return ENSEMBLE_FAMILY
    own = model.get("network")
    linear = own in NETWORKS and network(own).family == "linear"
    return LINEAR_FAMILY if linear else NETWORK_FAMILY


def _alike(a, b, models, backbones):
    """Whether two models on backbones differ in nothing but the steps of pretraining."""

    def settings(name):
        model = {key: value for key, value in models[name].items() if key not in ("backbone", "devices")}
        own = backbones[models[name]["backbone"]]
        backbone = {key: value for key, value in own.items() if key not in ("steps", "devices")}
        return model, backbone

    return settings(a) == settings(b)
