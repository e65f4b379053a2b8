"""Which class reads a published model, and whether its weights really went into it.

A config's ``model_type`` is not enough. Published models leave it out (Nucleotide Transformer, version 2), or name a
class of transformers that is not theirs (GENA-LM says ``bert``): a class loads whatever names it finds in the weights
and makes up the rest, without a word.
"""

import re
from pathlib import Path

from seqlm.common.errors import InputError
from seqlm.models.origin import import_classes

_TASKS = {
    "ForMaskedLM": "AutoModelForMaskedLM",
    "ForPreTraining": "AutoModelForMaskedLM",
    "ForCausalLM": "AutoModelForCausalLM",
    "LMHeadModel": "AutoModelForCausalLM",
}
_MAPPINGS = {
    "AutoModelForMaskedLM": "MODEL_FOR_MASKED_LM_MAPPING",
    "AutoModelForCausalLM": "MODEL_FOR_CAUSAL_LM_MAPPING",
}
# Parts of an encoder that are no use here; and buffers that older versions of transformers saved.
_SPARE = ("pooler", "contact_head")
_BUFFERS = re.compile(r"(position_ids|token_type_ids|inv_freq|masked_bias|att(n|ention)\.bias)$")
# Of a Nucleotide Transformer: these say more than its code, as published, and ours, can do.
_SEGMENTING = ("rescaling_factor", "num_layers_head", "features")
# What a class's own config has and a published one must not set anew.
_NOT_OURS = ("model_type", "auto_map", "architectures", "dtype", "torch_dtype")


def native(raw, folder):
    """Our own class and its config for a published model that needs one, or None.

    Parameters
    ----------
    raw : dict
        Its config as published.
    folder : path
        Its files.

    Raises
    ------
    InputError
        It is of a model that grew out of one of ours and needs what is not here.
    """
    said = {key: value for key, value in raw.items() if key not in _NOT_OURS}
    if is_gated_esm(raw):
        from seqlm.models.language.families.esm import GatedEsmConfig, GatedEsmForMaskedLM

        return GatedEsmForMaskedLM, GatedEsmConfig(**said)
    if is_hyena(raw):
        from seqlm.models.language.families.hyena import HyenaConfig, HyenaForCausalLM

        return HyenaForCausalLM, HyenaConfig(**said)
    if is_caduceus(raw):
        from seqlm.models.language.families.caduceus import CaduceusConfig, CaduceusForMaskedLM

        return CaduceusForMaskedLM, CaduceusConfig(**said)
    variant = _variant_of_bert(raw, folder)
    if variant:
        from seqlm.models.language.families.bert import VariantConfig, VariantForMaskedLM

        return VariantForMaskedLM, VariantConfig(**(said | variant))
    return None


def is_gated_esm(raw):
    """Whether a published config (dict) is of version 2 of the Nucleotide Transformer, by its fields; see `native`."""
    name = (raw.get("architectures") or [""])[0]
    if raw.get("model_type") not in (None, "", "esm") or "add_bias_fnn" not in raw:
        return False
    more = [key for key in _SEGMENTING if raw.get(key) not in (None, False)]
    if more or "Esm" not in name:
        said = f"{name or 'its architecture'} with {', '.join(more)}" if more else name or "no architecture"
        problem = f"is no plain Nucleotide Transformer ({said}), which is all that can be read of this family"
        raise InputError("config.json", problem, "use a Nucleotide Transformer, or trust_remote_code: true")
    return True


def is_hyena(raw):
    """Whether a published config (dict) is HyenaDNA's, by its fields; see `native`.

    Another package's (multimolecule) has the same ``model_type`` and other names.
    """
    named = raw.get("model_type") in (None, "", "hyenadna")
    return named and {"d_model", "n_layer", "hyena_order", "filter_order"} <= raw.keys()


def is_caduceus(raw):
    """Whether a published config (dict) is of a Caduceus, by its fields; see `native`."""
    named = raw.get("model_type") in (None, "", "caduceus")
    return named and {"d_model", "n_layer", "rcps", "bidirectional_weight_tie"} <= raw.keys()


def _variant_of_bert(raw, folder):
    """How a published config that says it is a BERT's differs from one (see `families.bert`); None if not."""
    if raw.get("model_type") not in (None, "", "bert"):
        return None
    if "alibi_starting_size" in raw:  # DNABERT-2
        return {"alibi": True, "gated": True}
    if raw.get("pre_layer_norm") is not True:
        return None
    other = raw.get("position_embedding_type", "absolute") != "absolute"
    sparse = [key for key, value in raw.items() if "sparse" in key and value]
    if other or sparse:
        said = ", ".join([*sparse, *([raw["position_embedding_type"]] if other else [])])
        problem = f"is a GENA-LM with {said}: only those with full attention and absolute positions can be read"
        raise InputError("config.json", problem, "use gena-lm-bert-base-t2t or another with full attention")
    # Only some of the family have a norm after the last layer, and their configs do not tell.
    return {"pre_norm": True, "last_norm": any("last_layer_ln" in name for name in _weight_names(folder))}


def _weight_names(folder):
    from safetensors import safe_open

    for path in sorted(Path(folder).glob("*.safetensors")):
        with safe_open(path, "pt") as file:
            yield from file.keys()


def model_class_for(raw, config):
    """The Auto class that reads a model: with its output layer where transformers knows one, else the encoder alone.

    Parameters
    ----------
    raw : dict
        Its config as published.
    config : PreTrainedConfig
    """
    import transformers

    encoder = encoder_class(config)
    if encoder is not transformers.AutoModel:
        return encoder
    name = (raw.get("architectures") or [""])[0]
    auto = next((auto for ending, auto in _TASKS.items() if name.endswith(ending)), "AutoModel")
    own = getattr(config, "auto_map", None) or {}
    if own and auto not in own:
        auto = next((auto for auto in ("AutoModel", *_TASKS.values()) if auto in own), auto)
    mapping = getattr(transformers, _MAPPINGS.get(auto, "MODEL_MAPPING"))
    return getattr(transformers, auto) if auto in own or mapping.get(type(config), None) else encoder


def encoder_class(config):
    """The Auto class that makes an encoder alone from a config: of a model with a decoder (T5) its encoder."""
    import transformers

    kind = type(config)
    alone = transformers.MODEL_FOR_TEXT_ENCODING_MAPPING.get(kind, None)
    if alone not in (None, transformers.MODEL_MAPPING.get(kind, None)):
        return transformers.AutoModelForTextEncoding
    if getattr(config, "is_encoder_decoder", False):
        problem = f"a {config.model_type} has a decoder, and its encoder cannot be had alone"
        raise InputError("config.json", problem, "use an encoder, a causal model or a T5")
    return transformers.AutoModel


def new_encoder(options, folder=None):
    """An encoder with random weights.

    Parameters
    ----------
    options : dict
        Its config, with ``model_type``.
    folder : path, optional
        Where its own code lies, which the caller trusts.
    """
    from transformers import AutoConfig, AutoModel

    options = dict(options)
    origin = options.get("seqlm_origin") or {}
    own_code = "AutoConfig" in (options.get("auto_map") or {})
    if folder is None and own_code and origin.get("code"):
        mend = "download its files and use seqlm.load_model(folder, trust_remote_code=True)"
        raise InputError(origin["source"], "its encoder runs code of its authors", mend)
    import_classes(origin.get("classes", ()), origin.get("source"))
    if folder is None or not own_code:  # or the tokenizer alone has code of its own
        options.pop("auto_map", None)
        config = AutoConfig.for_model(options.pop("model_type"), **options)
        return encoder_class(config).from_config(config)
    from transformers.dynamic_module_utils import get_class_from_dynamic_module

    cls = get_class_from_dynamic_module(options["auto_map"]["AutoConfig"], str(folder))
    config = cls.from_dict({key: value for key, value in options.items() if key != "model_type"})
    config._name_or_path = str(folder)
    auto = AutoModel
    if "AutoModel" not in config.auto_map:
        import transformers

        auto = getattr(transformers, next(auto for auto in _TASKS.values() if auto in config.auto_map))
    return auto.from_config(config, trust_remote_code=True).base_model


def with_usual_names(model):
    """The model, its width and vocabulary called in its config as everywhere (HyenaDNA says ``d_model``)."""
    config = model.config
    embedding = model.get_input_embeddings()
    width = next(
        (getattr(config, name) for name in ("hidden_size", "d_model", "n_embd", "dim") if hasattr(config, name)), 0
    )
    if not hasattr(config, "hidden_size"):
        config.hidden_size = width or embedding.weight.shape[1]
    if not hasattr(config, "vocab_size"):
        config.vocab_size = embedding.weight.shape[0]
    if not hasattr(config, "pad_token_id"):
        config.pad_token_id = None
    return model


def check_weights(model, info, where, own_code=False):
    """Refuse a model whose encoder did not get all of its weights, or not all of what there were.

    Parameters
    ----------
    model : PreTrainedModel
    info : dict
        What ``from_pretrained(output_loading_info=True)`` says.
    where : str
    own_code : bool
        Whether the model brings code of its own, to tell what to do.

    Returns
    -------
    bool
        Whether the output layer got its weights.
    """
    encoder = model.base_model
    prefix = "" if encoder is model else f"{model.base_model_prefix}."
    missing = [name for name in info["missing_keys"] if name.startswith(prefix) and not _spare(name, prefix)]
    surplus = [name for name in info["unexpected_keys"] if _of_encoder(name, model)]
    wrong = [key[0] if isinstance(key, tuple) else key for key in info["mismatched_keys"]]
    if missing or surplus or wrong:
        parts = {"missing": missing, "not known to it": surplus, "of another shape": wrong}
        said = "; ".join(f"{len(names)} {word}, such as {sorted(names)[0]}" for word, names in parts.items() if names)
        mend = "trust_remote_code: true and a commit, " if own_code else ""
        raise InputError(
            where,
            f"its weights are not those of the class that its config names, {type(model).__name__} ({said})",
            f"use {mend}classes: with the package that brings its own class, or another model",
        )
    return all(name.startswith(prefix) for name in info["missing_keys"]) if prefix else True


def _spare(name, prefix):
    return name.removeprefix(prefix).split(".")[0] in _SPARE or bool(_BUFFERS.search(name))


def _of_encoder(name, model):
    """Whether a weight that found no place was the encoder's, rather than of an output layer."""
    prefix = f"{model.base_model_prefix}."
    if _spare(name, prefix):
        return False
    return name.startswith(prefix) or name.split(".")[0] in dict(model.base_model.named_children())
