"""Scores in a genome browser: what a track reads back is what was placed by hand, base by base."""

import numpy as np
import pandas as pd
import pyBigWig
import pytest

from seqlm.common.errors import InputError
from seqlm.explanation.hits import COLUMNS, read_hits
from seqlm.streaming.score_tracks import placed_hits, write_score_track


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
