"""Records out of files as people have them: every row with its place, or one line that says which row has none."""

import pandas as pd
import pytest

from seqlm.common.errors import InputError
from seqlm.streaming.records import open_records

ROWS = {"id": ["a", "b"], "sequence": ["ACGT", "GG"], "chrom": ["c", "c"], "start": [0, 4], "end": [4, 6]}


def read(path, **options):
    return [tuple(record) for chunk in open_records(path, **options).chunks(3) for record in chunk]


def write(folder, kind, **changed):
    table = pd.DataFrame(ROWS | changed)
    path = folder / f"x.{kind}"
    table.to_parquet(path) if kind == "parquet" else table.to_csv(path, sep="\t", index=False)
    return path


@pytest.mark.parametrize("kind", ["tsv", "parquet"])
def test_strands_however_they_are_written(tmp_path, kind):
    for words, signs in ((["+", "-"], "+-"), (["1", "-1"], "+-"), ([".", ""], "++"), ([None, "-"], "+-")):
        found = read(write(tmp_path, kind, strand=words))
        assert found == [("a", "ACGT", "c", 0, 4, signs[0]), ("b", "GG", "c", 4, 6, signs[1])]
    with pytest.raises(InputError, match="(line 3|row 2): strand 'minus' is neither"):
        read(write(tmp_path, kind, strand=["+", "minus"]))


@pytest.mark.parametrize("kind", ["tsv", "parquet"])
@pytest.mark.parametrize("start", [["0", None], ["0", "4.5"], ["0", "4_0"], ["0", "x"], ["0", "\u0664"]])
def test_places_that_are_no_whole_numbers_are_one_line(tmp_path, kind, start):
    with pytest.raises(InputError, match="(line 3|row 2): start .* is not a whole number"):
        read(write(tmp_path, kind, start=start))


@pytest.mark.parametrize(
    ("sequence", "words"),
    [(["A", " "], "row 2: the sequence is empty"), ([1, 2], "row 1: the sequence is 1, not text")],
)
def test_sequences_of_parquet_are_text(tmp_path, sequence, words):
    with pytest.raises(InputError, match=words):
        read(write(tmp_path, "parquet", sequence=sequence))


def test_records_whose_names_begin_like_lines_of_a_browser(tmp_path):
    (tmp_path / "g.fa").write_text(">track1\nACGT\n>browser_x\nGGCC\n")
    lines = ["track name=x", "browser position c:1-2", "#x", "track1\t0\t4", "", "browser_x\t1\t3"]
    (tmp_path / "x.bed").write_text("\n".join(lines) + "\n")
    assert [record[:2] for record in read(tmp_path / "x.bed", genome=tmp_path / "g.fa")] == [
        ("track1:0-4", "ACGT"), ("browser_x:1-3", "GC")
    ]  # fmt: skip


def test_a_column_of_places_with_an_empty_cell_is_one_line(tmp_path):
    """Arrow and pandas then write whole numbers as 0.0."""
    with pytest.raises(InputError, match="row 2: start (None|nan) is not a whole number"):
        read(write(tmp_path, "parquet", start=[0, None]))
    assert read(write(tmp_path, "parquet", start=[0.0, 4.0]))[1][3] == 4
