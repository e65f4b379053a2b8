"""Names that the user of a study chooses: the study's own, and those of its sources, datasets, models and so on.

Each becomes a folder or the beginning of a file's name.
"""

import re

from seqlm.common.errors import InputError

LONGEST = 100  # characters; file systems allow 255 bytes, and suffixes and other names are added

# What the workflow calls its own folders where names of this section stand.
RESERVED = {
    "datasets": {"pretraining": "rows of the tables about backbones", "files": "what is predicted on new files"},
    "models": {
        "export": "scores for other tools",
        "motifs": "hits of motifs",
        "tracks": "scores for genome browsers",
    },
}


def check_name(name, where, section=None):
    """Refuse a name that could not be a folder of its own.

    Parameters
    ----------
    name : object
        As it stands in the config.
    where : str
        Its place there, for the error.
    section : str, optional
        Which section it is a name of.

    Raises
    ------
    InputError
        A name that YAML does not read as text; that has characters which a path cannot carry, or too many; that stands
        for another folder (. and ..), is hidden (.x) or looks like an option (-x); or that the workflow uses itself.
    """
    check_text(name, where)
    if not re.fullmatch(r"[A-Za-z0-9._-]+", name):
        mend = "use letters, digits, '.', '_' and '-' only"
        raise InputError(where, f"{name!r} has characters that a path cannot carry", mend)
    if name[0] in ".-":
        problem = "would be hidden or stand for another folder" if name[0] == "." else "would be taken for an option"
        raise InputError(where, f"a folder named {name!r} {problem}", "begin it with a letter, a digit or '_'")
    if len(name) > LONGEST:
        raise InputError(where, f"the name has {len(name)} characters", f"use at most {LONGEST}")
    taken = RESERVED.get(section, {})
    if name in taken:
        raise InputError(where, f"{name!r} is the workflow's own name for {taken[name]}", "choose another name")


def check_text(name, where):
    """Refuse a key of the config that YAML reads as something else than text, such as 2024, null, yes or 2024-01-01."""
    if not isinstance(name, str):
        kinds = {bool: "a truth value", int: "a number", float: "a number", type(None): "nothing"}
        kind = kinds.get(type(name), "a date")
        raise InputError(where, f"YAML reads a name as {kind} ({name}), not as text", "write it in quotes, as '2024'")


def check_keys(config, where="config"):
    """Refuse keys that YAML does not read as text, anywhere but among class weights (classes are often numbers)."""
    for key, value in config.items() if isinstance(config, dict) else ():
        check_text(key, where)
        if key != "class_weights":
            check_keys(value, f"{where}{', ' if where == 'config' else '.'}{key}")
