"""One token per character, so that tokens and bases stay aligned.

Two alphabets matter. ``text``: every character found in the raw text of the
corpus, with headers, line ends and lower case as they stand. ``ACGT`` (or any
other string): only these characters; in running text all others are dropped.

Text is read as Latin-1, so that one byte is one character whatever the file
holds, and decoding gives back exactly what was encoded.
"""

import gzip
from pathlib import Path

import numpy as np
from tokenizers import Regex, Tokenizer, decoders, models, normalizers
from transformers import PreTrainedTokenizerFast

from seqlm.errors import InputError

_COMPLEMENT = bytes.maketrans(b"ACGTUNRYKMBVDHacgtunrykmbvdh", b"TGCAANYRMKVBHDtgcaanyrmkvbhd")
_CHUNK = 1 << 24

# A C G T -> 0 1 2 3 in either case, U is T; whatever else a file holds is no base.
BASE_CODES = np.full(256, 4, dtype=np.uint8)
for _code, _letters in enumerate((b"Aa", b"Cc", b"Gg", b"TtUu")):
    BASE_CODES[list(_letters)] = _code


def learn(paths=(), text=None, alphabet="text", case="keep", sample=None):
    """A character tokenizer.

    Parameters
    ----------
    paths : list of path
        Plain or gzip text files to collect the alphabet from (``alphabet: text``).
    text : str, optional
        Text to collect it from, besides `paths`.
    alphabet : str
        ``"text"``, or the characters themselves in the order of their ids.
    case : {"keep", "upper"}
        "upper" folds lower case (soft-masked bases) to upper case first.
    sample : int, optional
        Read only so many characters of each file.

    Returns
    -------
    PreTrainedTokenizerFast
    """
    if case not in ("keep", "upper"):
        raise InputError("tokenizer", f"case: {case} is unknown", "use keep or upper")
    if alphabet == "text":
        alphabet = _characters(paths, text, case, sample)
    if not alphabet or len(set(alphabet)) != len(alphabet) or max(map(ord, alphabet)) > 255:
        raise InputError(
            "tokenizer", f"alphabet {alphabet!r} is no list of distinct characters", "use text or e.g. ACGT"
        )
    # Byte pair encoding without a single merge: one token per character, and unknown characters are dropped.
    tokenizer = Tokenizer(models.BPE(vocab={letter: i for i, letter in enumerate(alphabet)}, merges=[]))
    if case == "upper":
        tokenizer.normalizer = normalizers.Sequence(
            [normalizers.Replace(Regex(f"{letter}"), letter.upper()) for letter in "abcdefghijklmnopqrstuvwxyz"]
        )
    tokenizer.decoder = decoders.Fuse()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, clean_up_tokenization_spaces=False)
    fast.init_kwargs["seqlm"] = {"kind": "character", "alphabet": alphabet, "other": "drop", "case": case}
    return fast


def encode(tokenizer, sequences, length, nothing, dtype):
    """Ids (N, T), see `seqlm.tokenization.encode_batch`; every character keeps its place."""
    return look_up(sequences, character_table(tokenizer, nothing, dtype), length, nothing)


def character_table(tokenizer, nothing, dtype=np.uint8):
    """Id of each of the 256 Latin-1 characters, `nothing` for those outside the alphabet."""
    words = tokenizer.init_kwargs["seqlm"]
    table = np.full(256, nothing, dtype=dtype)
    codes = np.frombuffer(words["alphabet"].encode("latin-1"), np.uint8)
    table[codes] = np.arange(len(codes), dtype=dtype)
    if words["case"] == "upper":
        table[ord("a") : ord("z") + 1] = table[ord("A") : ord("Z") + 1]
    return table


def complement(tokenizer):
    """Id of the complementary character for each id; characters that are no bases are their own."""
    alphabet = tokenizer.init_kwargs["seqlm"]["alphabet"].encode("latin-1")
    partner = alphabet.translate(_COMPLEMENT)
    if b"U" in alphabet and b"T" not in alphabet:
        partner = alphabet.translate(bytes.maketrans(b"ACGUacgu", b"UGCAugca"))
    return np.array([alphabet.index(b) if b in alphabet else i for i, b in enumerate(partner)], dtype=np.int64)


def base_codes(sequences, length=None):
    """Base codes (N, L) uint8: A C G T -> 0 1 2 3, anything else and padding -> 4."""
    return look_up(sequences, BASE_CODES, length, 4)


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


def _characters(paths, text, case, sample):
    """Every character that occurs, sorted."""
    seen = np.zeros(256, dtype=bool)
    if text:
        seen[np.frombuffer(text[:sample].encode("latin-1", "replace"), np.uint8)] = True
    for path in paths:
        for chunk in _chunks(path, sample):
            seen |= np.bincount(np.frombuffer(chunk, np.uint8), minlength=256) > 0
    letters = np.flatnonzero(seen).astype(np.uint8).tobytes().decode("latin-1")
    if case == "upper":
        letters = "".join(sorted({c.upper() if c.isascii() else c for c in letters}))
    return letters


def _chunks(path, sample):
    """A file's bytes, unpacked, a piece at a time."""
    path, left = Path(path), sample if sample else float("inf")
    try:
        with open(path, "rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
        with (gzip.open if packed else open)(path, "rb") as handle:
            while left > 0 and (chunk := handle.read(int(min(_CHUNK, left)))):
                left -= len(chunk)
                yield chunk
    except FileNotFoundError:
        raise InputError(path, "no such file", "check the source's path") from None
    except (EOFError, gzip.BadGzipFile) as error:
        raise InputError(path, f"broken gzip data ({error})", "fetch the file again") from None
