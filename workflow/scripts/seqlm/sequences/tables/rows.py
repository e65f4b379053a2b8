"""Rows of delimited text, for training and prediction alike: cells with or without quotes, none lost in silence.

Quotes are those of RFC 4180: a cell that begins with a double quote ends with one, and may hold doubled quotes, and
separators or line breaks. Not both: a quote that is not closed reads on to the next one, over rows and their
separators. And every row has as many cells as the first. So what is broken in one place is an error, never a row less
or a column shifted.
"""

import csv
import re

from seqlm.common.errors import InputError
from seqlm.sequences.tables.lines import text_lines

# Words for "not known", in lower case.
MISSING = {"", "na", "n/a", "<na>", "nan", "none", "null", "."}


def is_missing(text):
    """Whether a cell says that its value is not known: empty, NA, NaN, None, null or a point."""
    return text.strip().lower() in MISSING


def separator_of(path):
    """What lies between the columns of a file: a tab where its first line has one (outside quotes), else a comma.

    Where the first line has neither, there is one column: a comma for .csv, else a tab, is never met.
    """
    first = next((text for _, text in text_lines(path) if text.strip()), "")
    first = re.sub(r'"[^"]*"', "", first)
    if "\t" not in first and "," not in first:
        return "," if str(path).removesuffix(".gz").removesuffix(".bgz").endswith(".csv") else "\t"
    return "\t" if "\t" in first else ","


def header_of(path, separator=None):
    """Names in the first row, the empty ones at its end left out."""
    _, cells = next(_rows(path, separator or separator_of(path)), (0, []))
    return _named(cells)


def read_columns(path, wanted, separator=None, header=True):
    """Some columns of a delimited file (plain, gzip or bgzip), row by row.

    Parameters
    ----------
    path : path
    wanted : dict of str to (str or int)
        Column by what it stands for: its name, or 1-based position.
    separator : str, optional
        Between columns; see `separator_of`.
    header : bool
        Whether the first row names the columns.

    Yields
    ------
    line : int
        Where the row begins, from 1.
    cells : dict of str to str
        By the keys of `wanted`, white space at their ends removed. Blank rows are left out.

    Raises
    ------
    InputError
        Naming file and line: a column that is not there or there twice, a quote that is not closed, a row of another
        width than the first, a line break in a cell that is wanted, text that is not UTF-8; at the end, that names may
        not stand above their columns.
    """
    separator = separator or separator_of(path)
    if len(separator) != 1:
        raise InputError(path, f"column separator {separator!r} is not one character", "use a tab, ',', ';' or '|'")
    positions = names = width = None
    shifted = False  # whether a separator too many in the header can have moved its names
    for line, cells in _rows(path, separator):
        if positions is None:
            names = _named(cells) if header else None
            positions = _positions(path, wanted, names, len(cells if names is None else names))
            if header:
                continue
        if width is None:
            width = len(cells) if names is None else _width(cells, names, f"{path}, line {line}")
            shifted = names is not None and "" in names and width == len(names)
        if len(cells) != width:
            there = f"the header names {len(names)}" if names and len(names) == width else f"the first row has {width}"
            raise InputError(f"{path}, line {line}", f"has {len(cells)} fields, {there}",
                             "give every row as many, also where cells are empty")  # fmt: skip
        row = {what: cells[at] for what, at in positions.items()}
        for what, cell in row.items():
            if "\n" in cell:
                mend = "write it on one line, or close the quote"
                raise InputError(f"{path}, line {line}", f"its {what} holds a line break", mend)
        shifted = shifted and not cells[-1]
        yield line, row
    if shifted:
        problem = f"column {names.index('') + 1} has no name, and the last column is empty in every row"
        raise InputError(path, problem, "give every column a name above its cells")


def _width(cells, names, where):
    """Cells in a row of data, from the first such row: as many as there are names, and perhaps empty ones more."""
    if len(cells) < len(names) or any(cells[len(names) :]):
        raise InputError(where, f"has {len(cells)} fields, the header names {len(names)}",
                         "give every row as many, and every column a name")  # fmt: skip
    return len(cells)


def _named(cells):
    """Names of a header, without the empty ones that separators at the end of its line leave."""
    return cells[: max((i + 1 for i, name in enumerate(cells) if name), default=0)]


def _rows(path, separator):
    """(line number, cells) of every row that is not blank."""
    first, several, quotes = None, False, 0

    def fed():
        nonlocal first, several, quotes
        for number, text in text_lines(path):
            if first is None:
                first, quotes = number, 0
                several = False
            elif separator in text.replace('""', "").partition('"')[0]:
                raise _unclosed(path, first)
            else:
                several = True
            quotes += text.count('"')
            yield text + "\n"

    csv.field_size_limit(2**31 - 1)  # whole mRNAs are longer than the csv module's default field
    reader = csv.reader(fed(), delimiter=separator, strict=True)
    while True:
        first = None
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            if "unexpected end" in str(error):
                raise _unclosed(path, first) from None
            mend = 'quote whole cells, and write a quote within them twice ("")'
            raise InputError(f"{path}, line {first}", f"is no row of a table ({error})", mend) from None
        if several and any("\n" in cell and separator in cell for cell in cells):
            raise _unclosed(path, first)
        if quotes % 2 and _shifted(cells, separator):
            raise _unclosed(path, first)
        cells = [cell.strip() for cell in cells]
        if any(cells):
            yield first, cells


def _shifted(cells, separator):
    """Whether a stray quote may have opened a cell that ends where another was to begin: ``"a,",b"`` of ``a,",b"``.

    Asked of rows with an odd number of quotes.
    """
    return any(separator in cell for cell in cells) and any(cell.rstrip().endswith('"') for cell in cells)


def _unclosed(path, line):
    mend = 'remove it, or write it twice ("") in a quoted cell; a cell of several lines may hold no separator'
    return InputError(f"{path}, line {line}", "a cell begins with a double quote that is not closed", mend)


def _positions(path, wanted, names, width):
    """0-based position of each wanted column."""
    positions = {}
    for what, column in wanted.items():
        if isinstance(column, int):
            if not 1 <= column <= width:
                raise InputError(path, f"{what} column {column} is not there", f"columns are 1 to {width}")
            positions[what] = column - 1
        elif names is None:
            raise InputError(path, f"{what} column {column!r} needs a header", "give its 1-based position instead")
        elif column not in names:
            there_are = ", ".join(names)
            raise InputError(path, f"has no column {column!r} ({what})", f"its columns are {there_are}")
        elif names.count(column) > 1:
            raise InputError(path, f"has two columns {column!r} ({what})", "give every column its own name")
        else:
            positions[what] = names.index(column)
    return positions
