"""Networks that predict a target from sequences, and the language models beneath them.

`MODELS` names the class of every kind of bundle by its ``model_type``; the
module is imported only when such a bundle is loaded.
"""

import importlib

MODELS = {
    "seqlm-cnn": "seqlm.models.networks.cnn:CNN",
    "seqlm-gpt": "seqlm.models.language.gpt:GPTForCausalLM",
    "seqlm-backbone": "seqlm.models.language.backbone:BackboneModel",
    "seqlm-saluki": "seqlm.models.networks.saluki:Saluki",
    "seqlm-linear": "seqlm.models.solved.linear:LinearTokens",
    "seqlm-codon": "seqlm.models.networks.codon:CodonCNN",
    "seqlm-kmer": "seqlm.models.solved.kmer:KmerModel",
}


def model_class(model_type):
    """The class for a ``model_type``, or None when it is not one of ours."""
    if model_type not in MODELS:
        return None
    module, name = MODELS[model_type].split(":")
    return getattr(importlib.import_module(module), name)
