"""Strings to base codes, whole batches at a time; reverse complements.

Base codes: A C G T are 0 1 2 3 (U counts as T, case does not matter); everything else, N and padding included, is 4
and means "no base here": a column of zeros in one-hot.
"""

import numpy as np

NO_BASE = 4

BASE_CODES = np.full(256, NO_BASE, np.uint8)  # by Latin-1 character
for _code, _letters in enumerate((b"Aa", b"Cc", b"Gg", b"TtUu")):
    BASE_CODES[list(_letters)] = _code

_DNA = str.maketrans("ACGTURYSWKMBDHVNacgturyswkmbdhvn", "TGCAAYRSWMKVHDBNtgcaayrswmkvhdbn")
_RNA = str.maketrans("ACGTURYSWKMBDHVNacgturyswkmbdhvn", "UGCAAYRSWMKVHDBNugcaayrswmkvhdbn")


def base_codes(sequences, length=None):
    """Base codes of sequences, uint8 (N, L); see `look_up` for `length`."""
    return look_up(sequences, BASE_CODES, length, NO_BASE)


def look_up(sequences, table, length=None, fill=0):
    """Translate strings character by character in one vectorised step.

    Parameters
    ----------
    sequences : list of str
    table : array (256,)
        What each Latin-1 character becomes.
    length : int, optional
        Width of the result; longer sequences are cut. Default: the longest.
    fill : int
        What stands to the right of shorter sequences.

    Returns
    -------
    array (N, length) of the table's type
    """
    sequences = list(sequences)
    sizes = np.fromiter(map(len, sequences), np.int64, len(sequences))
    width = int(sizes.max(initial=0)) if length is None else int(length)
    if (sizes > width).any():
        sequences = [sequence[:width] for sequence in sequences]
        sizes = np.minimum(sizes, width)
    codes = table[np.frombuffer("".join(sequences).encode("latin-1", "replace"), np.uint8)]
    if (sizes == width).all():
        return codes.reshape(len(sequences), width)
    result = np.full((len(sequences), width), fill, dtype=table.dtype)
    result[np.arange(width) < sizes[:, None]] = codes
    return result


def reverse_complement(sequence):
    """The other strand, read in its own direction. IUPAC codes are complemented, case and gaps are kept.

    A sequence with U and no T is RNA, and so is its reverse complement.
    """
    is_rna = ("U" in sequence or "u" in sequence) and not ("T" in sequence or "t" in sequence)
    return sequence.translate(_RNA if is_rna else _DNA)[::-1]
