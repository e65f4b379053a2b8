"""Does a pretrained DNA or RNA language model beat a plain CNN on your own sequences, by how much and at what cost?

``import seqlm`` is light: neither torch nor transformers is loaded until a name
that needs them is used. It also announces our models to transformers, so
that ``AutoModel.from_pretrained(bundle)`` works, for language models also
``AutoModelForCausalLM`` or ``AutoModelForMaskedLM``, whichever of the two
packages is imported first.
"""

import importlib
import sys

from wrapt import register_post_import_hook

from seqlm.common.errors import InputError
from seqlm.models.registry import modules

__version__ = "0.1.0"
__all__ = ["InputError", "embed", "leave_one_out", "load_model", "predict", "predict_cross"]

_PUBLIC = {
    "load_model": "seqlm.models.bundle",
    "predict": "seqlm.inference.prediction",
    "predict_cross": "seqlm.inference.prediction",
    "leave_one_out": "seqlm.attribution",
    "embed": "seqlm.inference.embedding",
}


def __getattr__(name):
    """Import a public name when it is first used (PEP 562)."""
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_PUBLIC[name]), name)
    globals()[name] = value
    return value


def __dir__():
    return __all__


_AUTO = "transformers.models.auto.modeling_auto"
# What our modules import besides. Where one of these is the first that somebody imports, the Auto classes are ready in
# its midst, and what needs it must wait for its end.
_NEEDED = [
    f"transformers.{name}"
    for name in ("configuration_utils", "modeling_utils", "models.bert.configuration_bert",
                 "models.esm.configuration_esm", "models.esm.modeling_esm",
                 "models.mamba.configuration_mamba", "models.mamba.modeling_mamba")
]  # fmt: skip

_OURS = ["seqlm.models.base", "seqlm.models.language.backbone_config", *modules()]


def _announce(_):
    # Importing the modules is all that is needed: they register their classes with the Auto classes themselves. Run
    # while one is half imported (it needs transformers, whose import ends here), this finds it in sys.modules.
    if _AUTO not in sys.modules:
        return
    for name in modules():
        try:
            importlib.import_module(name)
        except ImportError:
            if not any(map(_half_imported, [*_NEEDED, *_OURS])):
                raise


def _half_imported(name):
    return getattr(getattr(sys.modules.get(name), "__spec__", None), "_initializing", False)


for _name in (_AUTO, *_NEEDED, *_OURS):
    register_post_import_hook(_announce, _name)
register_post_import_hook(lambda _: importlib.import_module("seqlm.inference.pipelines"), "transformers.pipelines")
