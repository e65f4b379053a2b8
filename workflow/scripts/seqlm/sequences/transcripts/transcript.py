"""mRNAs with their coding sequence and exon junctions, from an annotated genome, GenBank, or a table.

A `Transcript` is the spliced sequence, the bounds of its CDS and where exons meet. It is written as atomic tokens
(`Transcript.tokens`) or as the six channels of Saluki (`Transcript.channels`): A, C, G, T, first base of each codon,
exon junction. A junction is marked on the first base of the exon after it.

What is done with annotation that does not fit:

- strand -: exons are joined in the transcript's direction and reverse complemented;
- no exon lines: CDS and UTR lines are the exons; GTF's stop_codon lines belong to the CDS, whether its own lines leave
  the stop out, as GTF has it, or hold it or a part of it;
- a CDS that begins within a codon (phase 1 or 2: its start is not annotated) has its first codon after these bases;
- another start than ATG, or no stop codon, is kept and counted: both exist, and so do partial annotations;
- no CDS: the transcript is left out (it is no mRNA);
- exons that overlap or touch, CDS outside the exons or not in one piece, two CDSs, phases that disagree, a CDS whose
  length is not a multiple of 3, exons on both strands, coordinates beyond the sequence, a GenBank location that cannot
  be read, that leads to another record or crosses the origin: a problem. So is a chromosome that the genome lacks.
  Problems are an error, or the transcript is left out and counted, as asked.
"""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from seqlm.common.errors import InputError
from seqlm.sequences import base_codes

START, STOPS = "ATG", ("TAA", "TAG", "TGA")
CHANNELS = ("A", "C", "G", "T", "codon", "junction")


class Problem(ValueError):
    """Why a transcript cannot be used; becomes an `InputError` or a count."""


@dataclass
class Transcript:
    """A spliced mRNA.

    Parameters
    ----------
    id, gene : str
    sequence : str
        5' to 3', upper case.
    cds : (int, int)
        First base of the CDS and the base after its last, 0-based.
    junctions : tuple of int
        0-based positions of the first base after each exon junction.
    phase : int
        Bases at the start of the CDS that belong to a codon whose start is not annotated.
    chrom, start, end, strand : optional
        Where it lies in the genome (0-based, half-open).
    """

    id: str
    gene: str
    sequence: str
    cds: tuple
    junctions: tuple = ()
    phase: int = 0
    chrom: str | None = None
    start: int | None = None
    end: int | None = None
    strand: str | None = None

    def __post_init__(self):
        n, (start, end) = len(self.sequence), self.cds
        if not 0 <= start < end <= n:
            raise Problem(f"CDS {start}-{end} does not lie within its {n} bases")
        if (end - start - self.phase) % 3:
            raise Problem(f"its CDS has {end - start - self.phase} bases in frame, not a multiple of 3")
        outside = [j for j in self.junctions if not 0 < j < n]
        if outside:
            raise Problem(f"junction {outside[0]} does not lie between its first and last base")

    @property
    def coding(self):
        """The codons of the CDS as one string."""
        return self.sequence[self.cds[0] + self.phase : self.cds[1]]

    @property
    def codon_starts(self):
        """0-based positions of the first base of each codon."""
        return range(self.cds[0] + self.phase, self.cds[1], 3)

    def remarks(self):
        """What is unusual but kept: "no ATG", "no stop codon", "stop codon within"."""
        codons = [self.coding[i : i + 3] for i in range(0, len(self.coding), 3)]
        found = {
            "no ATG": codons[:1] != [START],
            "no stop codon": codons[-1:] == [] or codons[-1] not in STOPS,
            "stop codon within": any(codon in STOPS for codon in codons[:-1]),
        }
        return [remark for remark, present in found.items() if present]

    def tokens(self):
        """Atomic tokens separated by spaces: upper case begins a codon, ``ej``/``EJ`` begins an exon."""
        tokens = list(self.sequence.lower())
        for i in self.codon_starts:
            tokens[i] = tokens[i].upper()
        for i in self.junctions:
            tokens[i] += "EJ" if tokens[i].isupper() else "ej"
        return " ".join(tokens)

    def channels(self):
        """The six input channels of Saluki, float32 (6, length)."""
        channels = np.zeros((6, len(self.sequence)), np.float32)
        codes = base_codes([self.sequence])[0]
        known = np.flatnonzero(codes < 4)
        channels[codes[known], known] = 1
        channels[4, list(self.codon_starts)] = 1
        channels[5, list(self.junctions)] = 1
        return channels


def parse_tokens(tokens):
    """Sequence, CDS bounds and junctions of a string of mRNA tokens: the inverse of `Transcript.tokens`.

    Returns
    -------
    sequence : str
    cds : (int, int)
        From the first upper-case base to the end of the last codon; (0, 0) where there is none.
    junctions : tuple of int
    """
    parts = [token.partition("#")[0] for token in tokens.split()]
    sequence = "".join(part[0] for part in parts)
    upper = [i for i, base in enumerate(sequence) if base.isupper()]
    cds = (upper[0], min(upper[-1] + 3, len(sequence))) if upper else (0, 0)
    return sequence.upper().replace("U", "T"), cds, tuple(i for i, part in enumerate(parts) if len(part) > 1)


class Collector:
    """Gathers transcripts; a `Problem` stops with one clear line, or is counted.

    Parameters
    ----------
    where : str
        File or table named in errors.
    problems : {"error", "drop"}
    """

    def __init__(self, where, problems="error"):
        if problems not in ("error", "drop"):
            raise InputError("transcripts, problems", f"{problems!r} is unknown", "use error or drop")
        self.where, self.problems = where, problems
        self.transcripts, self.counts, self._name = [], Counter(), None

    def checking(self, name):
        """Context in which the transcript `name` is read."""
        self._name = name
        return self

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if kind is None or not issubclass(kind, Problem):
            return False
        if self.problems == "error":
            mend = "correct it, or leave such transcripts out with problems: drop"
            raise InputError(f"{self.where}, transcript {self._name!r}", str(error), mend) from None
        self.counts["dropped"] += 1
        return True

    def add(self, transcript):
        self.transcripts.append(transcript)
        self.counts["transcripts"] += 1
        self.counts.update(transcript.remarks())
