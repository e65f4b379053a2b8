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
import json
from pathlib import Path

import numpy as np

from seqlm.common.errors import InputError
from seqlm.common.files import atomic_folder
from seqlm.tokenization.spelling import spelling_of

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


def load_tokenizer(folder, trust_remote_code=False, published=False):
    """Read a tokenizer from a folder (its own or a bundle).

    Fast tokenizers are one file, tokenizer.json. Those in Python (of the Nucleotide Transformer, of other packages)
    have files of their own and a class that tokenizer_config.json names.

    Parameters
    ----------
    folder : path
    trust_remote_code : bool
        Run the tokenizer's own code in that folder, where it has some.
    published : bool
        The folder is of a published model: what is missing there follows from its config.json.
    """
    from transformers import AutoTokenizer, PretrainedConfig, PreTrainedTokenizerFast

    folder = Path(folder)
    fast = (folder / "tokenizer.json").is_file() and not published
    if not fast and not published and not (folder / "tokenizer_config.json").is_file():
        raise InputError(folder, "no tokenizer.json there", "give the folder of a tokenizer or bundle")
    try:
        if fast:
            return PreTrainedTokenizerFast.from_pretrained(folder, local_files_only=True)
        own = {"config": PretrainedConfig()} if _of_our_model(folder) else {}  # says nothing of tokenizers
        return AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=trust_remote_code, **own)
    except Exception as error:  # the reader raises whatever its parsers raise
        message = " ".join(str(error).split())[:200]
        raise InputError(
            folder, f"tokenizer cannot be read ({message})", "learn or fetch the tokenizer again"
        ) from None


def _of_our_model(folder):
    """Whether the bundle in a folder is of a kind of model that transformers does not know."""
    path = folder / "config.json"
    return path.is_file() and str(json.loads(path.read_text()).get("model_type", "")).startswith("seqlm-")


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
        return tokenizer(list(texts), verbose=False)[
            "input_ids"
        ]  # nobody is to be told of a length that is cut or refused
    ids, lengths = encoder.encode(texts)
    return [row[:n] for row, n in zip(ids, lengths, strict=True)]


def spelled(tokenizer, sequences):
    """Sequences of bases as a tokenizer reads them.

    Parameters
    ----------
    tokenizer : PreTrainedTokenizerBase
    sequences : list of str
        Any case, T or U.

    Returns
    -------
    list of str
        In the tokenizer's `seqlm.tokenization.spelling.Spelling`: upper or lower case, T or U, with or without spaces.
        Atomic tokens are words of their own and stay as they are.

    Raises
    ------
    InputError
        See `Spelling.write`.
    """
    if kind_of(tokenizer) == "atomic":
        return list(sequences)
    return [spelling_of(tokenizer).write(sequence) for sequence in sequences]


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
