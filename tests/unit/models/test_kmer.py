"""K-mer tokenizers: the Nucleotide Transformer's ids, and the vectorised encoder against the tokenizers themselves."""

import itertools
import random

import pytest
from transformers import AutoTokenizer, EsmTokenizer

from seqlm.common.errors import InputError
from seqlm.tokenization.kmer import KmerEncoder, kmer_tokenizer, kmer_vocabulary

PUBLISHED = "ATGGTAGCTACATCATCT"


@pytest.fixture(scope="module")
def six():
    return kmer_tokenizer(6)


def random_sequences(letters, n=120, longest=70, seed=0):
    rng = random.Random(seed)
    return ["".join(rng.choices(letters, k=rng.randrange(longest))) for _ in range(n)]


def as_lists(encoder, sequences):
    ids, lengths = encoder.encode(sequences)
    assert all((row[length:] == encoder.pad).all() for row, length in zip(ids, lengths, strict=True))
    return [row[:length].tolist() for row, length in zip(ids, lengths, strict=True)]


def test_published_ids(six):
    assert six(PUBLISHED)["input_ids"] == [3, 506, 3662, 1567]
    assert six(PUBLISHED[:12] + "<mask>")["input_ids"] == [3, 506, 3662, 2]
    assert len(six) == 4107
    assert as_lists(KmerEncoder.of(six), [PUBLISHED]) == [[3, 506, 3662, 1567]]


def test_equals_the_nucleotide_transformers_tokenizer_class(tmp_path):
    """NT's own class and vocabulary order, on N, rests, unknown letters, spaces, lower case (k = 3, as 6 is slow)."""
    vocabulary = ["<unk>", "<pad>", "<mask>", "<cls>", "<eos>", "<bos>"]
    vocabulary += ["".join(word) for word in itertools.product("ATCG", repeat=3)] + list("ATCGN")
    (tmp_path / "vocab.txt").write_text("\n".join(vocabulary))
    theirs = EsmTokenizer(str(tmp_path / "vocab.txt"), eos_token=None)
    ours = kmer_tokenizer(3)
    assert theirs.get_vocab() == ours.get_vocab() == kmer_vocabulary(3)
    sequences = random_sequences("ATCGATCGATCGNRacgt ")
    expected = theirs(sequences)["input_ids"]
    assert ours(sequences)["input_ids"] == expected
    assert as_lists(KmerEncoder.of(ours), sequences) == expected
    assert as_lists(KmerEncoder.of(theirs), sequences) == expected


@pytest.mark.parametrize("k", [2, 6])
def test_overlapping_kmers(k):
    tokenizer = kmer_tokenizer(k, overlapping=True)
    vocabulary = kmer_vocabulary(k)
    sequences = ["", "ATG", *random_sequences("ATCG" * 6 + "NR ")]
    expected = []
    for sequence in sequences:
        letters = sequence.replace(" ", "")
        words = [letters[i : i + k] for i in range(len(letters) - k + 1)]
        expected.append([3] + [vocabulary[word] if set(word) <= set("ATCG") else 0 for word in words])
    assert tokenizer(sequences)["input_ids"] == expected
    assert as_lists(KmerEncoder.of(tokenizer), sequences) == expected


def test_loads_without_our_code(tmp_path, six):
    six.save_pretrained(tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    assert (tmp_path / "tokenizer.json").exists()
    batch = loaded([PUBLISHED, PUBLISHED + "NATG"], padding=True)
    assert batch["input_ids"][0] == [3, 506, 3662, 1567, 1, 1, 1, 1]
    assert batch["attention_mask"][0] == [1, 1, 1, 1, 0, 0, 0, 0]
    assert loaded.decode([506, 3662]).replace(" ", "") == PUBLISHED[:12]
    assert KmerEncoder.of(loaded).k == 6


def test_other_tokenizers_are_not_mistaken(tmp_path):
    (tmp_path / "vocab.txt").write_text("\n".join(["<unk>", "<pad>", "<mask>", "<cls>", "<eos>", *"ATCGN"]))
    assert KmerEncoder.of(EsmTokenizer(str(tmp_path / "vocab.txt"))) is None


def test_k_out_of_range():
    with pytest.raises(InputError, match="character"):
        kmer_tokenizer(1)
