"""Byte-pair tokens learned on a subsample of the sequences.

Merges are learned on pieces cut at random from the sequences, so that learning costs the same for a genome as for a
small file. A run of A, C, G, T is merged freely; N stands alone and any other run of letters is one ``<unk>``.
"""

import numpy as np

from seqlm.common.errors import InputError

SPECIAL_TOKENS = ("<unk>", "<pad>", "<mask>", "<cls>", "<eos>", "<bos>")


def subsample_pieces(sequences, bases=2_000_000, length=512, seed=0):
    """Pieces of at most `length` letters, `bases` letters in all, every letter of the sequences equally likely.

    All sequences, cut into pieces, when they hold no more than `bases` letters.
    """
    ends = np.cumsum([len(sequence) for sequence in sequences])
    total = int(ends[-1]) if len(ends) else 0
    if total <= bases:
        return [s[i : i + length] for s in sequences for i in range(0, len(s), length)]
    at = np.sort(np.random.default_rng(seed).integers(0, total, bases // length))
    which = np.searchsorted(ends, at, side="right")
    starts = at - (ends[which] - [len(sequences[w]) for w in which])
    return [sequences[w][s : s + length] for w, s in zip(which, starts, strict=True)]


def learn(paths=(), text=None, size=512, samplesize=2_000_000, seed=0):
    """Learn from the records of FASTA files, and from `text` as one more sequence.

    Parameters
    ----------
    paths : list of path
        Plain or gzip FASTA; case is folded.
    text : str, optional
    size : int
        Vocabulary size.
    samplesize : int
        Bases to learn from.
    seed : int
        Of the subsample.

    Returns
    -------
    transformers.PreTrainedTokenizerFast
    """
    from seqlm.sequences import read_fasta

    sequences = [
        record.sequence.upper().replace("U", "T") for path in paths for record in read_fasta(path, check=False)
    ]
    sequences += [text] if text else []
    if not sequences:
        raise InputError("tokenizer", "no sequences to learn byte pairs from", "name FASTA sources under corpus:")
    tokenizer = bpe_tokenizer(sequences, size, samplesize, seed)
    tokenizer.init_kwargs["seqlm"] = {"kind": "bpe", "size": size, "samplesize": samplesize, "seed": seed}
    return tokenizer


def bpe_tokenizer(sequences, vocabulary_size=512, bases=2_000_000, seed=0, model_max_length=None):
    """Learn a byte-pair tokenizer.

    Parameters
    ----------
    sequences : list of str
        Upper case DNA.
    vocabulary_size : int
        Tokens in all: 6 special ones, A, C, G, T, N, and the merges.
    bases : int
        Letters to learn from.
    seed : int
        Of the subsample.
    model_max_length : int, optional

    Returns
    -------
    transformers.PreTrainedTokenizerFast
        ``<cls>`` before every sequence, as the k-mer tokenizers.
    """
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    smallest = len(SPECIAL_TOKENS) + 5
    if vocabulary_size < smallest:
        raise InputError("vocabulary_size", f"{vocabulary_size} tokens", f"allow at least {smallest}")
    core = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True))
    core.pre_tokenizer = pre_tokenizers.Split(Regex(r"[ACGT]+|N|[^ACGTN\s]+"), behavior="removed", invert=True)
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary_size,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=list("ACGTN"),
        limit_alphabet=5,
        show_progress=False,
    )
    core.train_from_iterator(subsample_pieces(sequences, bases, seed=seed), trainer)
    core.post_processor = processors.TemplateProcessing(
        single="<cls> $A", pair="<cls> $A $B", special_tokens=[("<cls>", SPECIAL_TOKENS.index("<cls>"))]
    )
    limit = {} if model_max_length is None else {"model_max_length": model_max_length}
    names = {f"{name}_token": f"<{name}>" for name in ("unk", "pad", "mask", "cls")}
    inputs = ["input_ids", "attention_mask"]
    return PreTrainedTokenizerFast(tokenizer_object=core, model_input_names=inputs, **names, **limit)
