"""No gene that is tested on is read in pretraining, in any of its isoforms."""

import gzip

import pandas as pd
import pytest

from seqlm.common.errors import InputError
from seqlm.datasets import Dataset
from seqlm.datasets.separation.withholding import training_text, withhold
from seqlm.sequences import read_fasta

FASTA = ">t1 gene=one\nATGAAA\n>t2 gene=one\nATG\n>t3 gene=two\nATGCCC\n>t4 gene:three more\nATGTTT\n>t5\nATGGGG\n"


def dataset(parts):
    examples = pd.DataFrame({"id": [f"s:{name}:0" for name in parts], "chrom": list(parts)})
    folds = pd.DataFrame({"id": examples["id"], "fold": 0, "part": list(parts.values())})
    return Dataset(examples, folds, {})


def test_genes_are_left_out_in_all_isoforms(tmp_path):
    (tmp_path / "in.fa").write_text(FASTA)
    parts = {"t1": "test", "t3": "train", "t4": "validation", "t5": "train"}
    assert withhold(tmp_path / "in.fa", dataset(parts), tmp_path / "out.fa.gz") == (2, 3)
    records = list(read_fasta(tmp_path / "out.fa.gz"))
    assert [(r.id, r.sequence) for r in records] == [("t3", "ATGCCC"), ("t5", "ATGGGG")]
    assert gzip.decompress((tmp_path / "out.fa.gz").read_bytes()).startswith(b">t3 gene=two\n")


def test_nothing_left(tmp_path):
    (tmp_path / "in.fa").write_text(FASTA)
    with pytest.raises(InputError, match="every gene"):
        withhold(tmp_path / "in.fa", dataset(dict.fromkeys(["t1", "t3", "t4", "t5"], "test")), tmp_path / "out.fa.gz")
    assert not (tmp_path / "out.fa.gz").exists()


def examples(parts):
    table = pd.DataFrame({"id": ["a", "b", "c"], "sequence": ["ACGT", "acgt", "GGGG"]})
    return Dataset(table, pd.DataFrame(parts, columns=["id", "fold", "part"]), {})


def test_only_training_examples_are_the_corpus(tmp_path):
    parts = [("a", 0, "train"), ("b", 0, "test"), ("c", 0, "train")]
    assert training_text(examples(parts), tmp_path / "out.fa.gz") == 2
    assert gzip.decompress((tmp_path / "out.fa.gz").read_bytes()) == b">a\nACGT\n>c\nGGGG\n"


def test_tokens_of_an_mrna_are_written_as_bases(tmp_path):
    """Whose letters are upper case at codons' starts alone."""
    data = examples([("a", 0, "train")])
    data.examples.loc[0, "sequence"] = "c g A t gej C"
    training_text(data, tmp_path / "out.fa.gz")
    assert gzip.decompress((tmp_path / "out.fa.gz").read_bytes()) == b">a\nCGATGC\n"


def test_no_corpus_where_each_example_is_tested(tmp_path):
    parts = [(name, fold, "test" if name == "abc"[fold] else "train") for name in "abc" for fold in range(3)]
    with pytest.raises(InputError, match="one split"):
        training_text(examples(parts), tmp_path / "out.fa.gz")
    assert not list(tmp_path.iterdir())
