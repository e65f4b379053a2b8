"""Training examples and shifted copies of them, for targets per base.

A base's score depends on the bases around it, not on its place in the window,
so a window moved by a few bases is a new example with the same answers.
Copies follow DNA-LLM: padding is "no base" with a zero score, and a shift
that would push part of a motif over the edge is not made, because the visible
rest of a motif would then carry the label of the whole.
"""

import numpy as np

MIN_MOTIF = 10
NO_BASE = 4


def edge_motifs(targets, min_length=MIN_MOTIF):
    """How far the outermost motifs lie from the two edges.

    Parameters
    ----------
    targets : (n, L) float array
        Scores per base; a motif is a run of at least `min_length` equal non-zero scores.

    Returns
    -------
    left, right : (n,) int arrays
        Bases before the first motif and after the last; L where there is none.
        A shift to the left by more than `left`, or to the right by more than
        `right`, would cut a motif.
    """
    targets = np.asarray(targets)
    n, length = targets.shape
    # A run continues where a score equals its left neighbour; its length so far is the distance to its start.
    starts = np.ones((n, length), dtype=bool)
    starts[:, 1:] = targets[:, 1:] != targets[:, :-1]
    position = np.arange(length)
    start = np.maximum.accumulate(np.where(starts, position, 0), axis=1)
    member = (targets != 0) & (position - start + 1 >= min_length)  # true from the run's min_length-th base on
    any_motif = member.any(axis=1)
    left = np.where(any_motif, member.argmax(axis=1) - (min_length - 1), length)
    right = np.where(any_motif, member[:, ::-1].argmax(axis=1), length)
    return left, right


def shift_rows(rows, shifts, fill):
    """Move each row by its own number of places (positive: to the right), filling with `fill`.

    Parameters
    ----------
    rows : (n, L) array
    shifts : (n,) int array
    fill : scalar

    Returns
    -------
    (n, L) array of the same dtype
    """
    rows = np.asarray(rows)
    length = rows.shape[1]
    source = np.arange(length)[None, :] - np.asarray(shifts)[:, None]
    inside = (source >= 0) & (source < length)
    moved = np.take_along_axis(rows, np.where(inside, source, 0), axis=1)
    moved[~inside] = fill
    return moved


def shifted_copies(codes, targets, copies=1, max_shift=10, seed=0, fill=NO_BASE, min_motif=MIN_MOTIF):
    """The examples and up to `copies` shifted versions of each.

    Parameters
    ----------
    codes : (n, L) integer array
        Base codes or token ids, one per base.
    targets : (n, L) float array
    copies : int
        Copies per example, each with another shift than its siblings.
    max_shift : int
        Shifts are -max_shift ... -1 and 1 ... max_shift, drawn uniformly from those allowed.
    seed : int
    fill : int
        Code of "no base" (or a token id outside the vocabulary) for the bases that move in.
    min_motif : int
        A run of this many equal non-zero scores is a motif, which no shift may cut.

    Returns
    -------
    codes, targets : arrays (m, L), n <= m <= n * (1 + copies)
        The originals first, in order, then the copies.
    origin : (m,) int array
        Row of the original.

    An example without any allowed shift gets no copy.
    """
    codes, targets = np.asarray(codes), np.asarray(targets)
    n, length = codes.shape
    if targets.shape != codes.shape:
        raise ValueError(f"targets {targets.shape} do not match codes {codes.shape}")
    originals = np.arange(n)
    max_shift = min(max_shift, length - 1)
    if copies < 1 or max_shift < 1 or n == 0:
        return codes, targets, originals
    shifts = np.concatenate([np.arange(-max_shift, 0), np.arange(1, max_shift + 1)])
    left, right = edge_motifs(targets, min_motif)
    allowed = np.where(shifts < 0, -shifts <= left[:, None], shifts <= right[:, None])
    # The order of one random number per shift is a uniform draw without replacement from those allowed.
    draw = np.where(allowed, np.random.default_rng(seed).random(allowed.shape), np.inf)
    chosen = np.argsort(draw, axis=1, kind="stable")[:, :copies]
    rows, columns = np.nonzero(np.take_along_axis(allowed, chosen, axis=1))
    by = shifts[chosen[rows, columns]]
    return (
        np.concatenate([codes, shift_rows(codes[rows], by, fill)]),
        np.concatenate([targets, shift_rows(targets[rows], by, 0)]),
        np.concatenate([originals, rows]),
    )
