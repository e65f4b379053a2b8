"""Whether a model's entry makes sense: what it is, and that its keys are of that kind of model."""

import jsonschema

from seqlm.common.errors import InputError, check_known
from seqlm.models.registry import network, option_schema

KINDS = ("network", "backbone", "ensemble")
OF_BACKBONES = (
    "head", "train", "context", "layers", "skip", "pooling", "special_tokens", "dropout", "kernel",
    "hidden", "depth", "training", "devices",
)  # fmt: skip


def check_model(config, name):
    """Refuse an entry under ``models`` that no model can be made from.

    Parameters
    ----------
    config : dict
        A study's config, checked against the schema.
    name : str

    Raises
    ------
    InputError
        For an entry of no kind or several, a name that refers to nothing, a key that its kind of model has not, or a
        value that its network cannot take.
    """
    model, where = config["models"][name], f"config, models.{name}"
    if sum(kind in model for kind in KINDS) != 1:
        mend = "give network: cnn, or backbone: <name>, or ensemble: [<models>]"
        raise InputError(where, "a model has either a network or a backbone or is an ensemble", mend)
    if "ensemble" in model:
        others = [other for other in config["models"] if other != name]
        check_known(others, "model", where, *model["ensemble"])
        _check_keys(model, ("ensemble", "weights"), "an ensemble", where)
    elif "backbone" in model:
        check_known(config["backbones"], "backbone", where, model["backbone"])
        _check_keys(model, ("backbone", *OF_BACKBONES), "a model on a backbone", where)
        backbone, asked = config["backbones"][model["backbone"]], model.get("layers", "last")
        if "hub" not in backbone and not isinstance(asked, str) and max(asked) > backbone["layers"]:
            problem = f"the backbone has no layer {max(asked)}"
            raise InputError(f"{where}.layers", problem, f"use 0 (the embedding) to {backbone['layers']}")
    else:
        own = network(model["network"])
        _check_keys(model, ("network", "training", "devices", *own.options), f"the network {own.name}", where)
        error = jsonschema.exceptions.best_match(
            jsonschema.Draft202012Validator(option_schema(own.name)).iter_errors(model)
        )
        if error:
            key = ".".join(map(str, error.absolute_path))
            raise InputError(f"{where}.{key}", error.message, own.options[key.split(".")[0]]["description"])


def check_target(model, target, where, tokens="character"):
    """Refuse a model on a backbone whose head cannot predict a dataset's target.

    Parameters
    ----------
    model : dict
    target : {"track", "scalar", "class"}
    where : str
    tokens : str
        Kind of the backbone's tokenizer, where it is known.

    Raises
    ------
    InputError
    """
    if model.get("skip", "none") != "none" and (model.get("head") == "linear" or model.get("depth") == 0):
        raise InputError(
            f"{where}.skip", "a head without convolutions reads no bases", "leave skip out, or use a head with some"
        )
    if model.get("skip", "none") != "none" and target != "track" and tokens != "character":
        raise InputError(f"{where}.skip", "the backbone's tokens are not single bases", "leave skip out")
    if model.get("depth") and target != "track" and tokens != "character" and model.get("context") == "both_strands":
        problem = "no convolution can read both strands of tokens that are not single bases"
        raise InputError(f"{where}.depth", problem, "leave depth out, or use context: forward")
    if model.get("depth") == 0 and target == "track":
        raise InputError(f"{where}.depth", "a track has a conv head, of at least one convolution", "use 1 or more")
    if model.get("depth") and model.get("head") == "linear":
        raise InputError(f"{where}.depth", "a linear probe has no convolutions", "leave it out, or use head: pooled")


def _check_keys(model, known, what, where):
    unknown = [key for key in model if key not in known]
    if unknown:
        raise InputError(where, f"{what} has no {unknown[0]!r}", f"it has: {', '.join(known)}")
