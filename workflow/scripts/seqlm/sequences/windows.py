"""Tiling a genome with windows, and drawing some of them, in one pass and flat memory."""

import math
from typing import NamedTuple

import numpy as np

from seqlm.common.errors import InputError
from seqlm.sequences.cleaning import POLICIES
from seqlm.sequences.reading import illegal_letter, pieces

_INVALID = b"?"  # stands for a letter that its whole window is dropped for
_LEGAL = {"dna": b"ACGTNacgtn", "rna": b"ACGUNacgun"}


def _spelling(other):
    """By byte: bases in upper case, U as T, N, and whatever else there is as `other`."""
    table = bytearray(other * 256)
    for letter in b"ACGTN":
        table[letter] = table[letter | 32] = letter
    table[ord("U")] = table[ord("u")] = ord("T")
    return bytes(table)


_SPELLING = {"error": _spelling(b"N"), "N": _spelling(b"N"), "drop": _spelling(_INVALID)}


class Window(NamedTuple):
    """A stretch of a record; coordinates count from 0, `end` is not included; the sequence is upper case ACGTN."""

    id: str
    chrom: str
    start: int
    end: int
    sequence: str


class _Run(NamedTuple):
    """Neighbouring windows cut from one piece of a record."""

    chrom: str
    first: int  # coordinate of the first base of `bases`
    bases: bytes
    count: int  # windows in `bases`, before any are dropped
    kept: np.ndarray | None  # numbers of the windows that pass; None: all


class Windows:
    """The windows of every record of a FASTA file.

    Iterating yields `Window` objects in file order. Each pass reads the file anew and refills `counts`.

    Parameters
    ----------
    path : path
        FASTA; plain, gzip or bgzip.
    length : int
        Bases in a window.
    step : int, optional
        From one window's start to the next; `length` (no overlap, no gap) by default.
    max_unknown : float
        Drop windows with a larger fraction of positions that are not A, C, G, T or U.
    short : {"skip", "error"}
        What to do about a record shorter than one window.
    policy : {"error", "N", "drop"}
        What to do about a letter that is neither a base nor N: raise, read it as N, or drop the windows it is in.
    molecule : {"dna", "rna"}
        Under the policy "error", whether U or T is such a letter; else they are alike.

    Attributes
    ----------
    counts : dict
        Of the last complete pass: ``records``, ``bases``, ``windows`` (kept), ``unknown`` (windows dropped for their
        unknown bases), ``short`` (records skipped), ``invalid`` (letters that are neither bases nor N) and ``dropped``
        (windows dropped for those).

    Raises
    ------
    InputError
        For values that make no sense, a damaged or wrong file, and short records where they are errors.
    """

    def __init__(self, path, length, step=None, max_unknown=0.0, short="skip", policy="N", molecule="dna"):
        step = length if step is None else step
        for name, value in (("length", length), ("step", step)):
            if value < 1:
                raise InputError("windows", f"{name} is {value}", f"the {name} must be at least 1")
        if not 0 <= max_unknown <= 1:
            raise InputError("windows", f"max_unknown is {max_unknown}", "give a fraction between 0 and 1")
        if short not in ("skip", "error"):
            raise InputError("windows", f"short is {short!r}", "choose 'skip' or 'error'")
        if policy not in POLICIES or molecule not in _LEGAL:
            choices = f"the policies are {', '.join(POLICIES)}, the molecules {', '.join(_LEGAL)}"
            raise InputError("windows", f"policy is {policy!r}, molecule {molecule!r}", choices)
        self.path, self.length, self.step, self.max_unknown, self.short = path, length, step, max_unknown, short
        self.policy, self.molecule = policy, molecule
        self.counts = {}

    def __iter__(self):
        length, step = self.length, self.step
        for run in self._runs():
            bases, chrom, first = run.bases.decode("ascii"), run.chrom, run.first
            for number in range(run.count) if run.kept is None else run.kept.tolist():
                at = number * step
                start = first + at
                end = start + length
                yield Window(f"{chrom}_{start}_{end}", chrom, start, end, bases[at : at + length])

    def subsample(self, n, seed):
        """Draw `n` windows, every subset equally likely, in one pass; all of them when there are no more than `n`.

        Only the drawn windows are held in memory (Li 1994, "Reservoir-sampling algorithms of time complexity
        O(n(1 + log(N/n)))", algorithm L: the windows in between are skipped over, not looked at).

        Returns
        -------
        list of Window
            In file order.
        """
        if n < 1:
            raise InputError("windows", f"a subsample of {n}", "draw at least 1 window")
        rng = np.random.default_rng(seed)
        drawn, seen = [], 0
        log_w, following = 0.0, 0  # log of the largest key in the reservoir; number of the window to take next
        for run in self._runs():
            count = run.count if run.kept is None else len(run.kept)
            while following < seen + count:
                number = following - seen
                entry = (following, *self._cut(run, number if run.kept is None else int(run.kept[number])))
                if len(drawn) < n:
                    drawn.append(entry)
                else:
                    drawn[rng.integers(n)] = entry
                following += 1
                if len(drawn) == n:
                    log_w += math.log(1.0 - rng.random()) / n
                    following += _skip(rng, log_w)
            seen += count
        drawn.sort()
        return [
            Window(f"{chrom}_{start}_{end}", chrom, start, end, bases.decode("ascii"))
            for _, chrom, start, end, bases in drawn
        ]

    def _cut(self, run, number):
        at = number * self.step
        start = run.first + at
        return run.chrom, start, start + self.length, run.bases[at : at + self.length]

    def _runs(self):
        counts = dict.fromkeys(("records", "bases", "windows", "unknown", "short", "invalid", "dropped"), 0)
        legal = _LEGAL[self.molecule] if self.policy == "error" else b"ACGTUNacgtun"
        # Of the record being read: its name, bases read, bases not yet used up, and the coordinate the next window
        # starts at (that of rest[0], or further on when the step is longer than what is left).
        chrom, read, rest, first = None, 0, b"", 0
        for piece in pieces(self.path, check="ids"):
            if piece.first:
                self._check_length(chrom, counts, read)
                chrom, read, rest, first = piece.id, 0, b"", 0
                counts["records"] += 1
            invalid = len(piece.letters.translate(None, legal))
            if invalid and self.policy == "error":
                raise illegal_letter(self.path, chrom, piece.letters, before=read, legal=legal)
            counts["invalid"] += invalid
            bases = piece.letters.translate(_SPELLING[self.policy])
            counts["bases"] += len(bases)
            skipped = max(first - read, 0)
            read += len(bases)
            bases = rest + bases[skipped:]
            if len(bases) < self.length:
                rest = bases
                continue
            count = (len(bases) - self.length) // self.step + 1
            kept, dropped = self._passing(bases, count)
            passing = count if kept is None else len(kept)
            counts["windows"] += passing
            counts["dropped"] += dropped
            counts["unknown"] += count - passing - dropped
            if passing:
                yield _Run(chrom, first, bases, count, kept)
            rest = bases[count * self.step :]
            first += count * self.step
        self._check_length(chrom, counts, read)
        self.counts = counts

    def _passing(self, bases, count):
        """Numbers of the windows that pass (None: all do), and how many an invalid letter keeps from it."""
        keep, dropped = None, 0
        if _INVALID in bases:
            keep = self._count(_INVALID, bases, count) == 0
            dropped = count - int(keep.sum())
        if b"N" in bases and self.max_unknown < 1:
            allowed = math.floor(self.max_unknown * self.length + 1e-9)
            few = self._count(b"N", bases, count) <= allowed
            keep = few if keep is None else keep & few
        return None if keep is None else np.flatnonzero(keep), dropped

    def _count(self, letter, bases, count):
        """How often a letter occurs in each of `count` windows of `bases`: int array (count,)."""
        before = np.zeros(len(bases) + 1, np.int32)
        np.cumsum(np.frombuffer(bases, np.uint8) == letter[0], out=before[1:])
        starts = np.arange(count) * self.step
        return before[starts + self.length] - before[starts]

    def _check_length(self, chrom, counts, bases):
        if chrom is None or bases >= self.length:
            return
        if self.short == "error":
            raise InputError(
                f"{self.path}, record {chrom!r}",
                f"has {bases} bases, fewer than a window of {self.length}",
                "shorten the windows, or skip short records",
            )
        counts["short"] += 1


def _skip(rng, log_w):
    """How many windows algorithm L passes over before the next one enters the reservoir."""
    w = math.exp(log_w)
    if w >= 1.0:
        return 0
    return math.floor(math.log(1.0 - rng.random()) / math.log1p(-w))
