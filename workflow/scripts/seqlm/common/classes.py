"""Which class is meant by a name or a number."""

from seqlm.common.errors import InputError


def class_number(wanted, names, where="class_index"):
    """Number of the class that is called so, or where none is, of the class with this number.

    Parameters
    ----------
    wanted : str or int
    names : sequence of str
        Classes in the order of their numbers; empty where they have no names (any number will do, then).
    where : str
        Names the setting in an error.

    Returns
    -------
    int

    Raises
    ------
    InputError
        No class is called so or has this number; or one is called by this number in another spelling: YAML reads
        01 as 1, which would be the number of another class.
    """
    names, text = list(names), str(wanted)
    if text in names:  # classes may be called 1, 2, 3, or -1 and 1
        return names.index(text)
    alike = [name for name in names if _value(name) is not None and _value(name) == _value(text)]
    if alike:
        raise InputError(where, f"there is no class {wanted!r}, but one that is called {alike[0]!r}",
                         f"write it in full and in quotes, {alike[0]!r}")  # fmt: skip
    number = int(text) if text.isdecimal() and str(int(text)) == text else -1
    if number < 0 or names and number >= len(names):
        known = (
            f", one of {', '.join(names)}, or a number from 0 to {len(names) - 1}" if names else " or a number from 0"
        )
        raise InputError(where, f"there is no class {wanted!r}", f"use predicted, all{known}")
    return number


def _value(text):
    try:
        return float(text)
    except ValueError:
        return None
