"""Examples out of a BED file and its genome."""

import numpy as np
import pytest

from seqlm.common.errors import InputError
from seqlm.datasets import build_dataset
from seqlm.sequences import reverse_complement


@pytest.fixture
def genome(tmp_path):
    """Two chromosomes of random bases, G+C rich in their second half, and a few N."""
    rng, made = np.random.default_rng(0), {}
    for name in ("chr1", "chr2"):
        poor = "".join(rng.choice(list("ACGT"), 6000, p=[0.4, 0.1, 0.1, 0.4]))
        rich = "".join(rng.choice(list("ACGT"), 6000, p=[0.1, 0.4, 0.4, 0.1]))
        made[name] = poor[:5000] + "N" * 50 + poor[5050:] + rich.lower()
    path = tmp_path / "genome.fa"
    path.write_text("".join(f">{name}\n{text}\n" for name, text in made.items()))
    return path, made


def build(tmp_path, genome, bed, target="class", **settings):
    path = tmp_path / "peaks.bed"
    path.write_text(bed)
    config = {"target": target, "regions": {"source": "peaks", "genome": "genome", **settings}}
    return build_dataset("peaks", config, {"peaks": path, "genome": genome[0]}, seed=1)


def test_a_column_labels_regions_on_their_strand(tmp_path, genome):
    bed = "track name=x\nchr1\t100\t150\ta\t2.5\t+\nchr2\t7000\t7050\tb\t3.5\t-\n"
    examples, summary = build(tmp_path, genome, bed, "scalar", label=5)
    assert examples["target"].tolist() == [2.5, 3.5]
    assert examples["sequence"][0] == genome[1]["chr1"][100:150]
    assert examples["sequence"][1] == reverse_complement(genome[1]["chr2"][7000:7050].upper())
    assert examples[["chrom", "start", "end"]].to_numpy().tolist() == [["chr1", 100, 150], ["chr2", 7000, 7050]]
    assert summary["aligned"] and not summary["aligned_said"]  # one length, of which validation has to tell more


def test_length_is_around_the_middle_and_what_cannot_be_used_is_counted(tmp_path, genome):
    places = ["chr1 1000 1011 x", "chr1 1000 1011 x", "chr1 2 8 x", "chr1 5010 5020 x", "chr2 3000 3001 y"]
    lines = [place.replace(" ", "\t") for place in [*places, "chr2 4000 4001 y", "chr1 2000 2001 x"]]
    examples, summary = build(tmp_path, genome, "\n".join(lines), label=4, length=101)
    assert examples["id"].tolist() == ["chr1_955_1056", "chr2_2950_3051", "chr2_3950_4051", "chr1_1950_2051"]
    assert summary["cleaning"] == {"duplicates": 1, "outside": 1, "too_many_n": 1}


def test_background_is_clear_of_regions_as_long_and_alike_in_gc(tmp_path, genome):
    rng = np.random.default_rng(1)
    starts = np.concatenate([rng.choice(40, 20, replace=False), 60 + rng.choice(50, 20, replace=False)]) * 100
    regions = [(f"chr{1 + i % 2}", int(s), int(s) + 100) for i, s in enumerate(starts)]
    examples, _ = build(tmp_path, genome, "".join(f"{c}\t{s}\t{e}\n" for c, s, e in regions), background=2)
    own, other = (examples[examples["target"] == name] for name in ("region", "background"))
    assert (len(own), len(other)) == (40, 80) and examples["id"].is_unique
    for row in other.itertuples():
        assert row.end - row.start == 100
        assert not any(row.chrom == c and row.start < e and s < row.end for c, s, e in regions)
    gc = [table["sequence"].map(lambda s: (s.count("G") + s.count("C")) / len(s)).mean() for table in (own, other)]
    assert gc[0] == pytest.approx(gc[1], abs=0.03)  # anywhere on the chromosome the difference would vary by .3
    again, _ = build(tmp_path, genome, "".join(f"{c}\t{s}\t{e}\n" for c, s, e in regions), background=2)
    assert again.equals(examples)


@pytest.mark.parametrize(
    ("bed", "settings", "said"),
    [
        ("chr1 5 10\n", {}, "line 1: has 1 fields, BED has at least 3"),
        ("chr1\t9\t9\n", {}, "line 1: chr1:9-9 holds no base"),
        ("chr9\t5\t10\n", {}, "there is no record 'chr9'; the records are: chr1, chr2"),
        ("chr1\t5\t10\tx\n", {"label": 5}, "line 1: has no column 5; its columns are 1 to 4"),
        ("chr1\t0\t12000\n", {}, "no room for background windows"),
        ("\n", {}, "holds no region that can be used"),
    ],
)
def test_mistakes_are_one_line(tmp_path, genome, bed, settings, said):
    with pytest.raises(InputError) as error:
        build(tmp_path, genome, bed, **settings)
    assert said in str(error.value) and "\n" not in str(error.value)
