"""Residual dilated convolutions: a network that sees far with few layers, as in BPNet and ConvNova.

BPNet (Avsec et al. 2021) reads binding at base resolution with a wide first convolution and residual layers of three
taps whose spacing doubles from layer to layer; ConvNova (Bo et al. 2025) showed that such layers with gates hold their
own against language models of DNA. A layer here is LayerNorm, dilated convolution, GELU (or a gate), a linear map and
dropout, added to what came in. The head is the one that language models get.

A position without a base is kept at zero in every layer, so that padding on either side changes nothing.
"""

import torch.nn.functional as F
from torch import nn

from seqlm.models.base import SequenceConfig, SequenceModel, one_hot
from seqlm.models.heads import ConvHead, pooled_head
from seqlm.models.layers import Conv1d, Dropout, LayerNorm, add_dropped

NETWORK = {
    "class": "Dilated",
    "words": "dilated network",
    "about": "residual dilated convolutions as in BPNet",
    "family": "network",
    "options": {
        "filters": {"type": "integer", "minimum": 1, "description": "channels of its layers (64)."},
        "layers": {"type": "integer", "minimum": 0, "description": "dilated layers; spacing doubles in each (6)."},
        "kernel": {"type": "integer", "minimum": 1, "description": "bases that its first convolution reads (15)."},
        "gated": {"type": "boolean", "description": "multiply each convolution by a learned gate (false)."},
        "hidden": {"type": "integer", "minimum": 1, "description": "width of the head's hidden layer (128)."},
        "dropout": {"type": "number", "minimum": 0, "exclusiveMaximum": 1, "description": "dropout (0.1)."},
        "pooling": {
            "enum": ["auto", "positions", "mean_max", "attention", "mean", "max", "first", "last"],
            "description": "how positions are gathered (auto).",
        },
        "reverse_complement": {
            "type": "boolean",
            "description": "average over both strands, in training too (false).",
        },
    },
}

TAPS = 3


class DilatedConfig(SequenceConfig):
    """Size of the network.

    Parameters
    ----------
    filters : int
        Channels of all layers.
    layers : int
        Dilated layers; the spacing of the taps is 1, 2, 4, ...
    kernel : int
        Width of the first convolution.
    gated : bool
    reverse_complement : bool
        The output is the mean over both strands, a track's turned round.
    hidden, pooling
        Those of the head.
    dropout : float
        Of layers and head.
    head_kernel : int
        Width of the head's convolution, for a track.
    """

    model_type = "seqlm-dilated"

    def __init__(
        self,
        filters=64,
        layers=6,
        kernel=15,
        gated=False,
        hidden=128,
        dropout=0.1,
        pooling="mean_max",
        reverse_complement=False,
        head_kernel=11,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.filters, self.layers, self.kernel, self.gated = filters, layers, kernel, gated
        self.hidden, self.dropout, self.pooling = hidden, dropout, pooling
        self.reverse_complement, self.head_kernel = reverse_complement, head_kernel


class DilatedLayer(nn.Module):
    """(N, L, filters) -> the same shape."""

    def __init__(self, filters, dilation, gated, dropout):
        super().__init__()
        self.norm = LayerNorm(filters)
        self.conv = Conv1d(filters, filters * (2 if gated else 1), TAPS, padding="same", dilation=dilation)
        self.mix = nn.Linear(filters, filters)
        self.dropout = Dropout(dropout)
        self.gated = gated

    def forward(self, x, known):
        y = self.conv((self.norm(x) * known).transpose(1, 2)).transpose(1, 2)
        y = F.glu(y) if self.gated else F.gelu(y)
        return add_dropped(x, self.mix(y), self.dropout)


class Dilated(SequenceModel):
    """One-hot bases -> convolution -> dilated layers -> head."""

    config_class = DilatedConfig
    reads_bases = True

    def __init__(self, config):
        super().__init__(config)
        self.conv = Conv1d(4, config.filters, config.kernel, padding="same")
        self.layers = nn.ModuleList(
            DilatedLayer(config.filters, 2**i, config.gated, config.dropout) for i in range(config.layers)
        )
        if config.target == "track":
            self.head = ConvHead(config.filters, config.hidden, config.head_kernel, config.dropout)
        else:
            self.head = pooled_head(config.filters, config)
        self.post_init()

    @property
    def reach(self):
        """See `seqlm.models.base`."""
        if self.config.target != "track":
            return None
        return self.config.kernel // 2 + 2**self.config.layers - 1 + self.config.head_kernel // 2

    def forward(self, X):
        """Predictions, see `seqlm.models.base`.

        Parameters
        ----------
        X : integer tensor (N, L) of base codes, or floating (N, 4, L)
        """
        X, known = one_hot(X)
        X = X.to(self.conv.weight.dtype)
        y = self._strand(X, known)
        if not self.config.reverse_complement:
            return y
        # A, C, G, T turned round are T, G, C, A: the complement.
        other = self._strand(X.flip(1, 2), known.flip(1))
        return (y + (other.flip(1) if self.config.target == "track" else other)) / 2

    def _strand(self, X, known):
        at = known.unsqueeze(-1)
        x = F.gelu(self.conv(X)).transpose(1, 2)
        for layer in self.layers:
            x = layer(x, at)
        return self.head(x * at) if self.config.target == "track" else self.head(x, known)
