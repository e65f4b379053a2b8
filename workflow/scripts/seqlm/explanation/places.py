"""Where the positions of an example lie in a genome, strand and all."""

import numpy as np
import pandas as pd

from seqlm.sequences.similarity import plain_bases

LETTERS = np.array(list("ACGTN"))


def bases_of(sequence):
    """A sequence's bases as codes spell them: upper case, with T; of atomic tokens each one's first letter."""
    return plain_bases(sequence).upper().replace("U", "T")


def text_of(codes):
    """Codes (L,) as a text, without what stands for no base at its end."""
    return "".join(LETTERS[np.minimum(codes, 4)]).rstrip("N")


def first_read(bases, codes):
    """How many bases lie before the first one that a model of limited input length read.

    Parameters
    ----------
    bases : str
        As of `bases_of`.
    codes : array (L,)
        What it read, then 4 or more.
    """
    return max(0, bases.find(text_of(codes)))


def has_place(example, bases):
    """Whether an example's positions are those of a stretch of a genome: as many bases, from chrom:start to end.

    A spliced mRNA has a place, but its positions are not those of its gene.
    """
    chrom, start, end = (example.get(name) for name in ("chrom", "start", "end"))
    return isinstance(chrom, str) and not (pd.isna(start) or pd.isna(end)) and int(end) - int(start) == len(bases)


def place_of_stretch(example, start, end):
    """Where a stretch of an example with a place lies: (start, end) in its chromosome.

    An example of the minus strand is turned round: its first base is the last of its place.
    """
    if example.get("strand") == "-":
        return int(example["end"]) - end, int(example["end"]) - start
    return int(example["start"]) + start, int(example["start"]) + end


def stretch_of_place(example, start, end):
    """Which stretch of an example a place in its chromosome is: what `place_of_stretch` was given."""
    if example.get("strand") == "-":
        return int(example["end"]) - end, int(example["end"]) - start
    return start - int(example["start"]), end - int(example["start"])
