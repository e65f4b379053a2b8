"""Examples from files that already have labels: delimited tables, FASTA with a table, and DNA-LLM's pair of files."""

import re

import numpy as np
import pandas as pd

from seqlm.common.errors import InputError
from seqlm.sequences import read_fasta
from seqlm.sequences.tables.delimited import read_delimited
from seqlm.sequences.tables.lines import byte_lines

_WINDOW_NAME = re.compile(r"(.+)_(\d+)_(\d+)$|(.+):(\d+)-(\d+)(?:\([+-]\))?$")  # the second as of bedtools getfasta


def read_table(path, settings, target):
    """Examples that are rows of one or several delimited files.

    Parameters
    ----------
    path : path or dict of str to path
        One file; or several with the same columns by the name of their split (such as train and test).
    settings : dict
        The keyword arguments of `seqlm.sequences.tables.delimited.read_delimited`.
    target : {"scalar", "class"}

    Returns
    -------
    DataFrame
        id, sequence, target, and weight, group, split where there are such columns.
    """
    if not isinstance(path, dict):
        return read_delimited(path, **{**settings, "target": target})
    if settings.get("split"):
        raise InputError("table", "has a split column and also one source per split", "keep one of the two")
    tables = []
    for split, file in path.items():
        table = read_table(file, settings, target).assign(split=split)
        # Row numbers repeat from file to file.
        tables.append(table if settings.get("id") else table.assign(id=split + ":" + table["id"]))
    return pd.concat(tables, ignore_index=True)


def read_records(fasta, labels, target, *, id="id", label="label", weight=None, group=None, weights=None):
    """Examples that are records of a FASTA file, with labels from a table by id.

    Parameters
    ----------
    fasta, labels : path
    target : {"scalar", "class"}
    id, label, weight, group : str
        Columns of the table.
    weights : dict, optional
        Weight of each quality word.

    Returns
    -------
    examples : DataFrame
        In the order of the FASTA file; a record without a row has no target. With chrom, start, end and strand where
        all ids name a place, as chr2:100-400(-) and chr2_100_400 do, and the sequences are as long.
    cleaning : dict of str to int
        Rows of the table without a record.

    Raises
    ------
    InputError
        As `read_delimited` and `read_fasta`; and when no id is in both files.
    """
    table = read_delimited(labels, target=target, id=id, sequence=None, label=label, weight=weight, group=group,
                           weights=weights).set_index("id")  # fmt: skip
    # Letters are left to cleaning, so that its policy holds here too.
    records = pd.DataFrame([(record.id, record.sequence) for record in read_fasta(fasta, check=False)],
                           columns=["id", "sequence"])  # fmt: skip
    twice = records["id"].duplicated()
    if twice.any():
        raise InputError(
            fasta, f"the id {records.loc[twice, 'id'].iloc[0]!r} is there twice", "give every record its own id"
        )
    known = records["id"].isin(table.index)
    if not known.any():
        alike = f"its ids are like {table.index[0]!r}, those of the records like {records['id'].iloc[0]!r}"
        raise InputError(labels, f"none of its ids is in {fasta}", alike)
    places = [_place(name, len(text)) for name, text in zip(records["id"], records["sequence"], strict=True)]
    if all(chrom is not None for chrom, *_ in places):
        records[["chrom", "start", "end"]] = pd.DataFrame(places, index=records.index)
        records["strand"] = records["id"].str.endswith("(-)").map({True: "-", False: "+"})
    without = len(table) - int(known.sum())
    return records.join(table, on="id"), {"labels_without_sequence": without} if without else {}


def read_dna_llm(sequences, scores):
    """Examples in DNA-LLM's format: two tab-separated files, plain or gzip.

    Parameters
    ----------
    sequences : path
        Columns ``sequence`` and ``window_name`` (such as chr22_10510500_10510799: first and last base, counted from 0;
        as for chr22_10510500_10510800, the base after the last).
    scores : path
        A header of window names, then one row per base with a column for each window.

    Returns
    -------
    examples : DataFrame
        id (window name), sequence, target (float32 arrays), chrom, start, end, strand; coordinates are empty where the
        names hold none.
    cleaning : dict of str to int
        Columns of scores without a sequence.

    Raises
    ------
    InputError
        For a window without scores, names that are there twice, rows of another width or number than the windows and
        their bases, and scores that are no numbers.
    """
    table = read_delimited(sequences, separator="\t", id="window_name", sequence="sequence", label=None)
    names, matrix = _read_scores(scores)
    column = {name: number for number, name in enumerate(names)}
    without = ~table["id"].isin(column)
    if without.any():
        name = table.loc[without, "id"].iloc[0]
        raise InputError(scores, f"has no scores for window {name!r} ({int(without.sum())} such windows)",
                         f"give the scores that belong to {sequences}")  # fmt: skip
    length = table["sequence"].str.len()
    odd = length != len(matrix)
    if odd.any():
        name, bases = table.loc[odd, "id"].iloc[0], int(length[odd].iloc[0])
        raise InputError(scores, f"has {len(matrix)} rows, but window {name!r} has {bases} bases",
                         "get both files again, they may be truncated or belong to different windows")  # fmt: skip
    tracks = np.ascontiguousarray(matrix[:, [column[name] for name in table["id"]]].T)
    places = [_place(name, bases) for name, bases in zip(table["id"], length, strict=True)]
    unused = len(names) - len(table)
    examples = table.assign(target=list(tracks), strand="+")
    examples[["chrom", "start", "end"]] = pd.DataFrame(places, index=table.index, dtype=object)
    return examples, {"scores_without_sequence": unused} if unused else {}


def _place(name, bases):
    """chrom, start, end of a window name, empty when it holds none."""
    found = _WINDOW_NAME.match(name)
    if found:
        chrom, start, last = found.groups()[:3] if found[1] else found.groups()[3:]
        start = int(start)
        if int(last) - start in (bases - 1, bases):
            return chrom, start, start + bases
    return None, None, None


def _read_scores(path):
    """Window names, and scores as a float32 array (bases, windows)."""
    lines = byte_lines(path)
    names = [name.strip() for name in next(lines, b"").decode("utf-8", "replace").split("\t")]
    if names == [""]:
        raise InputError(path, "the first line is empty", "it must hold the names of the windows")
    if len(set(names)) < len(names):
        name = next(name for number, name in enumerate(names) if name in names[:number])
        raise InputError(f"{path}, line 1", f"window {name!r} is there twice", "give every window one column")
    rows = [_row(line, f"{path}, line {number}", names) for number, line in enumerate(lines, start=2)]
    if not rows:
        raise InputError(path, "has a header but no scores", "get the file again")
    return names, np.stack(rows)


def _row(line, where, names):
    fields = line.split(b"\t")
    if len(fields) != len(names):
        raise InputError(where, f"has {len(fields)} scores for {len(names)} windows",
                         "the file may be truncated: get it again")  # fmt: skip
    try:
        row = np.array(fields, np.float32)
    except ValueError:
        row = np.full(len(names), np.nan, np.float32)
        for number, field in enumerate(fields):
            try:
                row[number] = field
            except ValueError:
                break
    if not np.isfinite(row).all():
        number = int(np.argmin(np.isfinite(row)))
        shown = fields[number].decode("utf-8", "replace").strip()
        raise InputError(where, f"score {shown!r} of window {names[number]!r} is not a number",
                         "give every base a score, 0 for none")  # fmt: skip
    return row
