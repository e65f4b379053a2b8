"""Atomic tokens: vocabulary, cutting, specifiers, and the transformers tokenizer made of them."""

from types import SimpleNamespace

import numpy as np
import pytest
from transformers import AutoTokenizer

from seqlm.common.errors import InputError
from seqlm.tokenization import encode_batch, load_tokenizer, save_tokenizer
from seqlm.tokenization.atomic import AtomicLayout, as_read, bases_of, layout_of, learn, learn_layout, to_tokenizer

MRNA = AtomicLayout("mrna", separator=" ")


def test_mrna_tokens_are_the_six_channels():
    table, codes = MRNA.table(), MRNA.codes(["a", "C", "gej", "TEJ", "n", "u", "x"])[0]
    expected = [
        [1, 0, 0, 0, 0, 0],
        [0, 1, 0, 0, 1, 0],
        [0, 0, 1, 0, 0, 1],
        [0, 0, 0, 1, 1, 1],
        [0, 0, 0, 0, 0, 0],
        [0, 0, 0, 1, 0, 0],
        [0, 0, 0, 0, 0, 0],
    ]
    assert table[codes].tolist() == expected
    assert MRNA.size == 20
    assert MRNA.channels == 6


def test_case_and_junction_in_any_spelling():
    assert MRNA.codes(["aEJ", "Aej", "uej"])[0].tolist() == MRNA.codes(["aej", "AEJ", "tej"])[0].tolist()


def test_plain_bases():
    layout = AtomicLayout()
    assert layout.encode(["ACGU", "nt-", "GATTACA"], 5).tolist() == [[0, 1, 2, 3, 4], [4, 3, 4, 4, 4], [2, 0, 3, 3, 0]]


def test_learned_vocabulary_is_sorted_and_counts_specifiers():
    layout = learn_layout(["c a#1", "Gej#2#3 a"], specifier_separator="#")
    assert layout.tokens == ("Gej", "a", "c")
    assert layout.specifiers == 2
    assert layout.channels == 5


def test_sample_size_learns_from_some_but_counts_all_specifiers():
    sequences = [f"t{i}" for i in range(50)] + ["a#1#2#3"]
    layout = learn_layout(sequences, sample_size=10, seed=4, specifier_separator="#")
    assert len(layout.tokens) == 10
    assert layout.specifiers == 3
    assert layout == learn_layout(sequences, sample_size=10, seed=4, specifier_separator="#")
    assert layout.tokens != learn_layout(sequences, sample_size=10, seed=5, specifier_separator="#").tokens
    assert layout.unknown(sequences) >= 40


def test_specifiers_are_extra_rows():
    layout = AtomicLayout("one_hot", ("a", "c", "g"), " ", "#", 2)
    X = layout.encode(["a#2.5#0.2 c", "g#5.7 x#1 a"], 4)
    assert X.dtype == np.float32
    assert X[0].tolist() == [[0, 1, 3, 3], [2.5, 0, 0, 0], [pytest.approx(0.2), 0, 0, 0]]
    assert X[1].tolist() == [[2, 3, 0, 3], [pytest.approx(5.7), 1, 0, 0], [0, 0, 0, 0]]


def cut(length, **options):
    layout = AtomicLayout("one_hot", tuple("abcdefghijX"), "", **options)
    return lambda text: text[slice(*layout.span(text, length))]


def test_cutting_right_left_and_around_a_token():
    assert cut(4)("abcdefghij") == "abcd"
    assert cut(4, left_tailing=True)("abcdefghij") == "ghij"
    assert cut(20, left_tailing=True)("abc") == "abc"
    assert cut(5, center_token="X")("abcdeXfghij") == "deXfg"
    assert cut(6, center_token="X")("abcdeXfghij") == "cdeXfg"  # one place is left: from the left first
    assert cut(5, center_token="X")("aXbcdefghij") == "aXbcd"  # the left has no more: from the right
    assert cut(5, center_token="X")("abcdefghXi") == "fghXi"
    assert cut(7, center_token="X")("abXcdefghXj") == "abXcdef"  # around the first


@pytest.mark.parametrize("length", range(1, 14))
@pytest.mark.parametrize("centre", range(12))
def test_centred_cuts_equal_their_definition(length, centre):
    """Half of the room on each side, then what is left over from the left, then from the right."""
    text = ["a"] * centre + ["X"] + ["b"] * (11 - centre)
    start, end = AtomicLayout("one_hot", ("X",), " ", center_token="X").span(text, length)
    chosen, room = {centre}, length - 1
    left, right = list(range(centre - 1, -1, -1)), list(range(centre + 1, 12))
    half = room // 2
    chosen |= set(left[:half]) | set(right[:half])
    for i in left[half:] + right[half:]:
        if len(chosen) < length:
            chosen.add(i)
    if length >= 12:
        chosen = set(range(12))
    assert set(range(start, end)) == chosen


def test_missing_centre_token_is_an_error_only_where_something_is_cut():
    layout = AtomicLayout("one_hot", ("a",), " ", center_token="X")
    assert layout.encode(["a a"], 3).shape == (1, 3)
    with pytest.raises(InputError, match="centre"):
        layout.encode(["a a a a"], 3)


def test_tokenizer_round_trip(tmp_path):
    layout = learn_layout(["a#1 Gej c", "T#2#3"], specifier_separator="#", left_tailing=True)
    tokenizer = to_tokenizer(layout)
    save_tokenizer(tokenizer, tmp_path / "tokenizer")
    again = load_tokenizer(tmp_path / "tokenizer")
    assert layout_of(again) == layout
    text = "Gej a#0.5 zz T#1#2"
    ids = AutoTokenizer.from_pretrained(tmp_path / "tokenizer")(text)["input_ids"]
    codes = AtomicLayout(**(layout.to_dict() | {"specifiers": 0})).codes(text.split())[0].tolist()
    assert [min(i, layout.size) for i in ids] == codes
    assert encode_batch(again, [text, "a"]).tolist() == [[*(i if i < 4 else 255 for i in codes)], [2, 255, 255, 255]]
    assert learn(text="a#1 Gej c\nT#2#3\n", specifier_separator="#").get_vocab() == tokenizer.get_vocab()


def test_characters_as_tokens(tmp_path):
    tokenizer = to_tokenizer(learn_layout(["acGT", "-a"], separator=""))
    assert tokenizer.tokenize("Ga-x") == ["G", "a", "-", "[UNK]"]


def test_bases_of_tokens():
    assert bases_of("a Gej u#2 C") == "AGTC"
    assert bases_of("acGu", separator="") == "ACGT"
    for odd in ("exon1 a", "a -", "a  c"):
        with pytest.raises(InputError, match="is no base"):
            bases_of(odd)


def test_models_without_a_layout_read_plain_bases():
    sequences = ["a Gej c", "ACGT"]
    assert as_read(object(), sequences) == ["AGC", "ACGT"]
    assert as_read(SimpleNamespace(layout=AtomicLayout("bases")), sequences) == ["AGC", "ACGT"]
    assert as_read(SimpleNamespace(layout=MRNA), sequences) == sequences
    assert as_read(SimpleNamespace(tokenizer=to_tokenizer(MRNA)), sequences) == sequences


def test_what_it_refuses():
    with pytest.raises(InputError, match="unknown"):
        AtomicLayout("letters")
    with pytest.raises(InputError, match="empty"):
        AtomicLayout("one_hot")
    with pytest.raises(InputError, match="token separator"):
        AtomicLayout("one_hot", ("a",), "", "#")
    layout = AtomicLayout("one_hot", ("a",), " ", "#", 1)
    with pytest.raises(InputError, match="not a number"):
        layout.encode(["a#x"], 3)
    with pytest.raises(InputError, match="knows 1"):
        layout.encode(["a#1#2"], 3)
