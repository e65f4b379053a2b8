"""Order-k Markov model of bases: the baseline that a DNA language model has to beat.

Probabilities of all orders are interpolated from the lowest up: an order's
counts are smoothed towards the order below (a Dirichlet prior of weight
`strength`; MacKay & Peto 1995), so that a context never seen predicts as its
shorter ending does.
"""

import numpy as np

NO_BASE = 4
MAX_ORDER = 11
STRENGTHS = (1.0, 4.0, 16.0, 64.0, 256.0)
_CHUNK = 1 << 24


class Markov:
    """Interpolated Markov model of bases coded 0..3.

    Parameters
    ----------
    order : int
        Bases of context.
    strength : float
        Weight of the next lower order, in observations.

    Attributes
    ----------
    tables : list of float32 arrays
        ``tables[k]`` has shape (4**k, 4): probability of the next base after each context of k bases.
    """

    def __init__(self, order, strength=16.0):
        self.order, self.strength, self.tables = order, strength, []

    def fit(self, codes):
        """Count one sequence of base codes (n,) without gaps."""
        return self.from_counts(count_words(codes, self.order + 1))

    def from_counts(self, counts):
        """Fit from the counts of words of ``order + 1`` bases, shape (4**(order + 1),)."""
        below = np.full((1, 4), 0.25)
        self.tables = []
        for k in range(self.order + 1):
            # Words of k + 1 bases are the longer ones summed over what precedes.
            own = counts.reshape(-1, 4 ** (k + 1)).sum(0).reshape(-1, 4)
            prior = np.tile(below, (len(own) // len(below), 1))
            own = (own + self.strength * prior) / (own.sum(1, keepdims=True) + self.strength)
            self.tables.append(own.astype(np.float32))
            below = own
        return self

    def bits(self, codes, scored):
        """-log2 probability of scored bases, each given up to `order` bases before it in its row.

        Parameters
        ----------
        codes : (N, L) uint8 array
            Base codes; `NO_BASE` may stand only to the right of a row's bases.
        scored : (N, L) bool array

        Returns
        -------
        (scored.sum(),) float array
        """
        context = np.zeros(codes.shape, dtype=np.int64)  # of `order` bases, read as a number in base 4
        for back in range(self.order, 0, -1):
            context *= 4
            context[:, back:] += codes[:, :-back]
        row, column = np.nonzero(scored)
        known = np.minimum(column, self.order)
        bits = np.empty(len(row))
        for k in np.unique(known):
            chosen = known == k
            words = context[row[chosen], column[chosen]] % 4**k
            bits[chosen] = -np.log2(self.tables[k][words, codes[row[chosen], column[chosen]]])
        return bits


def count_words(codes, length):
    """How often each word of `length` bases occurs, (4**length,) int64, words read as numbers in base 4."""
    counts = np.zeros(4**length, dtype=np.int64)
    for start in range(0, max(len(codes) - length + 1, 0), _CHUNK):
        piece = codes[start : start + _CHUNK + length - 1].astype(np.int64)
        words = piece[: len(piece) - length + 1].copy()
        for offset in range(1, length):
            words *= 4
            words += piece[offset : len(piece) - length + 1 + offset]
        counts += np.bincount(words, minlength=len(counts))
    return counts


def choose_markov(codes, max_order=MAX_ORDER, strengths=STRENGTHS, inner=0.1, sample=500_000):
    """Fit a Markov model whose order and strength are chosen on the last part of the training sequence.

    Parameters
    ----------
    codes : (n,) uint8 array
        Base codes 0..3 of the training sequence.
    max_order : int
    strengths : sequence of float
    inner : float
        Fraction at the end that is held out for choosing; all of it is used for the final fit.
    sample : int
        Most bases that are scored for choosing.

    Returns
    -------
    Markov
    """
    border = int(len(codes) * (1 - inner))
    width = 300
    rest = codes[border:]
    rest = rest[: max(len(rest) // width, 1) * width][:sample]
    rows = rest[: len(rest) // width * width].reshape(-1, width) if len(rest) >= width else rest[None]
    # Words much more numerous than bases are never seen twice: longer contexts cannot help.
    longest = max(0, min(max_order, int(np.log(max(border, 4)) / np.log(4))))
    counts = count_words(codes[:border], longest + 1)
    scored = np.ones(rows.shape, dtype=bool)
    scored[:, : min(longest, rows.shape[1] - 1)] = False
    best = None
    for order in range(longest + 1):
        own = counts.reshape(-1, 4 ** (order + 1)).sum(0)
        for strength in strengths:
            bits = Markov(order, strength).from_counts(own).bits(rows, scored).mean()
            if best is None or bits < best[0]:
                best = bits, order, strength
    return Markov(best[1], best[2]).fit(codes)
