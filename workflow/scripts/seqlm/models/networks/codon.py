"""A convolution that steps from codon to codon, for windows of coding sequence that are cut in frame.

An ordinary convolution looks the same at every base and cannot tell the three positions of a codon apart, which differ
most between species. This one reads each codon with its neighbours, always in frame, and pools over codons.
"""

import torch.nn.functional as F
from torch import nn

from seqlm.common.errors import InputError
from seqlm.models.base import SequenceConfig, SequenceModel
from seqlm.models.heads import PooledHead

NETWORK = {
    "class": "CodonCNN",
    "words": "codon CNN",
    "about": "a convolution over codons, for windows cut in frame",
    "family": "network",
    "targets": ["scalar", "class"],
    "options": {
        "filters": {"type": "integer", "minimum": 1, "description": "channels of the convolution (256)."},
        "kernel": {
            "type": "integer",
            "minimum": 1,
            "description": "bases read at each codon, odd times 3 (9).",
        },
        "hidden": {"type": "integer", "minimum": 1, "description": "width of the head's hidden layer (128)."},
        "dropout": {"type": "number", "minimum": 0, "exclusiveMaximum": 1, "description": "dropout (0.5)."},
        "pooling": {
            "enum": ["mean", "max", "mean_max", "first", "last", "attention", "positions"],
            "description": "how codons are gathered (mean).",
        },
    },
}

CODON = 3


class CodonConfig(SequenceConfig):
    """Size of the network.

    Parameters
    ----------
    filters : int
        Channels of the convolution.
    kernel : int
        Bases read at each codon, an odd multiple of 3: 9 is the codon and one on each side.
    hidden, dropout, pooling
        Those of the head; `dropout` also before pooling.
    """

    model_type = "seqlm-codon"

    def __init__(self, filters=256, kernel=9, hidden=128, dropout=0.5, pooling="mean", target="class", **kwargs):
        super().__init__(target=target, **kwargs)
        self.filters, self.kernel, self.hidden = filters, kernel, hidden
        self.dropout, self.pooling = dropout, pooling


class CodonCNN(SequenceModel):
    """One-hot bases -> codons in context (N, L // 3, filters) -> pooled -> classes or a value.

    Input: integer base codes (N, L), 4 where there is no base, or floating (N, 4, L). The first base is the first of a
    codon; bases of an incomplete last codon count only as the neighbours of the one before.
    """

    config_class = CodonConfig
    least_bases = CODON

    def __init__(self, config):
        super().__init__(config)
        if config.target == "track":
            raise InputError("codon", "codons are pooled and give no value per base", "use network: cnn")
        if config.kernel % (2 * CODON) != CODON:
            raise InputError("kernel", f"{config.kernel} is no odd multiple of 3", "use 3, 9 or 15")
        # A matrix product over unfolded bases is several times as fast as a strided convolution on a CPU.
        self.conv = nn.Linear(4 * config.kernel, config.filters)
        self.dropout = nn.Dropout(config.dropout)
        codons = config.length and config.length // CODON
        self.head = PooledHead(config.filters, config.n_outputs, config.hidden, config.pooling, config.dropout, codons)
        self.post_init()

    def forward(self, X):
        """See `seqlm.models.base`."""
        if X.dim() == 2:
            X = F.one_hot(X.long().clamp(max=4), 5)[..., :4]
        else:
            X = X.transpose(1, 2)
        n, length = X.shape[:2]
        if length < self.least_bases:
            raise InputError("sequence", f"{length} bases hold no codon", "give at least 3 bases")
        known = X.detach().abs().sum(2)[:, : length // CODON * CODON].view(n, -1, CODON).sum(2) > 0
        sides = (self.config.kernel - CODON) // 2
        flat = F.pad(X.to(self.conv.weight.dtype), (0, 0, sides, sides)).flatten(1)
        x = F.gelu(self.conv(flat.unfold(1, 4 * self.config.kernel, 4 * CODON)))  # (N, codons, filters)
        return self.head(self.dropout(x), known)
