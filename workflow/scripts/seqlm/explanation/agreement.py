"""How well scores of the same sequences agree: Spearman's rank correlation, sequence by sequence."""

import numpy as np


def ranks(values):
    """Ranks from 1, ties sharing their mean rank."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    return (last - (count - 1) / 2)[place]


def rank_correlation(a, b):
    """Spearman's correlation of two arrays (L,) where both are numbers; NaN where one of them is all the same."""
    both = np.isfinite(a) & np.isfinite(b)
    if both.sum() < 2:
        return np.nan
    a, b = (own - own.mean() for own in (ranks(a[both]), ranks(b[both])))
    size = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / size) if size else np.nan


def agreement(one, other):
    """Rank correlations of the sequences that two sets of scores share.

    Parameters
    ----------
    one, other : dict of numpy.ndarray
        id (n,) and scores (n, L).

    Returns
    -------
    float array (shared,)
        Without the sequences whose scores are all the same.
    """
    row = {name: i for i, name in enumerate(other["id"])}
    width = min(one["scores"].shape[1], other["scores"].shape[1])
    found = [
        rank_correlation(scores[:width], other["scores"][row[name]][:width])
        for name, scores in zip(one["id"], one["scores"], strict=True)
        if name in row
    ]
    found = np.array(found, float)
    return found[np.isfinite(found)]
