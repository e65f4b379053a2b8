"""Digests of our own code, so that the workflow notices when a rule's meaning changed."""

import hashlib
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parent.parent  # all of seqlm


@cache
def code_digest(*modules):
    """Short digest of the source of modules of seqlm.

    Parameters
    ----------
    *modules : str
        Module paths within the package without suffix, such as ``"training"``
        or ``"models/gpt"``; a package stands for all its files.

    Returns
    -------
    str
        First 12 hex digits of the SHA-256 over the files' names and contents.
    """
    digest = hashlib.sha256()
    for module in modules:
        folder = PACKAGE / module
        files = sorted(folder.rglob("*.py")) if folder.is_dir() else [PACKAGE / f"{module}.py"]
        for file in files:
            digest.update(str(file.relative_to(PACKAGE)).encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:12]
