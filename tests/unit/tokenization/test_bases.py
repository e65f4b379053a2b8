"""Which bases a token stands for, against tokens that are put back together by hand."""

import numpy as np
import pytest
from published import causal, characters, dnabert1, dnabert2, nucleotide_transformer

from seqlm.common.errors import InputError
from seqlm.tokenization import encode_batch, learn_tokenizer
from seqlm.tokenization.bases import NOTHING, special_ids, tokens_of
from seqlm.tokenization.kmer import kmer_tokenizer

PLAIN = ["ATGGTAGCTACATCATCTG", "GATTACA", "ACGTTGCAGATTACAGATTACACCGGTTAACG"]
WITH_N = ["CCGGTTAACGATGCANNCA", "NACGTNNNNACGTTGCAN"]


def made(kind, folder):
    return {
        "characters": lambda: characters(),
        "our characters": lambda: learn_tokenizer("character", alphabet="ACGT"),
        "our 3-mers": lambda: learn_tokenizer("kmer", k=3),
        "our overlapping 3-mers": lambda: learn_tokenizer("kmer", k=3, overlapping=True),
        "our byte pairs": lambda: learn_tokenizer("bpe", text="".join(PLAIN) * 5, size=40),
        "overlapping, as a hub has it": lambda: kmer_tokenizer(4, overlapping=True),
        "6-mers": lambda: nucleotide_transformer(folder),
        "6-mers with an end": lambda: nucleotide_transformer(folder, eos="<eos>"),
        "byte pairs": lambda: dnabert2(),
        "left padding": lambda: causal(),
    }[kind]()


KINDS = ("characters", "our characters", "our 3-mers", "our overlapping 3-mers", "our byte pairs",
         "overlapping, as a hub has it", "6-mers", "6-mers with an end", "byte pairs", "left padding")  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sequences", [PLAIN, WITH_N], ids=["plain", "with N"])
def test_a_token_stands_on_its_letters_and_every_base_has_one(kind, sequences, tmp_path):
    tokenizer = made(kind, tmp_path)
    tokens = tokens_of(tokenizer, sequences)
    assert tokens.ids.shape == tokens.spans.shape[:2] and tokens.bases == max(map(len, sequences))
    first, last = tokens.covering()
    for ids, spans, sequence, a, b in zip(tokens.ids, tokens.spans, sequences, first, last, strict=True):
        over = [[] for _ in sequence]
        for t, (i, (start, end)) in enumerate(zip(ids.tolist(), spans.tolist(), strict=True)):
            word = tokenizer.convert_ids_to_tokens(i) if 0 <= i < len(tokenizer) else ""
            if start == end:
                assert i == NOTHING or i in special_ids(tokenizer)
            elif set(word) <= set("ACGTN"):
                assert sequence[start:end] == (word or "N")
            else:  # unknown
                assert "N" in sequence[start:end]
            for base in range(start, end):
                over[base].append(t)
        assert all(own for own, letter in zip(over, sequence, strict=True) if letter != "N")
        for base, own in enumerate(over):
            assert list(range(a[base], b[base] + 1)) == own
        assert all(list(range(x, y + 1)) == [] for x, y in zip(a[len(over) :], b[len(over) :], strict=True))


def test_words_that_the_text_holds(tmp_path):
    """DNABERT-1 and the first SpliceBERT want text with spaces."""
    sequence = "ACGTNGATTACA"
    words = " ".join(sequence[i : i + 3] for i in range(len(sequence) - 2))
    tokens = tokens_of(dnabert1(tmp_path), [sequence], [words])
    assert tokens.spans[0].tolist() == [[0, 0], *([i, i + 3] for i in range(10)), [0, 0]]
    tokens = tokens_of(characters_between_spaces(), [sequence], [" ".join(sequence)])
    assert tokens.spans[0].tolist() == [[0, 0], *([i, i + 1] for i in range(12)), [0, 0]]
    lower = tokens_of(characters(), ["GATTACA"], ["GATTACA".lower().upper()])
    assert lower.ordinary[0].tolist() == [False, *[True] * 7, False]


def characters_between_spaces():
    from tokenizers import pre_tokenizers

    tokenizer = characters()
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return tokenizer


def test_rna_and_lower_case():
    tokenizer = learn_tokenizer("character", alphabet="acgu")
    hub = characters()
    hub = type(hub)(tokenizer_object=tokenizer.backend_tokenizer)
    tokens = tokens_of(hub, ["GATTACA"], ["gauuaca"])
    assert tokens.spans[0].tolist() == [[i, i + 1] for i in range(7)]


def test_padding_on_the_left_stands_for_nothing(tmp_path):
    tokenizer = causal()
    padded = tokenizer(PLAIN, padding=True)["input_ids"]
    assert padded[1][0] == tokenizer.pad_token_id
    tokens = tokens_of(tokenizer, PLAIN)
    assert set(special_ids(tokenizer).tolist()) >= {tokenizer.pad_token_id, tokenizer.bos_token_id}
    assert [list(row[row != NOTHING]) for row in tokens.ids] == [
        [i for i in row if i != tokenizer.pad_token_id] for row in padded
    ]


def test_tokens_that_do_not_spell_the_sequence_are_one_line(tmp_path):
    from tokenizers import normalizers

    tokenizer = characters()
    tokenizer.backend_tokenizer.normalizer = normalizers.Replace("G", "")  # loses bases
    with pytest.raises(InputError, match="do not spell GATTACA") as caught:
        tokens_of(tokenizer, ["GATTACA"])
    assert "\n" not in str(caught.value)


def test_many_unknown_letters_cost_no_time(tmp_path):
    rng = np.random.default_rng(0)
    sequence = "".join(rng.choice(list("ACGTN"), 5000))
    for tokenizer in (characters(), nucleotide_transformer(tmp_path), dnabert2()):
        tokens = tokens_of(tokenizer, [sequence])
        covered = np.zeros(5000, bool)
        for start, end in tokens.spans[0]:
            covered[start:end] = True
        assert covered.all()


def test_a_python_tokenizer_of_k_mers_is_read_by_our_encoder(tmp_path, monkeypatch):
    """Identical ids, without a single call of the slow tokenizer."""
    for eos in (None, "<eos>"):
        tokenizer = nucleotide_transformer(tmp_path, eos=eos)
        expected = tokenizer(PLAIN + WITH_N)["input_ids"]
        encode_batch(tokenizer, PLAIN)  # recognised
        monkeypatch.setattr(type(tokenizer), "__call__", None)
        ids = encode_batch(tokenizer, PLAIN + WITH_N)
        monkeypatch.undo()
        assert [[i for i in row if i != tokenizer.pad_token_id] for row in ids.tolist()] == expected
