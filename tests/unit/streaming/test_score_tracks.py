"""Scores in a genome browser: what a track reads back is what was placed by hand, base by base."""

import numpy as np
import pandas as pd
import pyBigWig
import pytest

from seqlm.attribution.score_tables import arrays_of, read_score_table
from seqlm.common.errors import InputError
from seqlm.explanation.hits import COLUMNS, read_hits
from seqlm.streaming.files import score_file
from seqlm.streaming.records import open_records
from seqlm.streaming.score_tracks import placed_hits, write_file_score_track, write_score_track


def example(name, place, length=10, **more):
    chrom, start, strand = place
    return {
        "id": name, "sequence": "ACGTACGTAC"[:length], "chrom": chrom, "start": start,
        "end": None if start is None else start + length, "strand": strand,
    } | more  # fmt: skip


@pytest.fixture
def given():
    """Two windows that overlap, one on the minus strand, one whose end was not read, one without a place, an mRNA."""
    rows = [
        example("a", ("chr2", 100, "+")), example("b", ("chr2", 104, "-")), example("c", ("chr10", 0, None)),
        example("d", (None, None, None)), example("e", ("chr2", 500, "+"), end=900),
    ]  # fmt: skip
    scores = np.random.default_rng(0).normal(size=(5, 10)).astype(np.float32)
    scores[2, 7:], scores[0, 2] = np.nan, np.nan
    codes = np.tile(np.array([0, 1, 2, 3, 0, 1, 2, 3, 0, 1], np.uint8), (5, 1))
    return {"id": np.array(list("abcde")), "codes": codes, "scores": scores}, pd.DataFrame(rows)


def by_hand(scores):
    """chrom -> position -> mean over windows of minus the score."""
    placed = {}
    for j in range(10):
        for chrom, at, value in (
            ("chr2", 100 + j, scores[0, j]), ("chr2", 113 - j, scores[1, j]), ("chr10", j, scores[2, j])
        ):  # fmt: skip
            if np.isfinite(value):
                placed.setdefault(chrom, {}).setdefault(at, []).append(-float(value))
    return {chrom: {at: np.mean(values) for at, values in own.items()} for chrom, own in placed.items()}


@pytest.mark.parametrize("sizes", [None, {"chr2": 1000, "chr10": 50, "chrM": 5}])
def test_a_track_reads_back_as_scores_placed_by_hand(given, tmp_path, sizes):
    arrays, examples = given
    assert write_score_track(tmp_path / "a.bw", arrays, examples, sizes)
    expected = by_hand(arrays["scores"])
    with pyBigWig.open(str(tmp_path / "a.bw")) as track:
        assert track.chroms() == (sizes or {"chr10": 7, "chr2": 114})
        for chrom, length in track.chroms().items():
            values = track.values(chrom, 0, length)
            found = {at: value for at, value in enumerate(values) if not np.isnan(value)}
            assert found == pytest.approx(expected.get(chrom, {}), abs=1e-6)
    assert [path.name for path in tmp_path.iterdir()] == ["a.bw"]


def test_examples_without_a_place_give_no_track(given, tmp_path):
    arrays, examples = given
    assert not write_score_track(tmp_path / "a.bw", arrays, examples.assign(chrom=None))
    assert list(tmp_path.iterdir()) == []


def test_a_window_of_another_genome_is_told(given, tmp_path):
    arrays, examples = given
    with pytest.raises(InputError, match="the genome has no record 'chr10'"):
        write_score_track(tmp_path / "a.bw", arrays, examples, {"chr2": 1000})
    with pytest.raises(InputError, match="chr2:104-114 is outside of the record"):
        write_score_track(tmp_path / "a.bw", arrays, examples, {"chr2": 110, "chr10": 50})


def test_hits_are_lines_of_bed_once_each_and_only_of_the_genome(given, tmp_path):
    _, examples = given
    rows = [
        ["chr2", 105, 109, "m1_NA", 900, "+", 9.0, 0.2, "a"], ["chr2", 105, 109, "m1_NA", 950, "+", 9.5, 0.1, "b"],
        ["chr2", 101, 105, "m1_NA", 1000, "-", 10.5, 0.1, "a"], ["d", 1, 5, "m1_NA", 800, "+", 8.0, 0.1, "d"],
        ["e", 1, 5, "m1_NA", 800, "+", 8.0, 0.1, "e"],
    ]  # fmt: skip
    pd.DataFrame(rows, columns=COLUMNS).to_csv(tmp_path / "m.bed", sep="\t", header=False, index=False)
    found = placed_hits(read_hits(tmp_path / "m.bed"), examples)
    assert found.to_numpy().tolist() == [
        ["chr2", 101, 105, "m1_NA", 1000, "-"], ["chr2", 105, 109, "m1_NA", 950, "+"],
    ]  # fmt: skip


# Windows on both strands that overlap, two of one name, one that is there twice, and names that are not given.
WINDOWS = [
    ("chr1", 20, 60, "peak", "+"), ("chr1", 40, 75, "peak", "-"), ("chr2", 0, 30, "end", "-"),
    ("chr1", 50, 52, None, None), ("chr2", 170, 200, "peak", "+"), ("chr2", 0, 30, "end", "-"),
]  # fmt: skip


def write_bed(path, windows):
    lines = [[*place, *([name, 0, strand] if name else [])] for *place, name, strand in windows]
    path.write_text("# peaks\n" + "".join("\t".join(map(str, line)) + "\n" for line in lines))


def values_of(path):
    """(chrom, position) -> value of a track."""
    with pyBigWig.open(str(path)) as track:
        values = {chrom: track.values(chrom, 0, length) for chrom, length in track.chroms().items()}
    return {(chrom, at): x for chrom, own in values.items() for at, x in enumerate(own) if not np.isnan(x)}


def expected_of(table, windows, edits):
    """The same, from the rows of a table of scores: so many a base, window by window as in the file."""
    placed, row = {}, 0
    for chrom, start, end, _, strand in windows:
        for j in range(end - start):
            own = table.iloc[row : row + edits]
            assert (own["start_offset"] == j).all()
            row += edits
            at = end - 1 - j if strand == "-" else start + j
            fall = -own["loo"][own["token"] != own["replacement"]].mean()
            placed.setdefault((chrom, at), []).append(fall)
    assert row == len(table)
    return {place: np.mean(values) for place, values in placed.items()}


@pytest.mark.parametrize(("edit", "edits"), [("mask", 1), ("remove", 1), ("replace", 4)])
@pytest.mark.parametrize(("target", "suffix"), [("track", "parquet"), ("class", "csv")])
def test_a_track_of_a_bed_file_reads_back_as_its_table_says(edit, edits, target, suffix, bundles, genome, tmp_path):
    write_bed(tmp_path / "w.bed", WINDOWS)
    score_file(bundles / f"{target}0", tmp_path / "w.bed", tmp_path / f"s.{suffix}", edit, genome=genome, device="cpu")
    scores = read_score_table(tmp_path / f"s.{suffix}")
    write_file_score_track(tmp_path / "w.bw", arrays_of(scores), open_records(tmp_path / "w.bed", genome))
    expected = expected_of(scores, WINDOWS, edits)
    assert len(expected) == 55 + 30 + 30 and np.ptp(list(expected.values())) > 0.01
    assert values_of(tmp_path / "w.bw") == pytest.approx(expected, abs=1e-6)
    with pyBigWig.open(str(tmp_path / "w.bw")) as track:
        assert track.chroms() == {"chr2": 200, "chr1": 200}


def test_a_table_of_places_gives_the_track_of_its_bed_file(bundles, genome, tmp_path):
    write_bed(tmp_path / "w.bed", WINDOWS)
    records = [record for chunk in open_records(tmp_path / "w.bed", genome).chunks(9) for record in chunk]
    pd.DataFrame(records, columns=records[0]._fields).to_csv(tmp_path / "w.tsv", sep="\t", index=False)
    for name in ("bed", "tsv"):
        path = tmp_path / f"w.{name}"
        score_file(bundles / "scalar0", path, tmp_path / "s.parquet", genome=genome, device="cpu")
        arrays = arrays_of(read_score_table(tmp_path / "s.parquet"))
        write_file_score_track(tmp_path / f"{name}.bw", arrays, open_records(path, genome))
        (tmp_path / "s.parquet").unlink()
    assert values_of(tmp_path / "tsv.bw") == values_of(tmp_path / "bed.bw") != {}


def test_only_bases_that_were_edited_have_a_value(bundles, genome, tmp_path, capsys):
    """Of replacements for some bases; where there is none of these, a track without values."""
    windows = [("chr1", 20, 60, "a", "+"), ("chr1", 100, 130, "b", "-")]
    write_bed(tmp_path / "w.bed", windows)
    source = open_records(tmp_path / "w.bed", genome)
    for base, puts in (("C", ["A", "T"]), ("N", ["A"])):  # there is no N
        score_file(bundles / "track0", tmp_path / "w.bed", tmp_path / f"{base}.parquet", "replace",
                   replacements={base: puts}, genome=genome, device="cpu")  # fmt: skip
        arrays = arrays_of(read_score_table(tmp_path / f"{base}.parquet"))
        write_file_score_track(tmp_path / f"{base}.bw", arrays, source)
    letters = genome.read_text().split(">chr1\n")[1]
    expected = {("chr1", at) for _, start, end, _, strand in windows for at in range(start, end)
                if letters[at] == ("G" if strand == "-" else "C")}  # fmt: skip
    assert set(values_of(tmp_path / "C.bw")) == expected != set()
    assert values_of(tmp_path / "N.bw") == {}
    assert "no base has a score: the track is empty" in capsys.readouterr().err


def test_scores_that_cannot_be_placed_are_one_line(genome, fasta, tmp_path):
    write_bed(tmp_path / "w.bed", WINDOWS)
    source = open_records(tmp_path / "w.bed", genome)

    def fails(match, ids, width, source=source):
        arrays = {"id": np.array(ids), "scores": np.zeros((len(ids), width), np.float32)}
        with pytest.raises(InputError, match=match):
            write_file_score_track(tmp_path / "w.bw", arrays, source)

    fails("its records have no place in a genome; give BED", ["s0"], 5, open_records(fasta))
    fails("has no record 'other', which has scores", ["peak", "peak", "peak", "other"], 5)
    fails("its 3 records 'peak' cannot be told apart in the scores; give each a name", ["peak", "peak"], 5)
    fails("record 'chr1:50-52' is shorter than its scores", ["chr1:50-52"], 5)
    (tmp_path / "w.tsv").write_text("id\tsequence\tchrom\tstart\tend\na\tACGT\tchr1\t3\t9\n")
    fails("record 'a': has 4 bases, its place 6; correct", ["a"], 4, open_records(tmp_path / "w.tsv", genome))
    assert not (tmp_path / "w.bw").exists()
