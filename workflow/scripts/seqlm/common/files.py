"""Writing files so that nothing half-written is ever read."""

import os
import shutil
from contextlib import contextmanager
from pathlib import Path

JOINT = "+"  # between two names in a file's name; names that a study chooses have none


@contextmanager
def atomic_path(path):
    """Yield a temporary sibling of `path`, renamed to `path` only when the block succeeds.

    Parameters
    ----------
    path : path
        The file to write. Its folder is made when missing.

    Yields
    ------
    Path
        Write here. Suffixes are kept at the end (``.tmp-123.x.parquet``), so
        writers that look at the suffix behave as they would on `path`.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".tmp-{os.getpid()}.{path.name}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path):
    """Yield a temporary sibling folder that replaces `path` when the block succeeds."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".tmp-{os.getpid()}.{path.name}")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    try:
        yield temporary
        if path.exists():
            shutil.rmtree(path)
        os.replace(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
