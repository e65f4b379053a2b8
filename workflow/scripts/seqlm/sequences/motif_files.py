"""Position count matrices out of files: JASPAR's layouts, and MEME's, which holds probabilities and says so.

A scan needs counts: the pseudocount that is added to them is meant for the number of sites a matrix was made from.
MEME files name this number (`nsites`; 20 where they do not, by the format's own rule), so that probabilities become
counts. In other layouts numbers that cannot be counts are refused.
"""

import io
import re

import numpy as np
from Bio import motifs

from seqlm.common.errors import InputError
from seqlm.sequences.tables.lines import text_lines

JASPAR = "JASPAR2026"  # release
MEME_SITES = 20  # where a MEME file does not say (MEME Suite, minimal motif format)
_LETTERED = re.compile(r"\s*([ACGTU])\b\s*[\[|:]?\s*(.*?)\s*\]?\s*$", re.IGNORECASE)
_MEME_MATRIX = "letter-probability matrix"


def read_motif(path):
    """Read the one matrix of a file.

    Parameters
    ----------
    path : path
        JASPAR's layout (``>ID name`` and four rows, with letters and brackets or without, in the order A, C, G, T) or
        MEME's minimal one; plain or compressed.

    Returns
    -------
    Bio.motifs.Motif
        Its counts; of a MEME file probabilities times sites.

    Raises
    ------
    InputError
        If the file is missing, of another layout, holds no matrix or several, or one of something else than counts.
    """
    found = _read(path)
    if len(found) != 1:
        raise InputError(path, f"{len(found)} matrices in the file", "keep one: '>ID name' and four rows of counts")
    return found[0]


def read_motifs(path):
    """Read all matrices of a file; as `read_motif`, and one that holds none is refused too."""
    found = _read(path)
    if not found:
        raise InputError(path, "holds no matrix", "give a file of motifs in JASPAR's or MEME's layout")
    return found


def jaspar_motifs(group):
    """JASPAR's CORE collection of a group of species, as it comes with pyjaspar: the newest version of each matrix.

    Parameters
    ----------
    group : {"vertebrates", "insects", "plants", "fungi"}

    Returns
    -------
    list of Bio.motifs.jaspar.Motif
        With matrix_id, name and tf_family (JASPAR 2026; CC BY 4.0).
    """
    from pyjaspar import jaspardb

    return jaspardb(release=JASPAR).fetch_motifs(collection="CORE", tax_group=[group])


def _read(path):
    lines = [text for _, text in text_lines(path)]
    if any(line.startswith("MEME version") for line in lines):
        return _read_meme(lines, path)  # counts by what the file says, also where there were 1 or 100 sites
    found = _read_jaspar(lines, path)
    for motif in found:
        require_counts(motif, path if len(found) == 1 else f"{path}, {motif.matrix_id or motif.name}")
    return found


def _read_jaspar(lines, path):
    lines = [_LETTERED.sub(lambda row: f"{row[1].upper().replace('U', 'T')} [ {row[2]} ]", line) for line in lines]
    rows = sum(1 for line in lines if line.strip() and not line.startswith(">"))
    try:
        found = motifs.parse(io.StringIO("\n".join(lines)), "jaspar")
        if rows % 4:  # those that are left over would be lost in silence
            raise ValueError(f"{rows} rows")
        return found
    except Exception as error:  # Biopython raises what it meets, for rows of unequal length a bare Exception
        raise InputError(path, f"not a matrix in JASPAR format ({error})",
                         "expected '>ID name' and four rows of counts such as 'A [ 3 5 0 ]'") from None  # fmt: skip


def _read_meme(lines, path):
    """Biopython's reader of this layout would round the counts, and asks for lines that may be left out."""
    found, name, rows = [], ("motif", "motif"), None
    for number, line in enumerate(lines, start=1):
        where = f"{path}, line {number}"
        if line.startswith("ALPHABET=") and line.partition("=")[2].split() not in (["ACGT"], ["ACGU"]):
            raise InputError(where, "its alphabet is not that of DNA or RNA", "give a motif of bases")
        if line.startswith("MOTIF"):
            name, *other = line.split()[1:3] or ["motif"]
            name = name, *(other or [name])  # MEME's identifier and, where there is one, its other name
        elif line.startswith(_MEME_MATRIX):
            sites, width = (re.search(rf"\b{key}=\s*(\d+)", line) for key in ("nsites", "w"))
            rows = []
            found.append((name, sites and int(sites[1]) or MEME_SITES, int(width[1]) if width else None, rows))
        elif rows is not None and line.strip():
            row = _probabilities(line.split())
            if row is None and found[-1][2] in (None, len(rows)):
                rows = None  # what follows the matrix, such as its address
                continue
            if row is None:
                raise InputError(where, "is no row of four probabilities", "give those of A, C, G and T, that sum to 1")
            rows.append(row)
    for name, _, width, rows in found:
        if not rows or width not in (None, len(rows)):
            raise InputError(path, f"matrix {name[0]} has {len(rows)} rows, not {width or 1}", "get the file again")
    counts = [(name, np.multiply(rows, sites).T) for name, sites, _, rows in found]
    return [motifs.jaspar.Motif(*name, counts=dict(zip("ACGT", map(list, own), strict=True))) for name, own in counts]


def _probabilities(fields):
    """Four numbers that sum to 1; None where they are something else."""
    try:
        row = np.array(fields, float)
    except ValueError:
        return None
    return row / row.sum() if row.shape == (4,) and (row >= 0).all() and abs(row.sum() - 1) <= 0.03 else None


def require_counts(motif, where):
    """Refuse a matrix of no columns, of numbers that cannot be counts, of probabilities or percentages.

    Probabilities taken for counts look like a single site: the pseudocount, meant for 20 and more, drowns them.
    """
    counts = np.array([motif.counts[base] for base in "ACGT"], float)
    if not counts.size:
        raise InputError(where, "the matrix has no columns", "give four rows of counts such as 'A [ 3 5 0 ]'")
    wrong = counts[~(np.isfinite(counts) & (counts >= 0))]
    if len(wrong):
        what = "negative: these are no counts but scores" if wrong[0] < 0 else "no number of sites"
        raise InputError(where, f"{wrong[0]:g} is {what}", "give the count matrix (JASPAR calls it PFM)")
    columns, rows = counts.sum(axis=0), counts.sum(axis=1)
    fractions = (counts != counts.round()).any()
    if counts.shape == (4, 4) and np.ptp(rows) <= 0.03 * rows.max() < np.ptp(columns):
        problem = "its rows, not its columns, sum to the same: they are positions"
        raise InputError(where, problem, "give four rows, one a base")
    if fractions and counts.max() <= 1:
        problem = "holds probabilities, not counts: no number is above 1"
        mend = "give the count matrix, or multiply by the number of sites it was made from"
        raise InputError(where, problem, f"{mend}; or save it in MEME's layout with its nsites")
    if fractions and (np.abs(columns - 100) <= 0.5).all():
        problem = "holds percentages, not counts: its columns sum to 100"
        mend = "give the count matrix, or multiply by the number of sites it was made from, divided by 100"
        raise InputError(where, problem, mend)
