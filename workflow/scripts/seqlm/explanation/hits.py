"""Where motifs lie in sequences, as rows of a BED file."""

import numpy as np
import pandas as pd
from Bio.motifs import jaspar

from seqlm.common.errors import InputError
from seqlm.explanation.places import bases_of, first_read, has_place, place_of_stretch, text_of
from seqlm.sequences.motifs import motif_scanner

COLUMNS = ["chrom", "start", "end", "name", "score", "strand", "bits", "importance", "example"]
P_VALUES = 1e-4, 1e-3, 1e-2  # of a hit by chance; the next where a motif is too short to be so rare


def scanner(counts, both_strands=True):
    """A scan for a motif of counts (w, 4); None where it says so little that hits would be anywhere."""
    motif = jaspar.Motif("m", "m", counts=dict(zip("ACGT", counts.T.tolist(), strict=True)))
    for p_value in P_VALUES:
        try:
            return motif_scanner(motif, p_value=p_value, strands="both" if both_strands else "forward")
        except InputError:  # no sequence reaches this threshold, or it is not positive
            continue
    return None


def motif_hits(scanners, arrays, examples):
    """Hits of motifs in the sequences that were scored.

    Parameters
    ----------
    scanners : dict of str to MotifScanner
    arrays : dict of numpy.ndarray
        id (n,), codes and scores (n, L).
    examples : DataFrame
        The dataset's: id, sequence, chrom, start, end, strand.

    Returns
    -------
    DataFrame
        `COLUMNS`, BED6 and three more, sorted by place: chrom, start, end (0-based, half-open) of the genome where the
        example is a stretch of one (a spliced mRNA is none), else its id and the position in it; score: 100 times the
        log-odds in bits, at most 1000; importance: sum over the hit of how much the prediction falls without a base;
        example: its id.
    """
    rows, about = [], examples.set_index("id")
    for name, codes, scores in zip(arrays["id"], arrays["codes"], arrays["scores"], strict=True):
        text = text_of(codes)
        example = about.loc[name]
        bases = bases_of(example["sequence"])
        first, placed = first_read(bases, codes), has_place(example, bases)
        for motif, scan in scanners.items():
            for start, strand, bits in zip(*scan.hits(text), strict=True):
                importance = -np.nansum(scores[start : start + len(scan)])
                place = int(first + start), int(first + start) + len(scan)
                if placed:
                    place, strand = place_of_stretch(example, *place), -strand if example["strand"] == "-" else strand
                where = (example["chrom"] if placed else name, *place, motif, min(1000, round(100 * float(bits))))
                rows.append((*where, "+" if strand > 0 else "-", bits, importance, name))
    table = pd.DataFrame(rows, columns=COLUMNS)
    return table.sort_values(["chrom", "start", "name"], kind="stable", ignore_index=True)


def read_hits(path):
    """The BED file that `motif_hits` fills, names and chromosomes as text."""
    text = dict.fromkeys(("chrom", "name", "strand", "example"), str)
    return pd.read_csv(path, sep="\t", header=None, names=COLUMNS, dtype=text, keep_default_na=False)
