"""The one-hot baseline: a linear model on which base is at which position, for aligned inputs of one length.

What a position weight matrix can say, fitted to tell classes apart (logistic regression) or to a value (ridge
regression). A network that is no better has found nothing beyond single positions.
"""

import torch
from torch import nn

from seqlm.common.errors import InputError
from seqlm.models.base import SequenceConfig, SequenceModel, one_hot
from seqlm.models.solved.probe import copy_fit, solve
from seqlm.tokenization.atomic import as_read

NETWORK = {
    "class": "OneHot",
    "fit": "fit_onehot",
    "words": "one-hot baseline",
    "about": "linear model on the base at each position, for aligned sequences of one length",
    "family": "linear",
    "targets": ["scalar", "class"],
    "options": {},
}


class OneHotConfig(SequenceConfig):
    """Configuration of `OneHot`; `length` and `bases` are those of every sequence."""

    model_type = "seqlm-onehot"

    def __init__(self, target="class", length=1, strength=None, cross_validation=None, **kwargs):
        super().__init__(target=target, length=length, **kwargs)
        self.strength, self.cross_validation = strength, cross_validation


class OneHot(SequenceModel):
    """Linear map of standardised one-hot bases.

    Input: integer base codes (N, L), 4 where there is no base, or floating (N, 4, L). Output: logits (N, n_outputs) for
    classes, (N,) for a scalar.
    """

    config_class = OneHotConfig
    reads_bases = True

    def __init__(self, config):
        super().__init__(config)
        if config.target == "track":
            raise InputError("onehot", "a linear model of whole sequences predicts no value per base", "use cnn")
        size = 4 * config.length
        self.register_buffer("center", torch.zeros(size))
        self.register_buffer("scale", torch.ones(size))
        self.linear = nn.Linear(size, config.n_outputs)
        self.post_init()

    def features(self, X):
        """One-hot bases (N, 4 L), position by position."""
        return one_hot(X)[0].transpose(1, 2).flatten(1)

    def forward(self, X):
        output = self.linear((self.features(X) - self.center) / self.scale)
        return output if self.config.target == "class" else output.squeeze(1)


def fit_onehot(sequences, y, groups=None, weight=None, target="class", classes=None, label_scaling=None, seed=0):
    """Fit the baseline, its regularisation by cross-validation; arguments as `seqlm.models.solved.kmer.fit_kmer`.

    Raises
    ------
    InputError
        The sequences have several lengths.
    """
    sequences = as_read(None, sequences)
    lengths = {len(sequence) for sequence in sequences}
    if len(lengths) > 1:
        problem = f"onehot wants sequences of one length, these have {min(lengths)} to {max(lengths)} bases"
        raise InputError("model", problem, "cut windows around a point, or use network: kmer")
    n_outputs, length = len(classes) if target == "class" else 1, lengths.pop()
    common = {"classes": classes, "label_scaling": label_scaling, "length": length, "bases": length}
    model = OneHot(OneHotConfig(target=target, n_outputs=n_outputs, **common)).eval()
    X = model.features(model.encode(sequences)).numpy()
    fit = solve(target, X, y, n_outputs, groups, weight, seed=seed)
    return copy_fit(model, fit)
