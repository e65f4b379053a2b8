"""The k-mer baseline: a linear model on how often every word of 1 to 4, 5 or 6 bases occurs.

How long the words are is chosen by cross-validation inside the training data, as the regularisation is: longer words
are tried as long as they help. What a language model has to beat. The weights come from scikit-learn (see the probe),
the prediction is a torch module like every other model, so that batching, leave-one-out scores and bundles work on it
unchanged.
"""

import numpy as np
import torch
from scipy.sparse import csr_array, issparse, vstack
from torch import nn

from seqlm.common.errors import InputError
from seqlm.models.base import SequenceConfig, SequenceModel
from seqlm.models.solved.probe import copy_fit, solve
from seqlm.tokenization.atomic import as_read

NETWORK = {
    "class": "KmerModel",
    "fit": "fit_kmer",
    "words": "k-mer baseline",
    "about": "linear model on k-mer counts",
    "family": "linear",
    "targets": ["scalar", "class"],
    "options": {
        "kmers": {
            "type": "array",
            "items": {"type": "integer", "minimum": 1, "maximum": 8},
            "minItems": 1,
            "uniqueItems": True,
            "description": "lengths of the words counted; when missing 1 to 4, 5 or 6, by cross-validation.",
        },
        "max_k": {
            "type": "integer",
            "minimum": 1,
            "maximum": 8,
            "description": "longest words that are tried when kmers is missing (6).",
        },
        "phases": {
            "enum": [1, 3],
            "description": "3 counts k-mers apart by their position in the codon, for windows cut in frame (1).",
        },
    },
}


class KmerConfig(SequenceConfig):
    """Configuration of `KmerModel`.

    Parameters
    ----------
    kmers : list of int
        Word lengths counted.
    phases : int
        Words are counted apart by position modulo `phases`: 1 for position-blind counts, 3 for windows cut in frame
        from coding sequences.
    count : {"frequency", "number"}
        Divided by the number of words of that length in the sequence, or not.
    strength : float, optional
        Regularisation chosen in cross-validation (C of logistic, alpha of ridge regression).
    cross_validation : list of dict, optional
        What it was chosen from.
    word_choice : list of dict, optional
        Longest word and held-out loss of each set of words that was tried.
    """

    model_type = "seqlm-kmer"

    def __init__(
        self,
        kmers=(1, 2, 3, 4),
        phases=1,
        count="frequency",
        strength=None,
        cross_validation=None,
        word_choice=None,
        target="class",
        **kwargs,
    ):
        super().__init__(target=target, **kwargs)
        self.kmers, self.phases, self.count = list(kmers), phases, count
        self.strength, self.cross_validation, self.word_choice = strength, cross_validation, word_choice

    @property
    def n_features(self):
        return self.phases * sum(4**k for k in self.kmers)


class KmerModel(SequenceModel):
    """Linear map of standardised k-mer frequencies.

    Input: integer base codes (N, L), 4 where there is no base, or one-hot (N, 4, L). Words with a base missing are not
    counted. Output: logits (N, n_outputs) for classes, (N,) for a scalar.
    """

    config_class = KmerConfig

    def __init__(self, config):
        super().__init__(config)
        if config.target == "track":
            raise InputError("kmer", "k-mer counts of a sequence predict no value per base", "use network: cnn")
        self.register_buffer("center", torch.zeros(config.n_features))
        self.register_buffer("scale", torch.ones(config.n_features))
        self.linear = nn.Linear(config.n_features, config.n_outputs)
        self.post_init()

    def features(self, X):
        """Counts or frequencies (N, n_features): by word length, phase, then word in A, C, G, T order."""
        if X.dim() == 3:
            X = torch.where(X.abs().sum(1) > 0, X.argmax(1), 4)
        X = X.long()
        parts = [self._words(X, k) for k in self.config.kmers]
        return torch.cat(parts, dim=1)

    def _words(self, X, k):
        n, last = len(X), X.shape[1] - k + 1
        size = self.config.phases * 4**k
        if last <= 0:
            return self.center.new_zeros(n, size)
        word, known = torch.zeros_like(X[:, :last]), torch.ones_like(X[:, :last], dtype=torch.bool)
        for j in range(k):
            word = word * 4 + X[:, j : j + last]
            known &= X[:, j : j + last] < 4
        word += torch.arange(last, device=X.device) % self.config.phases * 4**k
        counts = self.center.new_zeros(n, size)
        counts.scatter_add_(1, torch.where(known, word, 0), known.to(counts.dtype))
        if self.config.count == "frequency":
            counts /= known.sum(1, keepdim=True).clamp(min=1)
        return counts

    def forward(self, X):
        output = self.linear((self.features(X) - self.center) / self.scale)
        return output if self.config.target == "class" else output.squeeze(1)


SHORTEST, LONGEST = 4, 6  # of the longest words tried
AT_ONCE = 1024  # sequences counted together
DENSE = 1000  # features up to which counts are kept as a dense array
TRIAL_SPLITS = 2  # of cross-validation, by which words of other lengths are judged


def fit_kmer(
    sequences,
    y,
    groups=None,
    weight=None,
    target="class",
    classes=None,
    label_scaling=None,
    seed=0,
    kmers=None,
    max_k=LONGEST,
    **options,
):
    """Fit the baseline.

    Parameters
    ----------
    sequences : list of str
    y : array (N,)
        Class codes, or (scaled) values.
    groups : sequence (N,), optional
        Whole groups are held out together when words and regularisation are chosen.
    weight : array (N,), optional
    target : {"class", "scalar"}
    classes : list of str, optional
        Needed for "class".
    label_scaling : dict, optional
        Kept in the config, to be inverted on output.
    seed : int
        Of the cross-validation splits.
    kmers : list of int, optional
        Word lengths. When missing, 1 to 4; then 1 to 5 and so on to `max_k`, as long as held-out loss falls.
    max_k : int
    options
        Fields of `KmerConfig` (phases, count), and ``strengths`` to choose from.

    Returns
    -------
    KmerModel
    """
    sequences = as_read(None, sequences)  # tokens of an mRNA have bases too
    own = {"strengths": options.pop("strengths")} if "strengths" in options else {}
    n_outputs = len(classes) if target == "class" else 1
    common = {"target": target, "n_outputs": n_outputs, "classes": classes, "label_scaling": label_scaling, **options}
    tried = []

    def fitted(kmers, **limits):
        model = KmerModel(KmerConfig(kmers=kmers, **common)).eval()
        return model, solve(target, count_words(model, sequences), y, n_outputs, groups, weight, seed=seed, **limits)

    if kmers is None:
        kmers = range(1, min(SHORTEST, max_k) + 1)
        if max_k > SHORTEST:
            kmers = range(1, _longest(fitted, max_k, own, tried) + 1)
    model, fit = fitted(list(kmers), **own)
    model.config.word_choice = tried or None
    return copy_fit(model, fit)


def _longest(fitted, max_k, limits, tried):
    """The longest words that still lower the held-out loss; what was `tried` is noted."""
    best = None
    for k in range(SHORTEST, max_k + 1):
        _, fit = fitted(list(range(1, k + 1)), splits=TRIAL_SPLITS, **limits)
        losses = {}
        for row in fit.cross_validation:
            losses.setdefault(row["strength"], []).append(row["loss"])
        loss = min((sum(own) / len(own) for own in losses.values()), default=0.0)
        tried.append({"longest": k, "loss": loss})
        if best is not None and loss >= best:
            return k - 1
        best = loss
    return max_k


def count_words(model, sequences):
    """Features of sequences: a dense array (N, F), or a sparse one where there are many words, most of them absent."""
    parts = []
    with torch.inference_mode():
        for start in range(0, len(sequences), AT_ONCE):
            part = model.features(model.encode(sequences[start : start + AT_ONCE])).numpy()
            parts.append(part if model.config.n_features <= DENSE else csr_array(part))
    return vstack(parts, format="csr") if issparse(parts[0]) else np.concatenate(parts)
