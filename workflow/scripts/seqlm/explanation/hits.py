"""Where motifs lie in sequences, as rows of a BED file."""

import numpy as np
import pandas as pd
from Bio.motifs import jaspar

from seqlm.common.errors import InputError
from seqlm.sequences.motifs import motif_scanner

COLUMNS = ["chrom", "start", "end", "name", "score", "strand", "bits", "importance"]
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
        `COLUMNS`, BED6 and two more, sorted by place: chrom, start, end (0-based, half-open) of the genome where the
        example has a place in one, else its id and the position in it; score: 100 times the log-odds in bits, at most
        1000; importance: sum over the hit of how much the prediction falls without a base.
    """
    rows, about = [], examples.set_index("id")
    for name, codes, scores in zip(arrays["id"], arrays["codes"], arrays["scores"], strict=True):
        text = "".join(np.array(list("ACGTN"))[codes]).rstrip("N")
        example = about.loc[name]
        # Models that read less than a whole sequence may leave out its beginning.
        first = max(0, example["sequence"].upper().replace("U", "T").find(text))
        for motif, scan in scanners.items():
            for start, strand, bits in zip(*scan.hits(text), strict=True):
                importance = -np.nansum(scores[start : start + len(scan)])
                place = _place(example, name, int(first + start), len(scan), int(strand))
                rows.append((*place[:3], motif, min(1000, round(100 * float(bits))), place[3], bits, importance))
    table = pd.DataFrame(rows, columns=COLUMNS)
    return table.sort_values(["chrom", "start", "name"], kind="stable", ignore_index=True)


def _place(example, name, start, width, strand):
    chrom, first = example.get("chrom"), example.get("start")
    if not isinstance(chrom, str) or pd.isna(first):
        return name, start, start + width, "+" if strand > 0 else "-"
    if example.get("strand") == "-":
        end = int(example["end"]) - start
        return chrom, end - width, end, "-" if strand > 0 else "+"
    return chrom, int(first) + start, int(first) + start + width, "+" if strand > 0 else "-"
