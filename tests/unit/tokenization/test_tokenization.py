"""Character tokenizers: alphabets, exact round trips, alignment with bases, and what survives saving."""

import gzip
import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer

from seqlm import tokenization
from seqlm.common.errors import InputError
from seqlm.sequences import base_codes

FASTA = ">chr1 made up\nACGTNacgtn\nRYry\n"


@pytest.fixture(scope="module")
def full():
    return tokenization.learn_tokenizer("character", text=FASTA, alphabet="text")


@pytest.fixture(scope="module")
def vocab4():
    return tokenization.learn_tokenizer("character", alphabet="ACGT")


def test_text_alphabet_is_every_character_sorted(full):
    assert full.convert_ids_to_tokens(range(len(full))) == sorted(set(FASTA))


def test_text_round_trips_exactly(full):
    ids = full(FASTA)["input_ids"]
    assert len(ids) == len(FASTA)
    assert full.decode(ids) == FASTA


def test_vocab4_drops_all_else_and_splices(vocab4):
    assert len(vocab4) == 4
    assert vocab4(FASTA)["input_ids"] == [0, 1, 2, 3]
    assert vocab4.decode([0, 1, 2, 3]) == "ACGT"


def test_batches_stay_aligned_with_bases(vocab4, full):
    ids = tokenization.encode_batch(vocab4, ["ACGTNAC", "nTTa"])
    assert ids.dtype == np.uint8
    assert ids.tolist() == [[0, 1, 2, 3, 255, 0, 1], [255, 3, 3, 255, 255, 255, 255]]
    assert tokenization.encode_batch(vocab4, ["ACGT", "A"], length=3).tolist() == [[0, 1, 2], [0, 255, 255]]
    assert tokenization.encode_batch(full, ["ACGTN"])[0].tolist() == full("ACGTN")["input_ids"]
    assert tokenization.encode_batch(vocab4, []).shape == (0, 0)


@given(st.lists(st.text(alphabet="ACGTNacgt\n>é€", max_size=12), max_size=6), st.none() | st.integers(0, 9))
def test_look_up_equals_a_loop(sequences, length):
    codes = base_codes(sequences, length)
    width = max(map(len, sequences), default=0) if length is None else length
    expected = [["ACGT".find(c.upper()) % 5 for c in s[:width].ljust(width, "N")] for s in sequences]
    assert codes.shape == (len(sequences), width)
    assert codes.tolist() == expected


def test_upper_case_folds(vocab4):
    folded = tokenization.learn_tokenizer("character", alphabet="ACGT", case="upper")
    assert folded("aCgTnN")["input_ids"] == [0, 1, 2, 3]
    assert tokenization.encode_batch(folded, ["aCgTn"]).tolist() == [[0, 1, 2, 3, 255]]
    both = tokenization.learn_tokenizer("character", text="ACgt\n", alphabet="text", case="upper")
    assert both.init_kwargs["seqlm"]["alphabet"] == "\nACGT"


def test_complement(full, vocab4):
    assert tokenization.complement_ids(vocab4).tolist() == [3, 2, 1, 0]
    partner = tokenization.complement_ids(full)
    letters = full.init_kwargs["seqlm"]["alphabet"]
    pairs = {letters[i]: letters[j] for i, j in enumerate(partner)}
    assert [pairs[c] for c in "ACGTNacgtnRYry\n>1"] == list("TGCANtgcanYRyr\n>1")
    rna = tokenization.learn_tokenizer("character", alphabet="ACGU")
    assert tokenization.complement_ids(rna).tolist() == [3, 2, 1, 0]


def test_save_and_load_keep_everything(full, tmp_path):
    tokenization.save_tokenizer(full, tmp_path / "tokenizer")
    assert {p.name for p in (tmp_path / "tokenizer").iterdir()} == {"tokenizer.json", "tokenizer_config.json"}
    for loaded in (
        tokenization.load_tokenizer(tmp_path / "tokenizer"),
        AutoTokenizer.from_pretrained(tmp_path / "tokenizer"),
    ):
        assert loaded.init_kwargs["seqlm"] == full.init_kwargs["seqlm"]
        assert loaded.decode(loaded(FASTA)["input_ids"]) == FASTA
        assert (tokenization.encode_batch(loaded, [FASTA]) == tokenization.encode_batch(full, [FASTA])).all()


def test_learns_from_files_plain_and_packed(tmp_path):
    (tmp_path / "a.fa").write_text(">a\nACGT\n")
    with gzip.open(tmp_path / "b.fa.gz", "wt") as handle:
        handle.write(">b\nNNzz\n")
    paths = [tmp_path / "a.fa", tmp_path / "b.fa.gz"]
    learnt = tokenization.learn_tokenizer("character", paths=paths)
    assert learnt.init_kwargs["seqlm"]["alphabet"] == "".join(sorted(set(">a\nACGT>b\nNNzz\n")))
    sampled = tokenization.learn_tokenizer("character", paths=paths, sample=3)
    assert sampled.init_kwargs["seqlm"]["alphabet"] == "\n>ab"


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("letters", {}),
        ("character", {"alphabet": "ACGA"}),
        ("character", {"alphabet": ""}),
        ("character", {"alphabet": "ACGT", "case": "lower"}),
        ("character", {"alphabet": "ACGT", "colour": "red"}),
        ("character", {"paths": ["/no/such/file.fa"]}),
    ],
)
def test_mistakes_are_one_line(kind, options):
    with pytest.raises(InputError) as error:
        tokenization.learn_tokenizer(kind, **options)
    assert "\n" not in str(error.value)


def test_broken_gzip_and_missing_tokenizer(tmp_path):
    whole = gzip.compress(b"ACGT" * 1000)
    (tmp_path / "cut.fa.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="gzip"):
        tokenization.learn_tokenizer("character", paths=[tmp_path / "cut.fa.gz"])
    with pytest.raises(InputError, match=r"tokenizer\.json"):
        tokenization.load_tokenizer(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(InputError, match="cannot be read"):
        tokenization.load_tokenizer(tmp_path)


def test_script_learns_a_tokenizer(tmp_path):
    (tmp_path / "a.fa").write_text(FASTA)
    script = runpy.run_path(str(Path(tokenization.__file__).parents[2] / "learn_tokenizer.py"))
    script["main"](
        SimpleNamespace(
            log=[],
            params=SimpleNamespace(tokenizer={"kind": "character", "alphabet": "text"}),
            input=SimpleNamespace(sources=[str(tmp_path / "a.fa")]),
            output=SimpleNamespace(folder=str(tmp_path / "out")),
        )
    )
    assert len(tokenization.load_tokenizer(tmp_path / "out")) == len(set(FASTA))
