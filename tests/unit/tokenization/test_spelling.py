"""How published tokenizers want bases written: found by trying, kept with them, refused where nothing helps."""

import itertools
import json

import pytest
from stock_models import letters_tokenizer
from tokenizers import Regex, Tokenizer, models, pre_tokenizers
from transformers import BertTokenizer, EsmTokenizer, PreTrainedTokenizerFast

from seqlm.common.errors import InputError
from seqlm.tokenization import load_tokenizer, save_tokenizer, spelled
from seqlm.tokenization.kmer import kmer_vocabulary
from seqlm.tokenization.spelling import Spelling, record_spelling

BERT = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def words(folder, tokenizer_class, tokens, **options):
    (folder / "vocab.txt").write_text("\n".join(tokens))
    return tokenizer_class(str(folder / "vocab.txt"), **options)


def pieces(pattern, tokens, unknown="<oov>"):
    """Whatever a pattern finds is a token."""
    core = Tokenizer(models.WordLevel({token: i for i, token in enumerate([unknown, *tokens])}, unk_token=unknown))
    core.pre_tokenizer = pre_tokenizers.Split(Regex(pattern), "removed", invert=True)
    return PreTrainedTokenizerFast(tokenizer_object=core)


def kmers(k, letters="ACGT"):
    return ["".join(word) for word in itertools.product(letters, repeat=k)]


TOKENIZERS = {
    "letters": (lambda f: letters_tokenizer(), Spelling()),
    "lower case": (lambda f: letters_tokenizer("acgt"), Spelling(lower=True)),
    "RNA": (lambda f: letters_tokenizer("ACGU"), Spelling(rna=True)),
    "RNA in lower case": (lambda f: letters_tokenizer("acgun"), Spelling(lower=True, rna=True)),
    "spaced letters": (lambda f: words(f, BertTokenizer, [*BERT, *"ACGTN"], do_lower_case=False), Spelling(words=1)),
    "spaced letters of RNA": (
        lambda f: words(f, BertTokenizer, [*BERT, *"ACGU"], do_lower_case=False),
        Spelling(rna=True, words=1),
    ),
    "6-mers with rests": (lambda f: words(f, EsmTokenizer, kmer_vocabulary(6)), Spelling()),
    "6-mers without": (lambda f: pieces(".{6}|.+", kmers(6)), Spelling(step=6)),
    "codons of RNA": (lambda f: pieces(".{3}|.+", kmers(3, "ACGU")), Spelling(rna=True, step=3)),
} | {
    f"spaced {k}-mers": (
        lambda f, k=k: words(f, BertTokenizer, [*BERT, *kmers(k)], do_lower_case=False),
        Spelling(words=k),
    )
    for k in (3, 4, 5, 6)
}


@pytest.mark.parametrize("name", TOKENIZERS)
def test_the_spelling_is_found_and_comes_back_with_the_tokenizer(tmp_path, name):
    make, expected = TOKENIZERS[name]
    tokenizer = make(tmp_path)
    assert record_spelling(tokenizer, name) == expected
    texts = spelled(tokenizer, ["acgUTGcaACGT", "GGCCAATTCCGGAATTCCGGAATT"])
    rows = tokenizer(texts)["input_ids"]
    assert not any(tokenizer.unk_token_id in row for row in rows)
    assert len(set(rows[0])) > 3 or expected.step > 1
    save_tokenizer(tokenizer, tmp_path / "saved")
    kept = json.loads((tmp_path / "saved/tokenizer_config.json").read_text())["seqlm"]["spelling"]
    assert Spelling(**kept) == expected
    again = load_tokenizer(tmp_path / "saved")
    assert again(spelled(again, ["acgUTGcaACGT", "GGCCAATTCCGGAATTCCGGAATT"]))["input_ids"] == rows


def test_spaced_words_overlap():
    assert Spelling(words=3).write("acguac") == "ACG CGT GTA TAC"
    assert Spelling(words=1, rna=True).write("ACGT") == "A C G U"
    assert Spelling(words=3).write("") == ""


@pytest.mark.parametrize(
    ("spelling", "sequence", "match"),
    [
        (Spelling(words=6), "ACGTA", "5 bases.*words of 6"),
        (Spelling(step=3), "ACGTA", "5 bases.*3 at a time.*multiple of 3"),
    ],
)
def test_what_cannot_be_written_is_one_line(spelling, sequence, match):
    with pytest.raises(InputError, match=match):
        spelling.write(sequence)


@pytest.mark.parametrize(
    "tokenizer",
    [
        lambda: letters_tokenizer("ACDEFGHIKLM"),  # proteins without T: bases T are unknown, whatever their case
        lambda: letters_tokenizer("ACG"),
        lambda: pieces(r"\w+", ["the", "and"]),
        lambda: pieces("[ACG]", "ACG"),  # has nothing for a T and drops it, without an unknown token
    ],
)
def test_bases_that_stay_unknown_are_refused(tokenizer):
    with pytest.raises(InputError, match="someone/model.*knows no bases"):
        record_spelling(tokenizer(), "someone/model")


def test_long_words_that_wordpiece_gives_up_on(tmp_path):
    """A WordPiece of single letters reads plain text up to 100 letters a word: so it is not read as plain text."""
    pieces_ = [*BERT, *"ACGT", *(f"##{letter}" for letter in "ACGT")]
    tokenizer = words(tmp_path, BertTokenizer, pieces_, do_lower_case=False)
    assert record_spelling(tokenizer, "x") == Spelling(words=1)
    (text,) = spelled(tokenizer, ["ACGT" * 50])
    assert len(tokenizer(text)["input_ids"]) == 202
