"""From a table of leave-one-out scores to the arrays that other tools read, where nothing but the table is at hand."""

import sys

import numpy as np
import pandas as pd

from seqlm.common.errors import InputError
from seqlm.common.tables import read_table
from seqlm.sequences import base_codes
from seqlm.sequences.codes import NO_BASE

COLUMNS = ["sequence", "token", "replacement", "pred", "start_offset", "end_offset", "loo"]


def arrays_of(table):
    """Arrays of the scores in a table.

    Parameters
    ----------
    table : DataFrame
        As `LeaveOneOut.to_table` gives it. Of scores of all classes those of the predicted one are taken.

    Returns
    -------
    dict of arrays
        As of `seqlm.attribution.dataset_scores.score_dataset`: id (n,), codes (n, L), scores (n, L), prediction (n,),
        NaN where the table names a class; with replacements also replaced (n, L, 4), by base, and replacements.
        Positions without a score are no base.
    """
    by_class = "class" in table
    if by_class:
        table = table[table["class"] == table["pred"]]
    name, start = table["sequence"].to_numpy(object), table["start_offset"].to_numpy()
    new = np.ones(len(table), bool)
    new[1:] = (name[1:] != name[:-1]) | (start[1:] < start[:-1])
    row = np.cumsum(new) - 1
    shape = int(new.sum()), int(table["end_offset"].max()) if len(table) else 0
    codes = np.full(shape, NO_BASE, np.uint8)
    codes[row, start] = base_codes([token[:1] for token in table["token"]], length=1)[:, 0]
    arrays = {"id": name[new].astype(str), "codes": codes}
    arrays["prediction"] = np.full(shape[0], np.nan, np.float32) if by_class else _predictions(table["pred"][new])
    loo, put = table["loo"].to_numpy(np.float32), table["replacement"].fillna("")
    if not put.any():
        arrays["scores"] = np.full(shape, np.nan, np.float32)
        arrays["scores"][row, start] = loo
        return arrays
    base = base_codes([text[:1] for text in put], length=1)[:, 0]
    other = (base < NO_BASE) & (base != codes[row, start])
    place = row[other], start[other], base[other]
    total, count = np.zeros((*shape, 4)), np.zeros((*shape, 4))
    np.add.at(total, place, loo[other])
    np.add.at(count, place, 1)
    scored = count.any(2)
    with np.errstate(invalid="ignore"):
        arrays["scores"] = (total.sum(2) / count.sum(2)).astype(np.float32)
        replaced = np.where(count > 0, total / count.clip(1), 0)
    replaced[~scored] = np.nan
    return arrays | {"replaced": replaced.astype(np.float32), "replacements": np.array(list("ACGT"))}


def _predictions(column):
    """Predicted numbers, float32 (n,); all nan where classes are named.

    In a table of text a class may be called 1 or 01; predicted numbers are hardly ever all whole.
    """
    if pd.api.types.is_numeric_dtype(column):
        return column.to_numpy(np.float32)
    words = column.astype(str)
    numbers = pd.to_numeric(words, errors="coerce")
    if numbers.isna().any() or words.str.fullmatch(r"\d+").all():
        return np.full(len(words), np.nan, np.float32)
    return numbers.to_numpy(np.float32)


def read_score_table(path):
    """A table of scores (parquet, CSV or TSV); one without rows (nothing was there to edit) is told on stderr."""
    table = read_table(path, empty=True)
    missing = [name for name in COLUMNS if name not in table]
    if missing:
        raise InputError(path, f"has no column {missing[0]!r}", "give a table of leave-one-out scores")
    if not len(table):
        print(f"{path}: holds no scores: what is made of it is empty", file=sys.stderr)
        return table.astype({"start_offset": int, "end_offset": int})
    if not all(pd.api.types.is_integer_dtype(table[name]) for name in ("start_offset", "end_offset")):
        raise InputError(path, "has an offset that is no whole number", "give the table as it was written")
    return table
