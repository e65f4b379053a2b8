"""Per-base labels from a thresholded scan with a position weight matrix.

A label track gives every base of a motif hit the hit's log-odds score and every other base zero. The public scores of
the DNA-LLM study behave like this (15,426 windows of human chr22): 18,453 runs of equal non-zero scores between 6.4
and 11.4 bits, on both strands, 95% of them exactly 10 bases long (the width of its matrix); shorter runs are hits cut
by the end of a window or by an overlapping hit. Hence the definition used here and in augmentation: *a motif is a run
of at least 10 equal non-zero scores*. Where hits overlap, those scores follow the order in which hits were written;
here the higher score wins, so that a label never depends on an order.

Matrices, log-odds and thresholds are Biopython's (Bio.motifs); how they are read: `seqlm.sequences.motif_files`.
"""

import math
from dataclasses import dataclass, field

import numpy as np
from Bio import motifs

from seqlm.common.errors import InputError
from seqlm.sequences.motif_files import read_motif, require_counts

MOTIF_LENGTH = 10  # bases; the shortest run of equal scores that counts as a motif
STRANDS = ("both", "forward")


@dataclass
class MotifScanner:
    """A scan of sequences with one matrix; build it with `motif_scanner`.

    Attributes
    ----------
    name : str
        Matrix id and name.
    threshold : float
        Smallest log-odds score (bits) that is a hit.
    forward, reverse : Bio.motifs PositionSpecificScoringMatrix
        Log-odds; `reverse` (the reverse complement) is None when only the forward strand is scanned.
    """

    name: str
    threshold: float
    forward: object = field(repr=False)
    reverse: object = field(repr=False)

    def __len__(self):
        return self.forward.length

    def hits(self, sequence):
        """Every hit of one sequence.

        Parameters
        ----------
        sequence : str
            DNA or RNA in any case. A hit never spans anything but A, C, G, T and U.

        Returns
        -------
        start : int64 array (hits,)
            0-based first base.
        strand : int8 array (hits,)
            1 or -1.
        score : float32 array (hits,)
            Log-odds in bits. Ordered by start, forward strand first.
        """
        if len(sequence) < len(self):
            return np.empty(0, np.int64), np.empty(0, np.int8), np.empty(0, np.float32)
        text = sequence.upper().replace("U", "T")
        starts, strands, scores = [], [], []
        for matrix, strand in ((self.forward, 1), (self.reverse, -1)):
            if matrix is None:
                continue
            every = np.atleast_1d(matrix.calculate(text))
            # Windows with an N score NaN, and NaN >= threshold is false.
            start = np.flatnonzero(every >= self.threshold)
            starts.append(start)
            strands.append(np.full(len(start), strand, np.int8))
            scores.append(every[start])
        starts, strands, scores = (np.concatenate(part) for part in (starts, strands, scores))
        order = np.argsort(starts, kind="stable")
        return starts[order], strands[order], scores[order]

    def track(self, sequence):
        """Score of every base: float32 array (len(sequence),), zero outside hits."""
        start, _, score = self.hits(sequence)
        track = np.zeros(len(sequence), np.float32)
        order = np.argsort(score, kind="stable")
        # Written from the lowest score to the highest, so that the highest stays where hits overlap.
        track[start[order, None] + np.arange(len(self))] = score[order, None]
        return track


def motif_scanner(motif, *, p_value=1e-4, score=None, strands="both", pseudocount=0.8, background=None, where="motif"):
    """Prepare a scan.

    Parameters
    ----------
    motif : path or Bio.motifs.Motif
        A file with one matrix (see `read_motif`), or the matrix.
    p_value : float
        False-positive rate of the threshold at one position of one strand of random sequence with the base
        frequencies of `background`.
    score : float, optional
        The threshold itself in bits, in place of `p_value`.
    strands : {"both", "forward"}
    pseudocount : float
        Added to each count of the matrix before the logarithm.
    background : dict of float, optional
        Frequency of A, C, G and T; uniform when missing.
    where : str
        How errors name the setting.

    Returns
    -------
    MotifScanner

    Raises
    ------
    InputError
        For values out of range, or a threshold that is not positive (zero means "no motif" in a track).
    """
    if strands not in STRANDS:
        raise InputError(where, f"strands is {strands!r}", f"choose one of: {', '.join(STRANDS)}")
    if not isinstance(motif, motifs.Motif):
        motif = read_motif(motif)
    else:
        require_counts(motif, where)
    if pseudocount < 0 or (pseudocount == 0 and min(min(row) for row in motif.counts.values()) == 0):
        raise InputError(where, f"pseudocount {pseudocount} leaves infinite scores", "give a positive one, such as 0.8")
    matrix = motif.counts.normalize(pseudocounts=pseudocount).log_odds(background)
    if score is None:
        if not 0 < p_value <= 1:
            raise InputError(where, f"p_value is {p_value}", "give a number above 0 and up to 1, such as 1.0e-4")
        score = matrix.distribution(background).threshold_fpr(p_value)
    if not 0 < score < math.inf:
        raise InputError(where, f"the threshold of {score:.3g} bits is not positive, but zero means no motif",
                         "give a smaller p_value or a higher score")  # fmt: skip
    if score > matrix.max:
        raise InputError(where, f"no sequence reaches {score:.3g} bits (the best has {matrix.max:.3g})",
                         "give a larger p_value or a lower score")  # fmt: skip
    name = f"{motif.matrix_id} {motif.name}" if getattr(motif, "matrix_id", None) else str(motif.name)
    return MotifScanner(name, float(score), matrix, matrix.reverse_complement() if strands == "both" else None)


def _runs(tracks):
    """Row, start, end (arrays) of the runs of equal non-zero scores of tracks (n, L)."""
    n, length = tracks.shape
    new = np.ones((n, length), bool)
    np.not_equal(tracks[:, 1:], tracks[:, :-1], out=new[:, 1:])
    start = np.flatnonzero(new.ravel())
    end = np.append(start[1:], n * length)
    kept = tracks.ravel()[start] != 0
    start, end = start[kept], end[kept]
    row = start // max(length, 1)
    return row, start - row * length, end - row * length


def motif_runs(track, minimum=MOTIF_LENGTH):
    """Motifs of one track: runs of at least `minimum` equal non-zero scores.

    Parameters
    ----------
    track : array (L,)
    minimum : int
        Bases.

    Returns
    -------
    list of (int, int)
        0-based half-open, in order.
    """
    _, start, end = _runs(np.asarray(track)[None])
    return [(int(s), int(e)) for s, e in zip(start, end, strict=True) if e - s >= minimum]


def motif_mask(tracks, minimum=MOTIF_LENGTH):
    """Which bases lie in a motif (see `motif_runs`): bool array of the shape of `tracks`, (L,) or (n, L)."""
    tracks = np.asarray(tracks)
    rows = np.atleast_2d(tracks)
    row, start, end = _runs(rows)
    kept = end - start >= minimum
    row, start, end = row[kept], start[kept], end[kept]
    # One step up at each start and down at each end; a cumulative sum fills the runs.
    steps = np.zeros((len(rows), rows.shape[1] + 1), np.int8)
    np.add.at(steps, (row, start), 1)
    np.add.at(steps, (row, end), -1)
    return steps.cumsum(axis=1)[:, :-1].astype(bool).reshape(tracks.shape)
