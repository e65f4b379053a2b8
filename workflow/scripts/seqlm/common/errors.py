"""One clear line for a user's mistake: what, where, and how to mend it."""

import os
import sys
from contextlib import contextmanager, suppress

FULL_DISK = ("No space left on device", "Disk quota exceeded", "PytorchStreamWriter failed writing")


class InputError(ValueError):
    """Something the user gave (a file, a record, a config value) cannot be used.

    Parameters
    ----------
    where : str or os.PathLike
        The file, line, record or config key at fault.
    problem : str
        What is wrong with it.
    mend : str
        What to do about it.

    The message is always a single line ``where: problem; mend``.
    """

    def __init__(self, where, problem, mend):
        self.where, self.problem, self.mend = os.fspath(where), problem, mend
        super().__init__(" ".join(f"{self.where}: {problem}; {mend}".split()))


def check_known(names, kind, where, *wanted):
    """Refuse names that refer to nothing, and list those there are.

    Parameters
    ----------
    names : collection of str
    kind : str
        What is named, in the singular.
    where : str
    *wanted : str
    """
    for name in wanted:
        if name not in names:
            there_are = ", ".join(names) or "none"
            raise InputError(where, f"there is no {kind} named {name!r}", f"the {kind}s there are: {there_are}")


def in_one_line(error):
    """What a user is told of an exception; None for one that is no user's mistake and no full disk."""
    if isinstance(error, InputError):
        return str(error)
    if isinstance(error, OSError):
        where, what = error.filename or "file system", error.strerror or error
        return f"{where}: {what}; check the path, its rights and free disk space"
    # Rust's and C++'s writers of tensors raise no OSError.
    if any(words in str(error) for words in FULL_DISK):
        return f"file system: {' '.join(str(error).split())}; free disk space and run it again"
    return None


@contextmanager
def one_line_errors(log=None):
    """Turn an `InputError` or a full disk into one line on stderr and exit status 1.

    Parameters
    ----------
    log : path, optional
        A job's log file; the line goes there as well as to stderr.
    """
    try:
        yield
    except Exception as error:
        line = in_one_line(error)
        if line is None:
            raise
        print(f"seqlm: {line}", file=sys.stderr)
        if log:
            with suppress(OSError), open(log, "a") as handle:  # on a full disk
                print(f"seqlm: {line}", file=handle)
        sys.exit(1)
