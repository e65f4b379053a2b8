"""Delimited text: one example a row, with or without a header, columns by name or by 1-based position.

A sequence is plain bases, or tokens joined by a separator, each perhaps with specifiers (``a#2.5#0.2``). Whatever the
file uses, tokens come out separated by one space and specifiers by ``#``: what every later step reads.
"""

import math

import pandas as pd

from seqlm.common.errors import InputError
from seqlm.sequences.tables.rows import is_missing, read_columns

QUALITY = {"STRONG": 1.0, "GOOD": 0.75, "WEAK": 0.5, "POOR": 0.25}
TOKENS, SPECIFIERS = " ", "#"
# "none" and "null" may well name a class.
NO_CLASS = {"", ".", "NA", "N/A", "<NA>", "NaN", "nan"}


def read_delimited(
    path,
    *,
    target="scalar",
    separator=None,
    header=True,
    id=None,
    sequence="sequence",
    label="label",
    weight=None,
    weights=None,
    group=None,
    split=None,
    tokens=None,
    specifiers=None,
):
    """Read examples from a delimited file (plain, gzip or bgzip).

    Parameters
    ----------
    path : path
    target : {"scalar", "class"}
        Labels are numbers, or class names. Either may be missing: `seqlm.sequences.tables.rows.MISSING` for numbers,
        `NO_CLASS` for classes.
    separator : str, optional
        Between columns; see `seqlm.sequences.tables.rows.separator_of`.
    header : bool
        Whether the first line names the columns.
    id, sequence, label, weight, group, split : str or int, optional
        Columns, by name or 1-based position. Without `id` the examples are numbered from 1, blank rows not counted, as
        everywhere; without `label` nothing is predicted from the file (a file of new sequences). A group or split that
        is missing is None, not a value.
    weights : dict, optional
        Weight of each quality word, in any case; `QUALITY` when not given. Numbers need no map.
    tokens : str, optional
        Between the tokens of a sequence; plain bases when not given.
    specifiers : str, optional
        Between a token and its floats.

    Returns
    -------
    pandas.DataFrame
        Columns id, sequence, and of target, weight, group, split those that were asked for; in file order.

    Raises
    ------
    InputError
        Naming file and line: as `seqlm.sequences.tables.rows.read_columns`; an empty sequence, a label or weight or
        specifier that cannot be read, an id that is empty or there twice.
    """
    wanted = {"id": id, "sequence": sequence, "label": label, "weight": weight, "group": group, "split": split}
    wanted = {name: column for name, column in wanted.items() if column not in (None, False, "")}
    words = {str(word).upper(): float(value) for word, value in (QUALITY if weights is None else weights).items()}
    parse = {
        "id": _id,
        "sequence": lambda text, where: _sequence(text, tokens, specifiers, where),
        "label": lambda text, where: parse_label(text, target, where),
        "weight": lambda text, where: _weight(text, words, where),
        "group": _name,
        "split": _name,
    }
    rows, lines = [], {}
    for line, cells in read_columns(path, wanted, separator, header):
        where = f"{path}, line {line}"
        row = {name: parse[name](cell, where) for name, cell in cells.items()}
        row.setdefault("id", str(len(rows) + 1))
        if row["id"] in lines:
            raise InputError(where, f"id {row['id']!r} is also in line {lines[row['id']]}", "give every row its own id")
        lines[row["id"]] = line
        rows.append(row)
    if not rows:
        raise InputError(path, "holds no examples", "give a file with at least one row of data")
    table = pd.DataFrame(rows)[["id", *(name for name in wanted if name != "id")]]
    return table.rename(columns={"label": "target"})


def _id(text, where):
    if not text:
        raise InputError(where, "the id is empty", "give every row its own id")
    return text


def _name(text, where):
    """What a row belongs to; None where that is not known."""
    return None if is_missing(text) else text


def _sequence(text, tokens, specifiers, where):
    if not text:
        raise InputError(where, "the sequence is empty", "remove the row or fill it in")
    if not tokens:
        return text
    parts = [part.strip() for part in text.split(tokens)]
    parts = [part for part in parts if part] if tokens.isspace() else parts
    if "" in parts:
        raise InputError(where, f"token {parts.index('') + 1} is empty", f"remove the extra {tokens!r}")
    if specifiers:
        for part in parts:
            _check_specifiers(part, specifiers, where)
        if specifiers != SPECIFIERS:
            parts = [part.replace(specifiers, SPECIFIERS) for part in parts]
    return TOKENS.join(parts)


def _check_specifiers(part, separator, where):
    token, *values = part.split(separator)
    for value in values:
        if not token or not _is_number(value):
            raise InputError(where, f"token {part!r} is no token with numbers", f"write it as a{separator}2.5")


def _is_number(text):
    try:
        return math.isfinite(float(text)) and "_" not in text  # 1_000 is a number to Python alone
    except ValueError:
        return False


def parse_label(text, target, where):
    """A cell's number (NaN where it is missing) or class (None where it is missing).

    Raises
    ------
    InputError
        It is no number.
    """
    if target == "class":
        return None if text in NO_CLASS else text
    if is_missing(text):
        return math.nan
    if not _is_number(text):
        raise InputError(where, f"label {text!r} is not a number", "correct it, leave it empty, or use target: class")
    return float(text)


def _weight(text, words, where):
    if text.upper() in words:
        return words[text.upper()]
    if not _is_number(text) or float(text) < 0:
        known = ", ".join(words)
        raise InputError(where, f"weight {text!r} is neither a number from 0 nor one of {known}", "extend `weights`")
    return float(text)
