"""One spelling for every sequence, and a count of everything that was spelled otherwise."""

import numpy as np

from seqlm.common.errors import InputError

COUNTED = ("lower_case", "converted", "unknown", "ambiguous", "gap", "illegal", "dropped")
POLICIES = ("error", "N", "drop")
_BASES = {"dna": b"ACGT", "rna": b"ACGU"}
_CONVERTED = {"dna": (b"U", b"T"), "rna": (b"T", b"U")}
_PLAIN, _CONVERT, _UNKNOWN, _AMBIGUOUS, _GAP, _ILLEGAL = range(6)


def _tables(molecule):
    """For each byte: what it becomes, and which kind of character it is (case folded)."""
    becomes = np.full(256, ord("N"), np.uint8)
    kind = np.full(256, _ILLEGAL, np.uint8)
    source, target = _CONVERTED[molecule]
    kinds = {_PLAIN: _BASES[molecule], _CONVERT: source, _UNKNOWN: b"N", _AMBIGUOUS: b"RYSWKMBDHV"}
    for is_kind, letters in kinds.items():
        kind[list(letters + letters.lower())] = is_kind
    kind[list(b"-.")] = _GAP
    for letter in _BASES[molecule]:
        becomes[[letter, letter | 32]] = letter
    becomes[[source[0], source[0] | 32]] = target[0]
    return becomes.tobytes(), kind.tobytes()


_TABLES = {molecule: _tables(molecule) for molecule in _BASES}
_NAMES = {_AMBIGUOUS: "an ambiguity code", _GAP: "a gap", _ILLEGAL: "not a nucleotide code"}


def clean(sequence, molecule="dna", policy="N", where="sequence"):
    """Spell a sequence in upper case with the four bases and N.

    Parameters
    ----------
    sequence : str
        White space is removed.
    molecule : {"dna", "rna"}
        The alphabet to write: ``dna`` turns U into T, ``rna`` T into U.
    policy : {"error", "N", "drop"}
        What to do about a character that is neither a base nor N (ambiguity codes such as R, gaps, anything else):
        raise, write N in its place, or give the whole sequence up. Single characters are never deleted: that would
        shift every label behind them.
    where : str
        Names the sequence in an error.

    Returns
    -------
    cleaned : str or None
        None when the policy is ``drop`` and there was something to drop it for.
    counts : dict of str to int
        Characters: ``lower_case``, ``converted`` (U and T), ``unknown`` (N), ``ambiguous``, ``gap``, ``illegal``;
        and ``dropped``, 1 for a sequence given up. All keys are always there.

    Raises
    ------
    InputError
        Under the policy ``error``, with the position (from 1) of the first such character.
    """
    if molecule not in _TABLES:
        raise InputError(where, f"there is no molecule {molecule!r}", f"the molecules are: {', '.join(_TABLES)}")
    if policy not in POLICIES:
        raise InputError(where, f"there is no cleaning policy {policy!r}", f"the policies are: {', '.join(POLICIES)}")
    counts = dict.fromkeys(COUNTED, 0)
    letters = sequence.encode("latin-1", "replace")
    if not letters.translate(None, _BASES[molecule]):
        return sequence, counts
    letters = b"".join(letters.split())
    becomes, kind = _TABLES[molecule]
    kinds = letters.translate(kind)
    by_kind = np.bincount(np.frombuffer(kinds, np.uint8), minlength=6)
    counts["lower_case"] = sum(map(letters.count, b"abcdefghijklmnopqrstuvwxyz"))
    for name, which in zip(COUNTED[1:6], range(_CONVERT, _ILLEGAL + 1), strict=True):
        counts[name] = int(by_kind[which])
    if by_kind[_AMBIGUOUS:].any() and policy != "N":
        if policy == "drop":
            counts["dropped"] = 1
            return None, counts
        position = int(np.argmax(np.frombuffer(kinds, np.uint8) >= _AMBIGUOUS))
        shown = letters[position : position + 1].decode("latin-1")
        raise InputError(
            f"{where}, position {position + 1}",
            f"{shown!r} is {_NAMES[kinds[position]]}",
            "correct it, or choose the cleaning policy 'N' or 'drop'",
        )
    return letters.translate(becomes).decode("ascii"), counts
