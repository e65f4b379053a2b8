"""Delimited files: columns by name or position, tokens, specifiers, weights, and one line for each mistake."""

import gzip
import math

import pytest

from seqlm.common.errors import InputError
from seqlm.sequences.tables.delimited import read_delimited

TOKENS = "a#2.5#0.2, c,A ,g#5.7"


def write(folder, text, name="examples.tsv"):
    path = folder / name
    if name.endswith(".gz"):
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text)
    return path


def test_named_columns(tmp_path):
    path = write(tmp_path, "name\tseq\ty\tquality\tgene\tpart\ng1\tACGT\t1.5\tGood\tA\t3\ng2\tTT\tNA\tpoor\tB\t1\n")
    table = read_delimited(path, id="name", sequence="seq", label="y", weight="quality", group="gene", split="part")
    assert list(table.columns) == ["id", "sequence", "target", "weight", "group", "split"]
    assert table.iloc[0].tolist() == ["g1", "ACGT", 1.5, 0.75, "A", "3"]
    assert math.isnan(table.target[1])
    assert table.weight[1] == 0.25


def test_positions_without_a_header(tmp_path):
    path = write(tmp_path, "x;ACGT;0.5\ny;GG;2\n", "examples.txt")
    table = read_delimited(path, separator=";", header=False, id=1, sequence=2, label=3)
    assert table.values.tolist() == [["x", "ACGT", 0.5], ["y", "GG", 2.0]]


def test_positions_with_a_header_and_commas_in_csv(tmp_path):
    path = write(tmp_path, 'id,sequence,label\n"a,1",ACGT,7\n', "examples.csv.gz")
    table = read_delimited(path, id=1, sequence="sequence", label=3, header=True)
    assert table.values.tolist() == [["a,1", "ACGT", 7.0]]


def test_tokens_and_specifiers_come_out_in_one_spelling(tmp_path):
    path = write(tmp_path, f"{TOKENS}\t1\n")
    read = {"header": False, "sequence": 1, "label": 2, "tokens": ","}
    assert read_delimited(path, **read, specifiers="#").sequence[0] == "a#2.5#0.2 c A g#5.7"
    path = write(tmp_path, "a:2.5|c|A\t1\n")
    assert read_delimited(path, **(read | {"tokens": "|"}), specifiers=":").sequence[0] == "a#2.5 c A"


def test_without_labels_and_ids(tmp_path):
    path = write(tmp_path, "sequence\nACGT\n\nGG\n")
    table = read_delimited(path, label=None)
    assert table.values.tolist() == [["1", "ACGT"], ["2", "GG"]]


def test_classes_stay_words(tmp_path):
    path = write(tmp_path, "sequence\tlabel\nAC\t1\nGT\tyes\n")
    assert read_delimited(path, target="class").target.tolist() == ["1", "yes"]


@pytest.mark.parametrize("word", ["", "NA", ".", "nan"])
def test_classes_and_groups_that_are_missing_are_no_values(tmp_path, word):
    path = write(tmp_path, f"sequence\tlabel\tgene\tpart\nAC\tnone\tA\t1\nGT\t{word}\t{word}\t{word}\n")
    table = read_delimited(path, target="class", group="gene", split="part")
    assert table.target[0] == "none"  # a word that may well name a class
    assert table[["target", "group", "split"]].isna().values.tolist() == [[False] * 3, [True] * 3]


def test_own_quality_words(tmp_path):
    path = write(tmp_path, "sequence\tlabel\tw\nAC\t1\thigh\nGT\t2\t0.3\n")
    assert read_delimited(path, weight="w", weights={"HIGH": 2}).weight.tolist() == [2.0, 0.3]


@pytest.mark.parametrize(
    ("text", "options", "line", "problem"),
    [
        ("sequence\tlabel\nAC\tx\n", {}, 2, "not a number"),
        ("sequence\tlabel\nAC\tinf\n", {}, 2, "not a number"),
        ("sequence\tlabel\nAC\t1_000\n", {}, 2, "not a number"),
        ("sequence\tlabel\nAC\n", {}, 2, "1 fields"),
        ("sequence\tlabel\nAC\t1\n \t2\n", {}, 3, "empty"),
        ("id\tsequence\tlabel\na\tAC\t1\na\tGT\t1\n", {"id": "id"}, 3, "also in line 2"),
        ("sequence\tlabel\tw\nAC\t1\tfine\n", {"weight": "w"}, 2, "weight 'fine'"),
        ("sequence\tlabel\tw\nAC\t1\t-1\n", {"weight": "w"}, 2, "weight '-1'"),
        ("sequence\tlabel\na,,c\t1\n", {"tokens": ","}, 2, "token 2 is empty"),
        ("sequence\tlabel\na#x,c\t1\n", {"tokens": ",", "specifiers": "#"}, 2, "token 'a#x'"),
    ],
)
def test_mistakes_name_their_line(tmp_path, text, options, line, problem):
    with pytest.raises(InputError, match=problem) as error:
        read_delimited(write(tmp_path, text), **options)
    assert f"line {line}:" in str(error.value)


def test_mistakes_in_columns(tmp_path):
    path = write(tmp_path, "sequence\tlabel\nAC\t1\n")
    with pytest.raises(InputError, match="its columns are sequence, label"):
        read_delimited(path, label="y")
    with pytest.raises(InputError, match="columns are 1 to 2"):
        read_delimited(path, label=3)
    with pytest.raises(InputError, match="needs a header"):
        read_delimited(path, header=False)
    with pytest.raises(InputError, match="no examples"):
        read_delimited(write(tmp_path, "sequence\tlabel\n"))
    with pytest.raises(InputError, match="one character"):
        read_delimited(path, separator="::")
