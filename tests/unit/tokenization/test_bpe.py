"""Byte-pair tokenizers: what is learned, what is kept of a sequence, and what survives a reload."""

import random

import pytest
from transformers import AutoTokenizer

from seqlm.common.errors import InputError
from seqlm.tokenization.bpe import bpe_tokenizer, subsample_pieces

REPEAT = "GATTACA"


@pytest.fixture(scope="module")
def sequences():
    rng = random.Random(1)
    return ["".join(REPEAT if rng.random() < 0.5 else rng.choice("ACGT") for _ in range(60)) for _ in range(50)]


@pytest.fixture(scope="module")
def tokenizer(sequences):
    return bpe_tokenizer(sequences, vocabulary_size=64)


def test_learns_the_repeat_and_loses_nothing(tokenizer, sequences):
    assert REPEAT in tokenizer.get_vocab()
    assert len(tokenizer) == 64
    for sequence in [*sequences[:5], "ACGTNNACGTNGATTACA"]:
        assert "".join(tokenizer.tokenize(sequence)) == sequence
    assert tokenizer("")["input_ids"] == [tokenizer.cls_token_id]
    assert tokenizer.tokenize("GATTACANGATTACA") == [REPEAT, "N", REPEAT]


def test_other_letters_are_one_unknown_token(tokenizer):
    ids = tokenizer("GATTACARYKGATTACA", add_special_tokens=False)["input_ids"]
    repeat = tokenizer.get_vocab()[REPEAT]
    assert ids == [repeat, tokenizer.unk_token_id, repeat]


def test_same_seed_same_tokenizer_and_reload(tokenizer, sequences, tmp_path):
    again = bpe_tokenizer(sequences, vocabulary_size=64)
    tokenizer.save_pretrained(tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    assert again.get_vocab() == loaded.get_vocab() == tokenizer.get_vocab()
    assert again(sequences)["input_ids"] == loaded(sequences)["input_ids"] == tokenizer(sequences)["input_ids"]


def test_subsample_is_bounded_and_drawn_from_the_sequences(sequences):
    pieces = subsample_pieces(sequences, bases=1000, length=50, seed=3)
    assert len(pieces) == 20 and all(any(piece in sequence for sequence in sequences) for piece in pieces)
    assert pieces == subsample_pieces(sequences, bases=1000, length=50, seed=3)
    assert pieces != subsample_pieces(sequences, bases=1000, length=50, seed=4)
    assert "".join(subsample_pieces(sequences, bases=10**6)) == "".join(sequences)


def test_too_small_a_vocabulary(sequences):
    with pytest.raises(InputError, match="at least 11"):
        bpe_tokenizer(sequences, vocabulary_size=8)
