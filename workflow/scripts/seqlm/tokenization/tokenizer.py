"""Tokenizers: from sequences to ids and back.

Every kind is a module with

* ``learn(paths=(), text=None, **options) -> PreTrainedTokenizerFast``, and, where they differ from the general way,
* ``encode(tokenizer, sequences, length, nothing, dtype) -> array (N, T)``,
* ``complement(tokenizer) -> array (V,)``: the id of each token's reverse complement.

A tokenizer is saved as ``tokenizer.json`` + ``tokenizer_config.json``, which
transformers' ``AutoTokenizer`` reads. What we need to know beyond that (its
kind and options) stays in ``tokenizer.init_kwargs["seqlm"]`` and so in the
saved files.
"""

import importlib
from pathlib import Path

import numpy as np

from seqlm.common.errors import InputError
from seqlm.common.files import atomic_folder

KINDS = {
    "character": "seqlm.tokenization.character",
    "kmer": "seqlm.tokenization.kmer",
    "bpe": "seqlm.tokenization.bpe",
    "atomic": "seqlm.tokenization.atomic",
}


def learn_tokenizer(kind, paths=(), text=None, **options):
    """Make a tokenizer.

    Parameters
    ----------
    kind : {"character", "kmer", "bpe", "atomic"}
    paths : list of path
        Files to learn from, where the kind learns anything.
    text : str, optional
        Text to learn from, besides `paths`.
    **options
        See the kind's own ``learn``.

    Returns
    -------
    PreTrainedTokenizerFast
    """
    if kind not in KINDS:
        raise InputError("tokenizer", f"no such kind: {kind}", f"use one of {', '.join(KINDS)}")
    try:
        return _kind(kind).learn(paths=paths, text=text, **options)
    except TypeError as error:
        if "unexpected keyword" not in str(error):
            raise
        raise InputError("tokenizer", f"{error}", f"see the options of the kind {kind}") from None


def save_tokenizer(tokenizer, folder):
    """Write a tokenizer's files; `folder` appears complete or not at all."""
    with atomic_folder(folder) as temporary:
        tokenizer.save_pretrained(temporary)


def load_tokenizer(folder):
    """Read a tokenizer from a folder (its own or a bundle)."""
    from transformers import PreTrainedTokenizerFast

    if not (Path(folder) / "tokenizer.json").is_file():
        raise InputError(folder, "no tokenizer.json there", "give the folder of a tokenizer or bundle")
    try:
        return PreTrainedTokenizerFast.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # the reader raises whatever its parsers raise
        raise InputError(folder, f"tokenizer cannot be read ({error})", "learn the tokenizer again") from None


def kind_of(tokenizer):
    """The tokenizer's kind, or "hub" for one that was not made here."""
    return tokenizer.init_kwargs.get("seqlm", {}).get("kind", "hub")


def id_type(tokenizer):
    """Smallest type that torch indexes with for the ids, one value left free."""
    return np.uint8 if len(tokenizer) < 2**8 else np.uint16 if len(tokenizer) < 2**16 else np.int32


def nothing_id(tokenizer):
    """The id that stands for no token at all: padding, or an N that the vocabulary lacks."""
    return int(np.iinfo(id_type(tokenizer)).max)


def encode_batch(tokenizer, sequences, length=None):
    """Ids of a batch of sequences.

    Parameters
    ----------
    tokenizer : PreTrainedTokenizerFast
    sequences : list of str
    length : int, optional
        Width of the result in tokens; longer sequences are cut. Default: the longest.

    Returns
    -------
    array (N, T), uint8 or int32
        Shorter sequences are padded on the right with the tokenizer's padding
        token or, where there is none, with `nothing_id` (255 or 65535).
        Character tokenizers give exactly one id per character, `nothing_id`
        for characters that the vocabulary lacks.
    """
    dtype, nothing = id_type(tokenizer), nothing_id(tokenizer)
    if dtype == np.uint16:
        dtype = np.int32  # files hold 16-bit ids, but torch can neither compare nor look up such tensors
    encode = getattr(_kind(kind_of(tokenizer)), "encode", None)
    if encode:
        return encode(tokenizer, sequences, length, nothing, dtype)
    rows = token_rows(tokenizer, sequences)
    width = max(map(len, rows), default=0) if length is None else length
    fill = nothing if tokenizer.pad_token_id is None else tokenizer.pad_token_id
    result = np.full((len(rows), width), fill, dtype=dtype)
    for row, ids in zip(result, rows, strict=True):
        row[: len(ids)] = ids[:width]
    return result


def token_rows(tokenizer, texts):
    """Ids of each text, special tokens included and without padding: list of lists or arrays.

    Any tokenizer that reads k-mers as the Nucleotide Transformer's does is stood in for by our encoder, which gives the
    same ids some ten times as fast.
    """
    from seqlm.tokenization.kmer import KmerEncoder

    encoder = KmerEncoder.of(tokenizer)
    if encoder is None:
        return tokenizer(list(texts))["input_ids"]
    ids, lengths = encoder.encode(texts)
    return [row[:n] for row, n in zip(ids, lengths, strict=True)]


def spelled(tokenizer, sequences):
    """Sequences of bases in the letters that a tokenizer knows.

    Parameters
    ----------
    tokenizer : PreTrainedTokenizerFast
    sequences : list of str
        Any case, T or U.

    Returns
    -------
    list of str
        Upper case, with T, or with U for a tokenizer of RNA (see `reads_rna`). Atomic tokens are words of
        their own and stay as they are.
    """
    if kind_of(tokenizer) == "atomic":
        return list(sequences)
    written, wanted = ("T", "U") if reads_rna(tokenizer) else ("U", "T")
    return [sequence.upper().replace(written, wanted) for sequence in sequences]


def reads_rna(tokenizer):
    """Whether bases are spelled with U: in a vocabulary that has no T, or one of every character of a text of RNA.

    Kept on the tokenizer.
    """
    if "_reads_rna" not in tokenizer.__dict__:
        words = [word for word in tokenizer.get_vocab() if set(word.upper()) <= set("ACGTUN")]
        letters = set("".join(words).upper())
        noted = tokenizer.init_kwargs.get("seqlm", {}).get("molecule") == "rna"
        tokenizer.__dict__["_reads_rna"] = noted or "U" in letters and "T" not in letters
    return tokenizer.__dict__["_reads_rna"]


def complement_ids(tokenizer):
    """Id of each token's reverse complement, array (V,)."""
    complement = getattr(_kind(kind_of(tokenizer)), "complement", None)
    if complement is None:
        raise InputError(
            "context",
            f"both_strands needs tokens with a complement, which kind {kind_of(tokenizer)} has not",
            "use context: forward",
        )
    return complement(tokenizer)


def _kind(kind):
    """The module of a kind; None for tokenizers from a hub."""
    return importlib.import_module(KINDS[kind]) if kind in KINDS else None
