"""Cells of tables that say where a sequence comes from."""

import re

from seqlm.common.errors import InputError

STRANDS = {"-": "-", "-1": "-"} | dict.fromkeys(("+", "1", "+1", ".", ""), "+")


def whole_number(value, name, where):
    """A whole number out of a text (1_000, which is one to Python alone, is none), or a column of numbers."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # a column of which some cells are empty
    if not re.fullmatch(r"\s*[+-]?[0-9]+\s*", str(value)):
        raise InputError(where, f"{name} {value!r} is not a whole number", "correct it")
    return int(value)


def strand_of(value, where):
    """A cell as "+" or "-"; one that is missing is "+"."""
    strand = STRANDS.get("" if value is None else str(value).strip())
    if strand is None:
        raise InputError(where, f"strand {value!r} is neither + nor -", "correct it, or leave it empty for +")
    return strand
