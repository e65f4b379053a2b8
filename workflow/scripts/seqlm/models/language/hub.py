"""Encoders from the Hugging Face hub or a local folder, with one clear line for whatever goes wrong.

A hub name is read from the local cache where there is no network. The model's own code runs only when the user asks
for it, and then only at a pinned commit. Version 2 Nucleotide Transformers, DNABERT-2, GENA-LM, HyenaDNA and Caduceus
need no code of theirs, see `seqlm.models.language.families`; other packages may bring classes
(``classes=["multimolecule"]``).
What is not in a model's files (which class, how bases are spelled) is found by trying, and refused where it does not
fit.
"""

import json
import logging
from pathlib import Path

from seqlm.common.errors import InputError
from seqlm.models.language import layouts
from seqlm.models.language.fetching import COMMIT, fetch, require_files
from seqlm.models.origin import check_trust, import_classes, licence_of, origin_of
from seqlm.tokenization import load_tokenizer, spelled
from seqlm.tokenization.letters import letters_tokenizer, reads_letters
from seqlm.tokenization.spelling import record_spelling

log = logging.getLogger(__name__)


def load_language_model(source, revision=None, trust_remote_code=False, tokenizer=None, classes=()):
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
    classes : str or list of str
        Installed packages whose import announces the model's classes to transformers.

    Returns
    -------
    PreTrainedModel
        With its output layer where it has one, float32, in evaluation mode, the tokenizer as ``.tokenizer``. Its
        ``config.seqlm_origin`` says where it comes from (`seqlm.models.origin`).

    Raises
    ------
    InputError
        The hub cannot be reached, the model or its tokenizer does not exist or cannot be read, its class is unknown,
        its weights are not those of the class, or its tokenizer does not know bases.
    """
    source = str(source)
    folder, commit = _folder(source, revision, trust_remote_code)
    raw = _read_config(folder, source, commit)
    origin = origin_of(raw)
    classes = [classes] if isinstance(classes, str) else list(classes or origin.get("classes", ()))
    import_classes(classes, source)
    trusted = check_trust(folder, raw, trust_remote_code) if origin.get("code") else trust_remote_code
    try:
        model = _load_model(folder, raw, trusted)
    except InputError as error:
        raise InputError(source, error.problem, error.mend) from None
    except Exception as error:  # the loaders raise whatever configs, parsers and the model's own code raise
        raise _explained(source, error, trusted, classes) from None
    if not trusted and getattr(model.config, "auto_map", None):
        del model.config.auto_map  # of code that was not run
    model.tokenizer = _load_tokenizer(source, folder, tokenizer, trusted)
    _check_vocabulary(model, source)
    if not origin and "seqlm_version" not in raw:  # a model that was not made here
        readme = folder / "README.md"
        licence = licence_of(readme.read_text(errors="replace")) if readme.is_file() else {}
        origin = {"source": source, "revision": revision, "commit": commit, "licence": licence, "classes": classes}
    if origin:
        model.config.seqlm_origin = origin
        model.config._name_or_path = origin["source"]  # not the folder of a cache
    return model.eval()


def fetch_bundle(folder, name, source, **options):
    """Fetch a model and keep it as a bundle.

    Parameters
    ----------
    folder : path
    name : str
        What a study calls the model.
    source, **options
        As for `load_language_model`.

    Raises
    ------
    InputError
        As there; or the tokenizer does not come back from the bundle as it was.
    """
    from seqlm.models.bundle import save_bundle

    model = load_language_model(source, **options)
    origin = origin_of(model.config)
    said = {key: origin[key] or "as found" for key in ("source", "revision", "commit") if origin.get("source")}
    licence = origin.get("licence") or {"license": "unknown"}
    said |= {"licence": ", ".join(licence.values()), "classes": ", ".join(origin.get("classes", [])) or "transformers"}
    save_bundle(model, folder, card={"title": name, "Origin": said})
    again = load_tokenizer(folder, options.get("trust_remote_code", False))
    probes = spelled(model.tokenizer, ["ACGTTGCAACGT" * n for n in (1, 2, 7)])
    if again(probes)["input_ids"] != model.tokenizer(probes)["input_ids"]:
        problem = f"its tokenizer ({type(model.tokenizer).__name__}) is not the same once it is saved"
        raise InputError(source, problem, "give tokenizer_source: with a tokenizer.json")


def load_any(source, **options):
    """A model from a bundle of ours, or else as `load_language_model`."""
    from seqlm.models import model_types
    from seqlm.models.bundle import load_model

    path = Path(source) / "config.json"
    if path.is_file() and json.loads(path.read_text()).get("model_type") in model_types():
        return load_model(source, trust_remote_code=options.get("trust_remote_code", False))
    return load_language_model(source, **options)


def load_encoder(source, **options):
    """As `load_language_model`, without the output layer and the pooler: token ids -> ``.last_hidden_state``."""
    model = load_language_model(source, **options)
    encoder = model.base_model
    if getattr(encoder, "pooler", None) is not None:
        encoder.pooler = None
    encoder.tokenizer = model.tokenizer
    return encoder


def _folder(source, revision, trust_remote_code):
    """Where the model's files are, and the commit they are of."""
    if Path(source).is_dir():
        return Path(source), None
    if Path(source).is_absolute():
        raise InputError(source, "no such folder", "give the folder of a saved model, or a name on the hub")
    if trust_remote_code and not COMMIT.fullmatch(revision or ""):
        raise InputError(
            source,
            "remote code is run only at a pinned commit",
            "give revision: the 40 digits of a commit you have read",
        )
    return fetch(source, revision, trust_remote_code)


def _read_config(folder, source, commit):
    from transformers import PretrainedConfig

    require_files(folder, source, commit)
    try:
        return PretrainedConfig.get_config_dict(folder, local_files_only=True)[0]
    except Exception as error:  # as whoever wrote it wrote it
        message = " ".join(str(error).split())[:150]
        raise InputError(source, f"its config.json cannot be read ({message})", "fetch or copy it again") from None


def _load_model(folder, raw, trusted):
    import torch
    import transformers

    foreign = [one for one in raw.get("auto_map", {}).values() if isinstance(one, str) and "--" in one]
    if trusted and foreign:
        problem = f"its code lies elsewhere ({foreign[0]}), where a commit of this model pins nothing"
        raise InputError("auto_map", problem, "use classes: with a package, or a folder that holds model and code")
    # Whatever precision weights are published in, results are those of float32.
    options = {"local_files_only": True, "use_safetensors": True, "output_loading_info": True, "dtype": torch.float32}
    ours = None if trusted else layouts.native(raw, folder)
    if ours:
        loader, config = ours
    else:
        config = transformers.AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=trusted)
        loader = layouts.model_class_for(raw, config)
        options["trust_remote_code"] = trusted
    model, info = loader.from_pretrained(folder, config=config, **options)
    if not layouts.check_weights(model, info, str(folder), "auto_map" in raw):
        log.warning("the weights have no output layer: the encoder alone is read")
        model = model.base_model
    return layouts.with_usual_names(model)


def _load_tokenizer(source, folder, elsewhere, trusted):
    """A tokenizer that came with the model, or the one that the user names."""
    if elsewhere is None:
        where = source
    else:
        where, trusted = str(elsewhere), False
        folder = Path(where) if Path(where).is_dir() else fetch(where)[0]
    if not any(folder.glob("*token*")) and not any(folder.glob("vocab*")) and not any(folder.glob("*.model")):
        raise InputError(where, "has no tokenizer", "give tokenizer_source: a name or folder")
    try:
        own = not trusted and reads_letters(folder)
        tokenizer = letters_tokenizer(folder) if own else load_tokenizer(folder, trusted, published=True)
    except InputError as error:
        if "trust_remote_code" in error.problem or "custom code" in error.problem:
            raise _own_code(where, "its tokenizer") from None
        raise InputError(where, f"its {error.problem}", "give tokenizer_source: a name or folder") from None
    record_spelling(tokenizer, where)
    return tokenizer


def _check_vocabulary(model, source):
    """Refuse a tokenizer that writes tokens which the model does not have; ones that are never written do no harm."""
    tokenizer, size = model.tokenizer, model.config.vocab_size
    bases = [id for word, id in tokenizer.get_vocab().items() if word and set(word.upper()) <= set("ACGTU")]
    written = tokenizer(spelled(tokenizer, ["ACGTTGCAACGTACGT" * 21]))["input_ids"][0]
    largest = max([*bases, *written])
    if largest >= size:
        raise InputError(source, f"the tokenizer has {largest + 1} tokens, the model {size}", "use its own tokenizer")


def _own_code(source, what):
    mend = "read it, then set trust_remote_code: true and revision: to that commit, or classes: to a package"
    return InputError(source, f"{what} brings its own code", mend)


def _explained(source, error, trusted, classes):
    """The InputError that says what an exception of the loaders means."""
    import transformers
    from safetensors import SafetensorError

    message = " ".join(str(error).split())
    version = f"transformers {transformers.__version__}"
    if "trust_remote_code" in message or "custom code" in message:
        return _own_code(source, "the model")
    unknown = ("Unrecognized model", "does not recognize this architecture", "Unrecognized configuration class")
    if any(words in message for words in unknown) or (isinstance(error, KeyError) and not trusted):
        mend = "use classes: with the package that brings its class (multimolecule, gpn), or another model"
        return InputError(source, f"{version} knows no class for this model", mend)
    if "mismatched" in message or "size mismatch" in message:
        return InputError(source, "its weights have other shapes than its config.json says", "use another revision")
    if isinstance(error, SafetensorError):
        return InputError(source, f"its weights cannot be read ({message[:100]})", "fetch or copy them again")
    if trusted and isinstance(error, ImportError | AttributeError | TypeError):
        return InputError(source, f"its own code does not run with {version} ({message[:150]})", "use another model")
    if classes and isinstance(error, ImportError | AttributeError | TypeError):
        problem = f"the classes of {', '.join(classes)} do not run with {version} ({message[:150]})"
        return InputError(source, problem, "install a version of the package that fits")
    return InputError(source, f"cannot be read ({message[:200]})", "check that the folder or download is complete")
