"""Delimited text: one example a row, with or without a header, columns by name or by 1-based position.

A sequence is plain bases, or tokens joined by a separator, each perhaps with specifiers (``a#2.5#0.2``). Whatever the
file uses, tokens come out separated by one space and specifiers by ``#``: what every later step reads.
"""

import csv
import math
from pathlib import Path

import pandas as pd

from seqlm.common.errors import InputError
from seqlm.sequences import open_bytes

QUALITY = {"STRONG": 1.0, "GOOD": 0.75, "WEAK": 0.5, "POOR": 0.25}
TOKENS, SPECIFIERS = " ", "#"
MISSING = {"", "na", "nan", "none", "null", "."}


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
        Labels are numbers (empty or NA: not known), or class names.
    separator : str, optional
        Between columns; a tab, or a comma for .csv, when not given.
    header : bool
        Whether the first line names the columns.
    id, sequence, label, weight, group, split : str or int, optional
        Columns, by name or 1-based position. Without `id` the examples are numbered by line; without `label` nothing
        is predicted from the file (a file of new sequences).
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
        Naming file and line: a column that is not there, a row with too few fields, an empty sequence, a label or
        weight or specifier that cannot be read, an id that is there twice.
    """
    path = Path(path)
    wanted = {"id": id, "sequence": sequence, "target": label, "weight": weight, "group": group, "split": split}
    wanted = {name: column for name, column in wanted.items() if column not in (None, False, "")}
    words = {str(word).upper(): float(value) for word, value in (QUALITY if weights is None else weights).items()}
    parse = {
        "sequence": lambda text, where: _sequence(text, tokens, specifiers, where),
        "target": lambda text, where: _label(text, target, where),
        "weight": lambda text, where: _weight(text, words, where),
    }
    rows, lines, positions = [], {}, None
    for number, fields in _lines(path, separator):
        if positions is None:
            positions = _positions(path, wanted, fields if header else None, len(fields))
            if header:
                continue
        where = f"{path}, line {number}"
        if len(fields) <= max(positions.values()):
            raise InputError(
                where, f"has {len(fields)} fields, column {max(positions.values()) + 1} is needed", "complete the row"
            )
        row = {name: parse.get(name, _plain)(fields[at].strip(), where) for name, at in positions.items()}
        row.setdefault("id", str(number))
        if row["id"] in lines:
            raise InputError(where, f"id {row['id']!r} is also in line {lines[row['id']]}", "give every row its own id")
        lines[row["id"]] = number
        rows.append(row)
    if not rows:
        raise InputError(path, "holds no examples", "give a file with at least one row of data")
    table = pd.DataFrame(rows)
    return table[["id", *(name for name in wanted if name != "id")]]


def separator_of(path):
    """What lies between the columns of a file whose name does not tell: a comma if its first line has no tab."""
    with open_bytes(path) as reader:
        first = reader.read().split(b"\n", 1)[0]
    return "," if b"," in first and b"\t" not in first else "\t"


def _lines(path, separator):
    """(line number, fields) of every line that is not empty."""
    if separator is None:
        separator = "," if path.name.removesuffix(".gz").endswith(".csv") else "\t"
    if len(separator) != 1:
        raise InputError(path, f"column separator {separator!r} is not one character", "use a tab, ',', ';' or '|'")
    with open_bytes(path) as reader:
        text = b"".join(iter(reader.read, b""))
    try:
        text = text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = text.count(b"\n", 0, error.start) + 1
        raise InputError(f"{path}, line {line}", "is not text in UTF-8", "save the file as UTF-8 text") from None
    csv.field_size_limit(2**31 - 1)  # whole mRNAs are longer than the csv module's default field
    reader = csv.reader(text.splitlines(), delimiter=separator)
    for fields in reader:
        if any(field.strip() for field in fields):
            yield reader.line_num, fields


def _positions(path, wanted, names, width):
    """0-based position of each wanted column."""
    names = None if names is None else [name.strip() for name in names]
    positions = {}
    for what, column in wanted.items():
        what = "label" if what == "target" else what
        if isinstance(column, int):
            if not 1 <= column <= width:
                raise InputError(path, f"{what} column {column} is not there", f"columns are 1 to {width}")
            position = column - 1
        elif names is None:
            raise InputError(path, f"{what} column {column!r} needs a header", "give its 1-based position instead")
        elif column not in names:
            raise InputError(path, f"has no column {column!r} ({what})", f"its columns are {', '.join(names)}")
        else:
            position = names.index(column)
        positions["target" if what == "label" else what] = position
    return positions


def _plain(text, where):
    return text


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
        return math.isfinite(float(text))
    except ValueError:
        return False


def _label(text, target, where):
    if target == "class":
        if not text:
            raise InputError(where, "the class is empty", "fill it in or remove the row")
        return text
    if text.lower() in MISSING:
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
