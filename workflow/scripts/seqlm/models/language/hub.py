"""Encoders from the Hugging Face hub or a local folder, with one clear line for whatever goes wrong.

A hub name is read from the local cache where there is no network. The model's own code runs only when the user asks
for it, and then only at a pinned commit. Version 2 Nucleotide Transformers need
no code of theirs, see `seqlm.models.language.esm`.
"""

import json
import re
from pathlib import Path

from seqlm.common.errors import InputError

_PROBE = "ACGTTGCAACGTACGT"
_TASKS = {
    "ForMaskedLM": "AutoModelForMaskedLM",
    "ForCausalLM": "AutoModelForCausalLM",
    "LMHeadModel": "AutoModelForCausalLM",
}


def load_language_model(source, revision=None, trust_remote_code=False, tokenizer=None):
    """A pretrained model and its tokenizer.

    Parameters
    ----------
    source : str or path
        Name on the hub, a folder with ``config.json``, or the bundle of a backbone that was pretrained here.
    revision : str, optional
        Commit (40 hexadecimal digits), branch or tag; a commit is required for remote code.
    trust_remote_code : bool
        Run Python code that comes with the model.
    tokenizer : str or path, optional
        Where the tokenizer is, when it does not come with the model.

    Returns
    -------
    PreTrainedModel
        With its output layer where it has one; in evaluation mode, the tokenizer as ``.tokenizer``.

    Raises
    ------
    InputError
        The hub cannot be reached, the model or its tokenizer does not exist or cannot be read, or its class is unknown.
    """
    source = str(source)
    local = Path(source).is_dir()
    if trust_remote_code and not local and not re.fullmatch(r"[0-9a-f]{40}", revision or ""):
        raise InputError(
            source,
            "remote code is run only at a pinned commit",
            "give revision: the 40 digits of a commit you have read",
        )
    if not local and Path(source).is_absolute():
        raise InputError(source, "no such folder", "give the folder of a saved model, or a name on the hub")
    options = {"trust_remote_code": trust_remote_code, "local_files_only": local}
    if not local:
        options["revision"] = revision
    try:
        model = _load_model(source, options)
    except InputError:
        raise
    except Exception as error:  # the loaders raise whatever configs, parsers and the model's own code raise
        raise _explained(source, error, trust_remote_code) from None
    if tokenizer is not None:
        options = {"local_files_only": Path(tokenizer).is_dir(), "trust_remote_code": False}
    model.tokenizer = _load_tokenizer(source if tokenizer is None else str(tokenizer), options)
    if len(model.tokenizer) > model.config.vocab_size:
        raise InputError(
            source,
            f"the tokenizer has {len(model.tokenizer)} tokens, the model {model.config.vocab_size}",
            "use its own tokenizer",
        )
    if model.config.pad_token_id is None:
        model.config.pad_token_id = model.tokenizer.pad_token_id
    return model.eval()


def load_any(source, **options):
    """A model from a bundle of ours, or else as `load_language_model`."""
    from seqlm.models import model_types
    from seqlm.models.bundle import load_model

    path = Path(source) / "config.json"
    if path.is_file() and json.loads(path.read_text()).get("model_type") in model_types():
        return load_model(source)
    return load_language_model(source, **options)


def load_encoder(source, **options):
    """As `load_language_model`, without the output layer and the pooler: token ids -> ``.last_hidden_state``."""
    model = load_language_model(source, **options)
    encoder = model.base_model
    if getattr(encoder, "pooler", None) is not None:
        encoder.pooler = None
    encoder.tokenizer = model.tokenizer
    return encoder


def _load_model(source, options):
    import transformers
    from transformers import PretrainedConfig

    import seqlm.models.language.gpt  # noqa: F401  announces our own architecture
    from seqlm.models.language.esm import GatedEsmConfig, GatedEsmForMaskedLM

    where = {k: v for k, v in options.items() if k != "trust_remote_code"}
    raw, _ = PretrainedConfig.get_config_dict(source, **where)
    if raw.get("model_type") == "esm" and raw.get("add_bias_fnn") is False:
        raw = {k: v for k, v in raw.items() if k not in ("model_type", "auto_map", "architectures")}
        return GatedEsmForMaskedLM.from_pretrained(source, config=GatedEsmConfig(**raw), **where)
    name = (raw.get("architectures") or [""])[0]
    auto = next((auto for ending, auto in _TASKS.items() if name.endswith(ending)), "AutoModel")
    if "auto_map" in raw and auto not in raw["auto_map"]:
        auto = next((auto for auto in ("AutoModel", *_TASKS.values()) if auto in raw["auto_map"]), auto)
    return getattr(transformers, auto).from_pretrained(source, **options)


def _load_tokenizer(source, options):
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(source, **options)
        ids = tokenizer(_PROBE)["input_ids"]
    except Exception as error:  # as above
        message = " ".join(str(error).split())[:200]
        raise InputError(
            source, f"its tokenizer cannot be read ({message})", "give tokenizer: a name or folder"
        ) from None
    if not set(ids) - set(tokenizer.all_special_ids):
        raise InputError(source, "its tokenizer is missing or knows no bases", "give tokenizer: a name or folder")
    return tokenizer


def _explained(source, error, trusted):
    """The InputError that says what an exception of the loaders means."""
    import transformers

    message = " ".join(str(error).split())
    version = f"transformers {transformers.__version__}"
    if "trust_remote_code" in message or "custom code" in message:
        return InputError(
            source,
            "the model brings its own code",
            "read it, then set trust_remote_code: true and revision: to that commit",
        )
    if "not a local folder and is not a valid model identifier" in message or "Repository Not Found" in message:
        return InputError(source, "there is no such model on the hub", "check the name; private models need a login")
    if "is not a valid git identifier" in message or "Revision Not Found" in message:
        return InputError(source, "there is no such revision", "check revision: against the model's commits on the hub")
    unknown = ("Unrecognized model", "does not recognize this architecture", "Unrecognized configuration class")
    if any(words in message for words in unknown) or (isinstance(error, KeyError) and not trusted):
        return InputError(
            source, f"{version} knows no class for this model", "use another model or version of transformers"
        )
    unreachable = (
        "connect",
        "offline",
        "resolve",
        "timed out",
        "Max retries",
        "not find the requested files",
        "LocalEntry",
    )
    if any(words in message for words in unreachable) or type(error).__name__ in (
        "LocalEntryNotFoundError",
        "ConnectionError",
    ):
        return InputError(
            source,
            "the hub cannot be reached and the model is not in the local cache",
            "fetch it where there is a network (hf download NAME --revision COMMIT), give its folder or set HF_HOME",
        )
    if trusted and isinstance(error, (ImportError, AttributeError, TypeError)):
        return InputError(source, f"its own code does not run with {version} ({message[:150]})", "use another model")
    return InputError(source, f"cannot be read ({message[:200]})", "check that the folder or download is complete")
