"""What leaving out gives: scores, the prediction they are differences from, and both as a table."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

COLUMNS = ("sequence", "token", "replacement", "label", "pred", "start_offset", "end_offset", "loo")


@dataclass
class LeaveOneOut:
    """Scores of n sequences, the longest of which has L tokens.

    Attributes
    ----------
    scores : numpy.ndarray, float32
        (n, L), or (n, L, R) for R replacements. One more axis for ``reduce="track"``
        (positions) or ``class_index="all"`` (classes). NaN past a sequence's end and
        for a replacement that a token does not get.
    prediction : numpy.ndarray, float32
        (n,) what the scores are differences from: the reduced track, the scalar in the
        labels' own units, or the logit. One more axis where `scores` has one.
    tokens : list of list of str
    replacements : list of str
        What the third axis stands for; empty unless the edit is "replace".
    predicted : list or None
        Class targets: predicted class of each sequence, by name where names are known.
    replacement_text : callable or None
        ``(token, replacement)`` -> how the token reads after it was replaced; as the replacement when None.
    classes : list or None
        What the last axis stands for with ``class_index="all"``: names of the classes, or their numbers.
    own : numpy.ndarray of bool, or None
        (n, L, R): which replacements are what stands there already.
    starts : list of int, or None
        Tokens that were cut off before the first one of each sequence; none when None.
    """

    scores: np.ndarray
    prediction: np.ndarray
    tokens: list
    replacements: list
    predicted: list | None = None
    replacement_text: Callable | None = None
    classes: list | None = None
    own: np.ndarray | None = None
    starts: list | None = None

    def to_table(self, ids=None, labels=None):
        """One row per edit, sequence by sequence, position by position.

        Parameters
        ----------
        ids : sequence of str, optional
            Names of the sequences; "0", "1", ... when left out.
        labels : sequence, optional
            True label of each sequence; missing when left out.

        Returns
        -------
        pandas.DataFrame
            Columns sequence, token, replacement, label, pred, start_offset, end_offset, loo.
            Offsets count tokens (bases) of the whole sequence from 0, the end is exclusive. `replacement` is empty
            unless the edit is "replace". With ``class_index="all"`` a row per edit and class, named
            in one more column, class.
        """
        import pandas as pd

        scores = self.scores if self.replacements else self.scores[:, :, None]
        scores = scores if self.classes else scores[..., None]
        if scores.ndim != 4:
            raise ValueError("a table holds one score per edit: not with reduce='track'")
        row, position, choice, logit = np.nonzero(~np.isnan(scores))
        first = np.cumsum([0] + [len(tokens) for tokens in self.tokens])
        tokens = np.array([token for tokens in self.tokens for token in tokens], dtype=object)
        names = np.array(self.replacements or [""], dtype=object)
        ids = np.array([str(i) for i in range(len(scores))] if ids is None else list(ids), dtype=object)
        labels = np.array([np.nan] * len(scores) if labels is None else list(labels))
        shown = self.prediction if self.predicted is None else np.array(self.predicted, dtype=object)
        token, put = tokens[first[row] + position], names[choice]
        if self.replacements and self.replacement_text:
            put = np.array([self.replacement_text(*pair) for pair in zip(token, put, strict=True)], dtype=object)
        values = (ids[row], token, put, labels[row], shown[row])
        at = position if self.starts is None else position + np.array(self.starts)[row]
        values += (at, at + 1, scores[row, position, choice, logit])
        table = pd.DataFrame(dict(zip(COLUMNS, values, strict=True)))
        if self.classes:
            table = table.assign(**{"class": np.array(self.classes, dtype=object)[logit]})
        text = ["sequence", "token", "replacement"]
        text += ["pred"] if self.predicted and isinstance(self.predicted[0], str) else []
        text += ["class"] if self.classes and isinstance(self.classes[0], str) else []
        return table.astype(dict.fromkeys(text, str))  # whether or not it has any rows

    def of_predicted(self):
        """The scores of each sequence's predicted class alone, out of those of all classes."""
        chosen = np.array([self.classes.index(name) for name in self.predicted])
        rows = np.arange(len(chosen))
        scores = np.moveaxis(self.scores, -1, 1)[rows, chosen]
        return replace(self, scores=scores, prediction=self.prediction[rows, chosen], classes=None)


def gather(results, inputs, classes=None):
    """Results of single sequences as one.

    Parameters
    ----------
    results : list of (scores, prediction, predicted class, own)
        Of each sequence.
    inputs : Inputs
    classes : list, optional

    Returns
    -------
    LeaveOneOut
    """
    scores, predictions, predicted, unchanged = zip(*results, strict=True)
    width = max(len(tokens) for tokens in inputs.tokens)
    # A track axis is as long as the longest input; every other further axis has one length.
    tails = [values.shape[2:] for values in scores]
    tail = tuple(max(axis) for axis in zip(*tails, strict=True))
    joined = np.full((len(scores), width, max(1, len(inputs.names)), *tail), np.nan, np.float32)
    original = np.full((len(scores), *tail), np.nan, np.float32)
    own = np.zeros(joined.shape[:3], bool)
    for index, (values, prediction) in enumerate(zip(scores, predictions, strict=True)):
        count = len(inputs.tokens[index])
        joined[(index, slice(count), slice(None), *map(slice, values.shape[2:]))] = values[:count]
        original[(index, *map(slice, prediction.shape))] = prediction
        own[index, :count] = unchanged[index][:count]
    if not inputs.names:
        joined, own = joined[:, :, 0], None
    predicted = None if all(name is None for name in predicted) else list(predicted)
    return LeaveOneOut(
        joined, original, inputs.tokens, inputs.names, predicted, inputs.replacement_text, classes, own,
        inputs.starts,
    )  # fmt: skip
