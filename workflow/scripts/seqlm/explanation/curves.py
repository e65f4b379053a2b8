"""Deletion and insertion curves: does a prediction change first where the scores say it must (Petsiuk et al. 2018).

Bases are masked from the most important on (deletion), or put back into a sequence of none (insertion). The sooner the
prediction falls, or comes back, the better an order is. All arrays are NumPy's; the model is a function.
"""

import numpy as np

FRACTIONS = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0)
NO_BASE = "N"
K = 4
RIDGE = 1.0


def rank_order(importance, rng):
    """Positions from the most important on; equal ones in random order.

    Parameters
    ----------
    importance : array (L,)
    rng : numpy.random.Generator

    Returns
    -------
    int array (L,)
    """
    mixed = rng.permutation(len(importance))
    return mixed[np.argsort(-np.asarray(importance, float)[mixed], kind="stable")]


def masked(text, positions):
    """The text without a base at these positions."""
    letters = np.array(list(text))
    letters[positions] = NO_BASE
    return "".join(letters)


def curves(predict, texts, orders, fractions=FRACTIONS):
    """Predictions while bases go, and while they come.

    Parameters
    ----------
    predict : callable
        (texts, which) -> float array: the prediction of each text; which (int array) says whose copy it is.
    texts : list of str
    orders : list of int array (L_i,)
        Positions of each text, from the first to go (or come).
    fractions : sequence of float
        Shares of the positions.

    Returns
    -------
    deletion, insertion : array (n, F)
    """
    copies, which = [], []
    for i, (text, order) in enumerate(zip(texts, orders, strict=True)):
        counts = [round(fraction * len(order)) for fraction in fractions]
        copies += [masked(text, order[:count]) for count in counts] + [masked(text, order[count:]) for count in counts]
        which += [i] * 2 * len(counts)
    values = np.asarray(predict(copies, np.array(which)), float).reshape(len(texts), 2, len(fractions))
    return values[:, 0], values[:, 1]


def kmer_counts(texts, k=K):
    """How often each k-mer of A, C, G and T occurs: int array (n, 4**k)."""
    counts = np.zeros((len(texts), 4**k), np.int64)
    for row, text in zip(counts, texts, strict=True):
        index, whole = _kmers(text, k)
        np.add.at(row, index[whole], 1)
    return counts


def fit_kmers(texts, values, k=K, ridge=RIDGE):
    """Weights of k-mers that tell a model's predictions best, by ridge regression: (4**k, outputs).

    Parameters
    ----------
    texts : list of str
    values : array (n, outputs)
    """
    counts = kmer_counts(texts, k).astype(float)
    counts -= counts.mean(0)
    values = np.asarray(values, float)
    return np.linalg.solve(counts.T @ counts + ridge * np.eye(4**k), counts.T @ (values - values.mean(0)))


def kmer_importance(text, weights):
    """What each base adds through the k-mers that cover it: array (L,).

    Parameters
    ----------
    text : str
    weights : array (4**k,)
    """
    k = round(np.log(len(weights)) / np.log(4))
    index, whole = _kmers(text, k)
    own = np.where(whole, weights[index], 0.0)
    return np.convolve(own, np.ones(k)) if len(own) else np.zeros(len(text))


def _kmers(text, k):
    """Number of the k-mer that begins at each position, and whether it is one of four bases."""
    codes = np.array(["ACGT".find(base) for base in text.upper().replace("U", "T")], np.int64)
    if len(codes) < k:
        return np.zeros(0, np.int64), np.zeros(0, bool)
    windows = np.lib.stride_tricks.sliding_window_view(codes, k)
    return np.maximum(windows, 0) @ 4 ** np.arange(k)[::-1], (windows >= 0).all(1)
