"""Strings to base codes and one-hot arrays, whole batches at a time.

Base codes: A C G T are 0 1 2 3 (U counts as T, case does not matter); everything else, N and padding included, is 4
and means "no base here": a column of zeros in one-hot.
"""

import numpy as np

from seqlm.errors import InputError

NO_BASE = 4

_CODES = np.full(256, NO_BASE, np.uint8)
for _code, _letters in enumerate((b"Aa", b"Cc", b"Gg", b"TtUu")):
    _CODES[list(_letters)] = _code
_CODES_TABLE = _CODES.tobytes()

_COMPLEMENT_CODES = np.array([3, 2, 1, 0, NO_BASE], np.uint8)
_DNA = str.maketrans("ACGTURYSWKMBDHVNacgturyswkmbdhvn", "TGCAAYRSWMKVHDBNtgcaayrswmkvhdbn")
_RNA = str.maketrans("ACGTURYSWKMBDHVNacgturyswkmbdhvn", "UGCAAYRSWMKVHDBNugcaayrswmkvhdbn")


def base_codes(sequences, length=None):
    """Encode sequences as base codes.

    Parameters
    ----------
    sequences : str or sequence of str
        One string counts as a batch of one.
    length : int, optional
        Pad on the right to this many positions; by default to the longest.

    Returns
    -------
    ndarray of uint8, shape (n, length)

    Raises
    ------
    InputError
        If a sequence is longer than `length`.
    """
    sequences = [sequences] if isinstance(sequences, str) else list(sequences)
    longest = max(map(len, sequences), default=0)
    length = longest if length is None else length
    if longest > length:
        number = next(i for i, sequence in enumerate(sequences) if len(sequence) > length)
        raise InputError(
            f"sequence {number + 1}",
            f"has {len(sequences[number])} bases, more than the {length} there is room for",
            "cut it into windows",
        )
    if any(len(sequence) != length for sequence in sequences):
        sequences = [sequence.ljust(length, "N") for sequence in sequences]
    # latin-1 keeps one byte per character, so a stray character can never shift the ones behind it.
    letters = "".join(sequences).encode("latin-1", "replace")
    return np.frombuffer(bytearray(letters.translate(_CODES_TABLE)), np.uint8).reshape(len(sequences), length)


def one_hot(sequences, length=None, dtype=np.float32):
    """One-hot encode strings or base codes.

    Parameters
    ----------
    sequences : str, sequence of str, or ndarray of base codes, shape (n, length)
    length : int, optional
        As in `base_codes`; for strings only.
    dtype : numpy dtype

    Returns
    -------
    ndarray, shape (n, 4, length)
        Rows A C G T; where there is no base, all four are zero.
    """
    codes = sequences if isinstance(sequences, np.ndarray) else base_codes(sequences, length)
    return (codes[:, None, :] == np.arange(4, dtype=np.uint8)[:, None]).astype(dtype)


def reverse_complement(sequence):
    """The other strand, read in its own direction. IUPAC codes are complemented, case and gaps are kept.

    A sequence with U and no T is RNA, and so is its reverse complement.
    """
    is_rna = ("U" in sequence or "u" in sequence) and not ("T" in sequence or "t" in sequence)
    return sequence.translate(_RNA if is_rna else _DNA)[::-1]


def reverse_complement_codes(codes):
    """Reverse complement of base codes, along the last axis."""
    return _COMPLEMENT_CODES[codes[..., ::-1]]
