"""What every model that predicts a target has in common.

Whatever the network, ``model(X)`` is a plain tensor, so any code that takes
``model(X)`` (tangermeme, captum, our own `seqlm.predict`) works on it:

=======  ====================  =========================================
target   shape of ``model(X)``  meaning
=======  ====================  =========================================
track    (N, L)                one value per base
scalar   (N,)                  one value per sequence, in scaled units
class    (N, n_classes)        logits
=======  ====================  =========================================
"""

import os
from pathlib import Path

import torch
import torch.nn.functional as F
from transformers import PretrainedConfig, PreTrainedModel

from seqlm.sequences.codes import base_codes

TARGETS = ("track", "scalar", "class")
# Whatever a tokenizer is saved as; config.json, since it says whose model it is.
TOKENIZER_FILES = ("config.json", "*token*", "vocab*", "merges.txt", "*.model")


class SequenceConfig(PretrainedConfig):
    """Fields that all predicting models share.

    Parameters
    ----------
    target : {"track", "scalar", "class"}
        What is predicted.
    n_outputs : int
        Number of classes for "class", else 1.
    length : int or None
        Fixed input length in bases (or tokens of an atomic tokenizer);
        None when the network takes any length.
    classes : list of str, optional
        Class names in the order of the logits.
    label_scaling : dict, optional
        How scalar labels were scaled on the training part, to be inverted on output.
    bases : int, optional
        The only length of sequences, in bases, that the model was trained for: it keeps where things are.
    """

    def __init__(
        self, target="track", n_outputs=1, length=None, classes=None, label_scaling=None, bases=None, **kwargs
    ):
        super().__init__(**kwargs)
        self.target = target
        self.n_outputs = n_outputs
        self.length = length
        self.classes = classes
        self.label_scaling = label_scaling
        self.bases = bases


def encoder_of(model):
    """The encoder that a model of ours stands on; any other model itself (HyenaDNA's own parts are a backbone, too)."""
    return getattr(model, "backbone", model) if isinstance(model, SequenceModel) else model


class SequenceModel(PreTrainedModel):
    """A network that predicts a target from sequences.

    Subclasses define ``forward`` and set ``config_class``; those that read anything but bases define ``encode``, too.
    ``tokenizer`` is set by `seqlm.load_model` for models that need one. ``reads_bases`` says that ``encode`` gives one
    base code per base and nothing else matters, so that leave-one-out scores may edit the codes instead of the text.
    """

    config_class = SequenceConfig
    base_model_prefix = "network"
    main_input_name = "X"
    tokenizer = None
    reads_bases = False
    # For a track: how many positions on either side of a base its prediction depends on, so that long inputs can be
    # predicted in pieces. A stretch of the input by itself must give what it gives within the whole, but for this many
    # positions where it was cut. None: not known, or all.
    reach = None

    def __init_subclass__(cls, **options):
        """Announce the class to transformers, for ``AutoModel.from_pretrained(bundle)`` to make it."""
        super().__init_subclass__(**options)
        if "config_class" in vars(cls):
            # Not above: the end of their import imports all networks, which need this module (seqlm/__init__.py).
            from transformers import AutoConfig, AutoModel

            AutoConfig.register(cls.config_class.model_type, cls.config_class, exist_ok=True)
            AutoModel.register(cls.config_class, cls, exist_ok=True)

    @classmethod
    def from_pretrained(cls, source, *more, **options):
        """A model from a bundle's folder or the hub, as transformers reads any; with its tokenizer, where it has one.

        Parameters
        ----------
        source : path or str
            Folder, or name on the hub.
        *more, **options
            As for `transformers.PreTrainedModel.from_pretrained`.
        """
        made = super().from_pretrained(source, *more, **options)
        model = made[0] if isinstance(made, tuple) else made
        for tensor in (*model.parameters(), *model.buffers()):
            if tensor.device.type == "cpu":
                # Weights as they lie in the file begin anywhere; sums of them then differ in their last bit.
                tensor.data = tensor.data.clone()
        model.tokenizer = _tokenizer_of(source, options)
        return made

    @torch.no_grad()
    def _init_weights(self, module):
        """Layers keep PyTorch's own initialisation."""
        if hasattr(module, "reset_parameters"):
            module.reset_parameters()

    def encode(self, sequences):
        """Compact model input for a list of sequences.

        Parameters
        ----------
        sequences : list of str

        Returns
        -------
        torch.Tensor
            First axis is the sequence; what ``forward`` takes. Unless a model says otherwise the codes of bases,
            (N, L) uint8: A C G T -> 0 1 2 3, no base (N, padding) -> 4.
        """
        return torch.from_numpy(base_codes(sequences, length=self.config.length))

    def forward(self, X):
        raise NotImplementedError


def _tokenizer_of(source, options):
    """The tokenizer in a bundle, or None; from where and how the model itself was read."""
    from huggingface_hub import snapshot_download

    from seqlm.tokenization import load_tokenizer

    folder = Path(source)
    if not folder.is_dir():
        of_hub = ("revision", "cache_dir", "token", "local_files_only")
        own = {key: options[key] for key in of_hub if options.get(key) is not None}
        folder = Path(snapshot_download(os.fspath(source), allow_patterns=TOKENIZER_FILES, **own))
    named = [folder / name for name in ("tokenizer.json", "tokenizer_config.json")]
    return load_tokenizer(folder) if any(path.is_file() for path in named) else None


def one_hot(X):
    """Channels (N, 4, L) of base codes (N, L), or of what are channels already; and where there is a base, (N, L)."""
    if X.dim() == 2:
        return F.embedding(X.long().clamp(max=4), torch.eye(5, 4, device=X.device)).transpose(1, 2), X < 4
    return X, X.detach().abs().sum(1) > 0
