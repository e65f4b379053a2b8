"""The baseline: two convolutions on one-hot bases, and no pretraining.

Conv1d(4 -> 128, 11 bases) and GELU, then the very head that language models
get. 186,497 parameters for a track.
"""

import torch.nn.functional as F

from seqlm.models.base import SequenceConfig, SequenceModel, one_hot
from seqlm.models.heads import ConvHead, pooled_head
from seqlm.models.layers import Conv1d

NETWORK = {
    "class": "CNN",
    "words": "CNN",
    "about": "two convolutions of width 11",
    "family": "network",
    # One convolution's averages differ little between sequences: at the common rate a head takes ten times as long.
    "pooled": {"mean": {"learning_rate": 1e-2}},
    "options": {
        "filters": {"type": "integer", "minimum": 1, "description": "width of its first layer (128)."},
        "kernel": {"type": "integer", "minimum": 1, "description": "positions that a convolution reads (11)."},
        "hidden": {"type": "integer", "minimum": 1, "description": "width of the head's hidden layer (128)."},
        "dropout": {"type": "number", "minimum": 0, "exclusiveMaximum": 1, "description": "dropout of the head (0.2)."},
        "pooling": {
            "enum": ["auto", "positions", "mean_max", "attention", "mean", "max", "first", "last"],
            "description": "how positions are gathered (auto).",
        },
    },
}


class CNNConfig(SequenceConfig):
    """Size of the network.

    Parameters
    ----------
    filters : int
        Channels of the first convolution.
    hidden, kernel, dropout, pooling
        Those of the head; `kernel` is that of both convolutions.
    """

    model_type = "seqlm-cnn"

    def __init__(self, filters=128, hidden=128, kernel=11, dropout=0.2, pooling="mean_max", **kwargs):
        super().__init__(**kwargs)
        self.filters = filters
        self.hidden = hidden
        self.kernel = kernel
        self.dropout = dropout
        self.pooling = pooling


class CNN(SequenceModel):
    """One-hot bases -> convolution -> GELU -> head."""

    config_class = CNNConfig
    reads_bases = True

    def __init__(self, config):
        super().__init__(config)
        self.conv = Conv1d(4, config.filters, config.kernel, padding="same")
        if config.target == "track":
            self.head = ConvHead(config.filters, config.hidden, config.kernel, config.dropout)
        else:
            self.head = pooled_head(config.filters, config)
        self.post_init()

    @property
    def reach(self):
        """See `seqlm.models.base`."""
        return self.conv.kernel_size[0] // 2 + self.head.reach if self.config.target == "track" else None

    def forward(self, X):
        """Predictions, see `seqlm.models.base`.

        Parameters
        ----------
        X : integer tensor (N, L) of base codes, or floating (N, 4, L)
            Four channels need not be exactly one-hot: gradients flow to them.
        """
        X, known = one_hot(X)
        x = F.gelu(self.conv(X.to(self.conv.weight.dtype))).transpose(1, 2)  # (N, L, filters)
        return self.head(x) if self.config.target == "track" else self.head(x, known)
