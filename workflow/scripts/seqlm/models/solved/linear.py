"""Linear regression on named features of an mRNA: what a network has to beat.

Agarwal & Kelley 2022 (Genome Biology 23:245) compare Saluki with such a model: lengths and G+C of 5'UTR, CDS and 3'UTR,
codon frequencies and the density of exon junctions. The features are computed from token codes inside the module, so it
takes the same input as the network, loads like it, and can be asked for leave-one-out scores like it.

=============  ==========================================================================================
lengths        ln(1 + bases) of 5'UTR, CDS and 3'UTR
gc             fraction of G and C in each, and at the third codon position
codons         frequency of each of the 64 codons
junctions      ln(1 + number) in each region; junctions per 1,000 bases of the CDS and of the mRNA
utr3_kmers     frequency of each word of `k` bases in the 3'UTR (not in the default set)
=============  ==========================================================================================

A sequence without any codon counts as 3'UTR.
"""

from itertools import product

import torch
from torch import nn

from seqlm.common.errors import InputError
from seqlm.models.base import SequenceConfig, SequenceModel
from seqlm.models.solved.probe import copy_fit, solve
from seqlm.tokenization.atomic import AtomicLayout

NETWORK = {
    "class": "LinearTokens",
    "fit": "fit_linear",
    "words": "linear baseline",
    "about": "ridge regression on named features of an mRNA",
    "family": "linear",
    "targets": ["scalar", "class"],
    "options": {
        "features": {"type": "array", "items": {"type": "string"}, "description": "groups of named features."},
        "k": {
            "type": "integer",
            "minimum": 1,
            "maximum": 6,
            "description": "length of the words counted (3).",
        },
    },
}

FEATURES = ("lengths", "gc", "codons", "junctions")
ALL_FEATURES = (*FEATURES, "utr3_kmers")
REGIONS = ("utr5", "cds", "utr3")


class LinearConfig(SequenceConfig):
    """Which features, and how text becomes codes.

    Parameters
    ----------
    layout : dict, optional
        Fields of `AtomicLayout`, with encoding "mrna".
    features : list of str
        Groups of features, of `ALL_FEATURES`.
    k : int
        Word length of "utr3_kmers".
    """

    model_type = "seqlm-linear"

    def __init__(self, target="scalar", layout=None, features=FEATURES, k=3, **kwargs):
        super().__init__(target=target, **kwargs)
        self.layout = layout or {"encoding": "mrna", "separator": " "}
        self.features = list(features)
        self.k = k


class LinearTokens(SequenceModel):
    """Standardised named features times weights: (N, L) token codes -> (N,) or (N, classes)."""

    config_class = LinearConfig

    def __init__(self, config):
        super().__init__(config)
        wrong = [name for name in config.features if name not in ALL_FEATURES]
        if wrong or not config.features:
            raise InputError("model linear", f"features {wrong} are unknown", f"choose from {', '.join(ALL_FEATURES)}")
        self.layout = AtomicLayout(**config.layout)
        if self.layout.encoding != "mrna" or self.layout.specifiers:
            raise InputError(
                "model linear", "its features need mRNA tokens", "give transcripts with a CDS, or use kmer"
            )
        self.names = feature_names(config)
        self.register_buffer("center", torch.zeros(len(self.names)))
        self.register_buffer("scale", torch.ones(len(self.names)))
        self.linear = nn.Linear(len(self.names), config.n_outputs)
        self.post_init()

    def encode(self, sequences):
        """Token codes uint8 (N, longest); with `config.length` set, cut there as the network's input is."""
        longest = max(len(self.layout.split(sequence)) for sequence in sequences)
        return torch.from_numpy(self.layout.encode(sequences, min(longest, self.config.length or longest)))

    def features(self, X):
        """Named features (N, F) of token codes (N, L)."""
        table = torch.from_numpy(self.layout.table()).to(X.device)
        table = table[torch.where(X.ge(0) & X.lt(self.layout.size), X, self.layout.size).long()]
        base = torch.where(table[..., :4].any(-1), table[..., :4].argmax(-1), 4)
        frame, junction = table[..., 4] > 0, table[..., 5] > 0
        position = torch.arange(1, X.shape[1] + 1, device=X.device)
        present = X.ge(0) & X.lt(self.layout.size)
        length = (present * position).amax(1)
        coding = frame.any(1)
        start = torch.where(coding, frame.int().argmax(1), 0)
        end = torch.where(coding, (frame * (position + 2)).amax(1).minimum(length), 0)
        at = position - 1
        regions = [
            at < start[:, None],
            (at >= start[:, None]) & (at < end[:, None]),
            (at >= end[:, None]) & (at < length[:, None]),
        ]
        codons = self._words(base, frame, 3)
        sizes = torch.stack([region.sum(1) for region in regions], 1).float()
        parts = {
            "lengths": lambda: sizes.log1p(),
            "gc": lambda: self._gc(base, regions, codons),
            "codons": lambda: codons,
            "junctions": lambda: self._junctions(junction, regions, sizes),
            "utr3_kmers": lambda: self._words(base, regions[2], self.config.k),
        }
        return torch.cat([parts[name]() for name in self.config.features], dim=1)

    def _gc(self, base, regions, codons):
        strong, known = (base == 1) | (base == 2), base < 4
        columns = [(strong & r).sum(1) / (known & r).sum(1).clamp(min=1) for r in regions]
        third = torch.arange(64, device=base.device) % 4
        return torch.stack([*columns, codons[:, (third == 1) | (third == 2)].sum(1)], 1)

    def _junctions(self, junction, regions, sizes):
        counts = torch.stack([(junction & region).sum(1) for region in regions], 1).float()
        density = torch.stack(
            [counts[:, 1] / sizes[:, 1].clamp(min=1), counts.sum(1) / sizes.sum(1).clamp(min=1)], 1
        )  # fmt: skip
        return torch.cat([counts.log1p(), 1000 * density], 1)

    def _words(self, base, where, k):
        """Frequencies (N, 4^k) of the words of k known bases that start at marked positions."""
        last = base.shape[1] - k + 1
        words = self.center.new_zeros(len(base), 4**k)
        if last <= 0:
            return words
        code, known = torch.zeros_like(base[:, :last]), where[:, :last].clone()
        for j in range(k):
            code = code * 4 + base[:, j : j + last]
            known &= base[:, j : j + last] < 4
        words.scatter_add_(1, torch.where(known, code, 0), known.to(words.dtype))
        return words / known.sum(1, keepdim=True).clamp(min=1)

    def forward(self, X):
        output = self.linear((self.features(X) - self.center) / self.scale)
        return output if self.config.target == "class" else output.squeeze(1)

    def coefficients(self):
        """Weight of each standardised feature: a list of (name, weight), largest first; scalar targets."""
        pairs = zip(self.names, self.linear.weight[0].tolist(), strict=True)
        return sorted(pairs, key=lambda pair: -abs(pair[1]))


def feature_names(config):
    """Names of the features in the order of `LinearTokens.features`."""
    words = {k: ["".join(letters) for letters in product("ACGT", repeat=k)] for k in {3, config.k}}
    names = {
        "lengths": [f"ln length {region}" for region in REGIONS],
        "gc": [f"G+C {region}" for region in (*REGIONS, "codon position 3")],
        "codons": [f"codon {word}" for word in words[3]],
        "junctions": [*(f"ln junctions {region}" for region in REGIONS), "junctions/kb cds", "junctions/kb mRNA"],
        "utr3_kmers": [f"utr3 {word}" for word in words[config.k]],
    }
    return [name for group in config.features for name in names[group]]


def fit_linear(
    sequences, y, groups=None, weight=None, target="scalar", classes=None, label_scaling=None, seed=0, **options
):
    """Fit by ridge (scalar) or logistic (class) regression; the penalty by cross-validation inside the data given.

    Parameters
    ----------
    sequences : list of str
        mRNA tokens.
    y : array (N,)
        (Scaled) values, or class codes.
    groups : sequence (N,), optional
        Whole groups are held out together when the penalty is chosen.
    weight : array (N,), optional
    target : {"scalar", "class"}
    classes : list of str, optional
    label_scaling : dict, optional
        Kept in the config, to be inverted on output.
    seed : int
        Of the cross-validation splits.
    options
        Fields of `LinearConfig`.

    Returns
    -------
    LinearTokens
    """
    n_outputs = len(classes) if target == "class" else 1
    config = LinearConfig(target=target, n_outputs=n_outputs, classes=classes, label_scaling=label_scaling, **options)
    model = LinearTokens(config).eval()
    X = model_features(model, sequences)
    return copy_fit(model, solve(target, X, y, n_outputs, groups, weight, seed=seed))


def model_features(model, sequences, at_once=256):
    """Features of sequences as one NumPy array (N, F)."""
    with torch.inference_mode():
        parts = [model.features(model.encode(sequences[i : i + at_once])) for i in range(0, len(sequences), at_once)]
    return torch.cat(parts).numpy()
