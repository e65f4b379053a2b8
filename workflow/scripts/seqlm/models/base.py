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

import torch
import torch.nn.functional as F
from transformers import PretrainedConfig, PreTrainedModel

from seqlm.sequences.codes import base_codes

TARGETS = ("track", "scalar", "class")


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


def one_hot(X):
    """Channels (N, 4, L) of base codes (N, L), or of what are channels already; and where there is a base, (N, L)."""
    if X.dim() == 2:
        return F.embedding(X.long().clamp(max=4), torch.eye(5, 4, device=X.device)).transpose(1, 2), X < 4
    return X, X.detach().abs().sum(1) > 0
