"""Bundles: a model as a self-contained folder.

==================  ===================================================
config.json         architecture, target, classes, label scaling, seqlm version
model.safetensors   weights (nothing is ever unpickled)
tokenizer.json ...  the tokenizer, for models that read tokens (vocab.txt or others, where it is one in Python)
*.py                code of a fetched model's own, which runs only when trusted (`seqlm.models.origin`)
README.md           model card
validation.parquet  predictions on the validation part, see `seqlm.evaluation.validation`
==================  ===================================================
"""

import json
import os
from pathlib import Path
from tempfile import TemporaryDirectory

from safetensors import SafetensorError
from safetensors.torch import load_file
from transformers import PretrainedConfig

import seqlm
from seqlm.common.errors import InputError
from seqlm.models import model_class, model_types
from seqlm.models.base import encoder_of
from seqlm.models.origin import check_trust, import_classes, keep_code, origin_of
from seqlm.tokenization import load_tokenizer


def save_bundle(model, folder, tokenizer=None, card=None):
    """Write a bundle into a folder; other files there stay.

    The files are written elsewhere and renamed into place. ``config.json``,
    without which nothing loads, goes first and comes back last, so a bundle is
    never seen half-written.

    Parameters
    ----------
    model : PreTrainedModel
    folder : path
    tokenizer : PreTrainedTokenizerFast, optional
        Default: the model's own.
    card : dict, optional
        What the model card says: heading -> text, or heading -> dict of rows.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = tokenizer or getattr(model, "tokenizer", None)
    model.config.seqlm_version = seqlm.__version__
    with TemporaryDirectory(dir=folder, prefix=".tmp-") as temporary:
        _keep_code(model, tokenizer, temporary)
        # Under our own names: transformers would write some encoders' weights under those of old checkpoints.
        model.save_pretrained(temporary, save_original_format=False)
        if tokenizer is not None:
            tokenizer.save_pretrained(temporary)
        Path(temporary, "README.md").write_text(model_card(model, card or {}))
        (folder / "config.json").unlink(missing_ok=True)
        for name in sorted(os.listdir(temporary), key=lambda name: name == "config.json"):
            os.replace(Path(temporary, name), folder / name)


def load_model(folder, trust_remote_code=False):
    """The model in a bundle, in evaluation mode, its tokenizer as ``model.tokenizer``.

    Parameters
    ----------
    folder : path
    trust_remote_code : bool
        Run code in the bundle that came with a fetched model.

    Raises
    ------
    InputError
        When the folder is no bundle, or a file of it is missing, cut short or of another model; it needs a package that
        is not installed, or code that is not trusted.
    """
    folder = Path(folder)
    config = _read_config(folder)
    cls = model_class(config.get("model_type"))
    if cls is None:
        known = ", ".join(model_types())
        raise InputError(
            folder / "config.json", f"unknown model_type {config.get('model_type')!r}", f"known are {known}"
        )
    try:
        state = load_file(folder / "model.safetensors")
    except FileNotFoundError:
        raise InputError(folder / "model.safetensors", "weights are missing", "copy the whole bundle again") from None
    except SafetensorError as error:
        raise InputError(
            folder / "model.safetensors", f"weights are damaged ({error})", "copy the bundle again"
        ) from None
    import_classes(origin_of(config).get("classes", ()), folder)
    trusted = check_trust(folder, config, trust_remote_code)
    settings = cls.config_class.from_dict(config)
    model = cls.with_own_code(settings, folder) if trusted else cls(settings)
    _load_state(model, state, folder)
    if (folder / "tokenizer.json").is_file() or (folder / "tokenizer_config.json").is_file():
        model.tokenizer = load_tokenizer(folder, trusted)
    return model.eval()


def model_card(model, card):
    """Text of README.md: what the model is, then what `card` says."""
    config = model.config
    facts = {
        "model": type(model).__name__,
        "target": getattr(config, "target", "next token"),
        "parameters": f"{sum(p.numel() for p in model.parameters()):,}",
        "seqlm": config.seqlm_version,
    }
    lines = [
        "---",
        *(f"{name}: {value}" for name, value in _licence(config).items()),
        "library_name: seqlm",
        "---",
        "",
        f"# {card.get('title', type(model).__name__)}",
        "",
    ]
    lines += _table(facts)
    for heading, content in card.items():
        if heading != "title":
            lines += ["", f"## {heading}", "", *(_table(content) if isinstance(content, dict) else [str(content)])]
    lines += ["", "Load it with `seqlm.load_model(folder)`.", ""]
    return "\n".join(lines)


def _licence(config):
    """That of the model which was fetched, and of what stands on it; else whoever has the data says, not we."""
    return origin_of(config).get("licence") or {"license": "unknown"}


def _keep_code(model, tokenizer, folder):
    """Put the code of a fetched model into its bundle, and take down what it is."""
    origin = origin_of(model.config)
    encoder = encoder_of(model)
    record = keep_code(folder, encoder, encoder.config, tokenizer) if origin else None
    if record is None:
        return
    for config in (model.config, encoder.config):
        if getattr(config, "seqlm_origin", None):
            config.seqlm_origin = origin | {"code": record}
    if getattr(model.config, "backbone_config", None):
        model.config.backbone_config["seqlm_origin"] = origin | {"code": record}


def _table(rows):
    return ["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows.items())]


def _read_config(folder):
    path = folder / "config.json"
    try:
        config = json.loads(path.read_text())
    except FileNotFoundError:
        raise InputError(
            folder, "no model bundle there (no config.json)", "give the folder that a model was saved to"
        ) from None
    except ValueError as error:
        raise InputError(path, f"not readable as JSON ({error})", "copy the bundle again") from None
    if not isinstance(config, dict):
        raise InputError(path, "holds no settings", "copy the bundle again")
    return PretrainedConfig.get_config_dict(folder, local_files_only=True)[0]  # numbers that JSON has not: infinity


def _load_state(model, state, folder):
    """Copy weights into the model; every one must be there and fit."""
    tied = set(model.all_tied_weights_keys)
    try:
        missing, surplus = model.load_state_dict(state, strict=False)
    except RuntimeError as error:
        problem = str(error).splitlines()[-1].strip()
        raise InputError(folder, f"weights do not fit config.json ({problem})", "copy the bundle again") from None
    missing = sorted(set(missing) - tied)
    if missing or surplus:
        names = ", ".join((missing + surplus)[:3])
        raise InputError(
            folder, f"weights do not fit config.json (missing or surplus: {names})", "copy the bundle again"
        )
