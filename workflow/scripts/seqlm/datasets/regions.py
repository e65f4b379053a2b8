"""Examples that are stretches of a genome named by a BED file, with a column's labels or against the rest of it."""

import numpy as np
import pandas as pd

from seqlm.common.errors import InputError
from seqlm.sequences import Genome, reverse_complement
from seqlm.sequences.tables.bed import read_bed
from seqlm.sequences.tables.delimited import parse_label

REGION, BACKGROUND = "region", "background"
MAX_N = 0.1  # fraction of unknown bases above which a region is left out
CANDIDATES = 5  # places that a background window is chosen from
TRIES = 200  # draws until that many are found


def read_regions(bed, genome, target, *, label=None, length=None, background=1, seed=0, where="regions"):
    """Examples that are regions of a genome.

    Parameters
    ----------
    bed, genome : path
        BED; FASTA (plain or bgzip).
    target : {"scalar", "class"}
    label : int, optional
        Column of the label, from 1. Without it the class is "region", and windows of the rest of the genome are the
        class "background".
    length : int, optional
        Bases around the middle of each region; the region itself when missing.
    background : int
        Background windows a region, without a label: as long, on the same chromosome, clear of all regions, and
        of the `CANDIDATES` drawn the one closest in G+C, so that composition alone does not tell.
    seed : int

    Returns
    -------
    examples : DataFrame
        id (chrom_start_end), sequence (of the region's strand), target, chrom, start, end, strand.
    cleaning : dict of str to int
        Regions left out: beyond the end of a chromosome, with too many N, or there twice.

    Raises
    ------
    InputError
        As `read_bed` and `Genome`; and for a column or chromosome that is not there.
    """
    if label is None and target != "class":
        raise InputError(where, "regions without a label column are classes", "set target: class, or name label:")
    rng, counts = np.random.default_rng(seed), {"outside": 0, "too_many_n": 0, "duplicates": 0}
    rows, taken = [], set()
    with Genome(genome) as open_genome:
        for region in read_bed(bed):
            here = f"{bed}, line {region.line}"
            start, end = region.start, region.end
            if length:
                start = (region.start + region.end - length) // 2
                end = start + length
            if region.chrom in open_genome.lengths and (start < 0 or end > open_genome.lengths[region.chrom]):
                counts["outside"] += 1
                continue
            sequence = open_genome.fetch(region.chrom, start, end).upper()
            if _unknown(sequence) > MAX_N:
                counts["too_many_n"] += 1
            elif (region.chrom, start, end) in taken:
                counts["duplicates"] += 1
            else:
                taken.add((region.chrom, start, end))
                value = REGION if label is None else _label(region, label, target, here)
                rows.append((region.chrom, start, end, region.strand, sequence, value))
        if label is None and rows:
            rows += _background(open_genome, rows, background, rng, where)
    if not rows:
        raise InputError(bed, "holds no region that can be used", "check that it belongs to this genome")
    table = pd.DataFrame(rows, columns=["chrom", "start", "end", "strand", "sequence", "target"])
    minus = table["strand"] == "-"
    table.loc[minus, "sequence"] = table.loc[minus, "sequence"].map(reverse_complement)
    table["id"] = table["chrom"] + "_" + table["start"].astype(str) + "_" + table["end"].astype(str)
    return table, {name: count for name, count in counts.items() if count}


def _label(region, column, target, where):
    if not 1 <= column <= len(region.fields):
        raise InputError(where, f"has no column {column}", f"its columns are 1 to {len(region.fields)}")
    return parse_label(region.fields[column - 1], target, where)


def _background(genome, rows, each, rng, where):
    """Windows of the rest of the genome, `each` for every row."""
    places = pd.DataFrame([row[:3] for row in rows], columns=["chrom", "start", "end"]).groupby("chrom")
    clear_of = {chrom: (np.sort(own["start"]), np.sort(own["end"])) for chrom, own in places}
    found, taken = [], set()
    for chrom, start, end, strand, sequence, _ in [row for row in rows for _ in range(each)]:
        size, best, seen = end - start, None, 0
        for at in rng.integers(0, genome.lengths[chrom] - size + 1, TRIES).tolist():
            starts, ends = clear_of[chrom]
            inside = np.searchsorted(starts, at + size, "left") > np.searchsorted(ends, at, "right")
            if inside or (chrom, at) in taken:
                continue
            letters = genome.fetch(chrom, at, at + size).upper()
            if _unknown(letters) > MAX_N:
                continue
            off = abs(_gc(letters) - _gc(sequence))
            best = min(best or (off, at, letters), (off, at, letters))
            seen += 1
            if seen == CANDIDATES:
                break
        if best is None:
            raise InputError(where, f"{chrom} has no room for background windows of {size} bases",
                             "give fewer or shorter regions, or a label column")  # fmt: skip
        taken.add((chrom, best[1]))
        found.append((chrom, best[1], best[1] + size, strand, best[2], BACKGROUND))
    return found


def _unknown(sequence):
    return 1 - sum(map(sequence.count, "ACGTU")) / len(sequence)


def _gc(sequence):
    return (sequence.count("G") + sequence.count("C")) / len(sequence)
