"""One token per character, so that tokens and bases stay aligned.

Two alphabets matter. ``text``: every character found in the raw text of the
corpus, with headers, line ends and lower case as they stand. ``ACGT`` (or any
other string): only these characters; in running text all others are dropped,
soft-masked (lower case) bases among them unless case is folded. A corpus counts
them, see `seqlm.pretraining.corpus`.

Text is read as Latin-1, so that one byte is one character whatever the file
holds, and decoding gives back exactly what was encoded.
"""

import numpy as np
from tokenizers import Regex, Tokenizer, decoders, models, normalizers
from transformers import PreTrainedTokenizerFast

from seqlm.common.errors import InputError
from seqlm.sequences.codes import look_up
from seqlm.sequences.opening import open_bytes
from seqlm.sequences.reading import segments

_COMPLEMENT = bytes.maketrans(b"ACGTUNRYKMBVDHacgtunrykmbvdh", b"TGCAANYRMKVBHDtgcaanyrmkvbhd")


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
    words = {}
    if alphabet == "text":
        alphabet = _characters(paths, text, case, sample)
        if {"T", "U"} <= set(alphabet.upper()) and _is_rna(paths, text):
            words["molecule"] = "rna"
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
    fast.init_kwargs["seqlm"] = {"kind": "character", "alphabet": alphabet, "other": "drop", "case": case, **words}
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
    words = tokenizer.init_kwargs["seqlm"]
    alphabet = words["alphabet"].encode("latin-1")
    partner = alphabet.translate(_COMPLEMENT)
    if b"U" in alphabet and b"T" not in alphabet or words.get("molecule") == "rna":
        partner = alphabet.translate(bytes.maketrans(b"ACGUacgu", b"UGCAugca"))
    return np.array([alphabet.index(b) if b in alphabet else i for i, b in enumerate(partner)], dtype=np.int64)


def learn_alphabet(paths, samplesize=None):
    """Every character that occurs in the raw text of the files, headers and line ends included.

    Parameters
    ----------
    paths : list of path
        Plain, gzip or bgzip.
    samplesize : int, optional
        Read only so many characters of each file.

    Returns
    -------
    str
        Sorted; bytes are read as Latin-1, one character each.
    """
    seen = b""
    for path in paths:
        left = float("inf") if samplesize is None else samplesize
        with open_bytes(path) as reader:
            while left > 0 and (chunk := reader.read(int(min(left, 1 << 20)))):
                left -= len(chunk)
                # Almost always nothing is left once the characters already seen are taken out.
                seen += bytes(set(chunk.translate(None, seen)))
    return bytes(sorted(seen)).decode("latin-1")


def _characters(paths, text, case, sample):
    """The alphabet of files and text, case folded when asked."""
    seen = {*(text or "")[:sample].encode("latin-1", "replace"), *learn_alphabet(paths, sample).encode("latin-1")}
    letters = bytes(sorted(seen)).decode("latin-1")
    return "".join(sorted({c.upper() if c.isascii() else c for c in letters})) if case == "upper" else letters


def _is_rna(paths, text):
    """Whether sequence lines hold more U than T; a T may stand in a header of RNA, and a U in one of DNA."""
    difference = 0
    for chunks in [*map(_chunks, paths), [(text or "").encode("latin-1", "replace")]]:
        for is_header, data, _ in segments(chunks):
            if not is_header:
                difference += data.count(b"U") + data.count(b"u") - data.count(b"T") - data.count(b"t")
    return difference > 0


def _chunks(path):
    with open_bytes(path) as reader:
        while chunk := reader.read():
            yield chunk
