"""Planted leaks are found and named, clean parts give none, and duplicates go when asked to."""

import tracemalloc

import numpy as np
import pandas as pd
import pytest

from seqlm.datasets.separation.duplicates import drop_duplicates
from seqlm.datasets.separation.leakage import corpus_leaks, training_leaks
from seqlm.sequences import reverse_complement


def random_dna(rng, length=300):
    return "".join(rng.choice(list("ACGT"), length))


def mutated(rng, sequence, fraction):
    letters = np.array(list(sequence))
    place = rng.choice(len(letters), round(fraction * len(letters)), replace=False)
    for i in place:
        letters[i] = rng.choice([base for base in "ACGT" if base != letters[i]])
    return "".join(letters)


def planted(rng):
    """Sixty training examples and sixty tested ones, of which ten each are copies of some kind."""
    train = [random_dna(rng) for _ in range(60)]
    test = [random_dna(rng) for _ in range(60)]
    test[:10] = train[:10]
    test[10:20] = [reverse_complement(one) for one in train[10:20]]
    test[20:30] = [mutated(rng, one, 0.1) for one in train[20:30]]
    test[30:40] = [reverse_complement(mutated(rng, one, 0.1)) for one in train[30:40]]
    expected = ["identical"] * 10 + ["reverse complement"] * 10 + ["similar"] * 20
    ids = [f"x{i}" for i in range(120)]
    examples = pd.DataFrame({"id": ids, "sequence": train + test, "target": rng.normal(size=120)})
    folds = pd.DataFrame({"id": ids, "fold": 0, "part": ["train"] * 60 + ["test"] * 60})
    return examples, folds, dict(zip(ids[60:100], expected, strict=True))


def test_each_kind_of_planted_leak_is_found_and_named():
    examples, folds, expected = planted(np.random.default_rng(0))
    found = training_leaks(examples, folds)
    assert dict(zip(found["id"], found["kind"], strict=True)) == expected
    assert (found["against"] == "training").all()


def test_overlapping_windows_are_told_from_similar_places():
    rng = np.random.default_rng(1)
    genome = random_dna(rng, 3000)
    starts = [0, 150, 1000, 1400]
    windows = [genome[start : start + 300] for start in starts] + [mutated(rng, genome[1000:1300], 0.02)]
    examples = pd.DataFrame({
        "id": list("abcde"), "sequence": windows, "chrom": "chr1", "start": [*starts, 2500],
        "end": [*(start + 300 for start in starts), 2800],
    })  # fmt: skip
    folds = pd.DataFrame({"id": list("abcde"), "fold": 0, "part": ["train", "test", "train", "test", "test"]})
    found = training_leaks(examples, folds).set_index("id")["kind"]
    assert found.to_dict() == {"b": "overlapping", "e": "similar"}


def test_what_a_language_model_has_read_is_found_on_both_strands():
    examples, folds, _ = planted(np.random.default_rng(2))
    test = examples["sequence"].tolist()[60:]
    pieces = [
        random_dna(np.random.default_rng(3)) + test[41] + "ACGT",
        "N",
        reverse_complement(test[42]),
        "",
        test[43][:100],
    ]
    found = corpus_leaks(examples, folds, iter(pieces), "gpt").set_index("id")
    assert found["kind"].to_dict() == {"x101": "contained", "x102": "contained", "x103": "similar"}
    assert (found["against"] == "gpt").all()


def test_duplicates_of_other_groups_go_and_contradicting_classes_all():
    rng = np.random.default_rng(4)
    a, b, c = (random_dna(rng, 40) for _ in range(3))
    examples = pd.DataFrame({
        "id": list("abcdefg"), "sequence": [a, a, a, reverse_complement(a), b, reverse_complement(b), c],
        "group": ["g", "g", "h", "i", "g", "h", "g"], "target": ["x", "x", "x", "x", "x", "y", "y"],
    })  # fmt: skip
    kept, counts = drop_duplicates(examples, "class")
    assert kept["id"].tolist() == ["a", "b", "g"]
    assert counts == {"duplicates": 2, "contradicting_duplicates": 2}
    kept, counts = drop_duplicates(examples.assign(target=1.0), "scalar")
    assert kept["id"].tolist() == ["a", "b", "e", "g"]
    assert drop_duplicates(examples.drop(columns="group"), "scalar")[0]["id"].tolist() == ["a", "e", "g"]
    assert drop_duplicates(examples.iloc[[0, 1, 6]], "class")[1] == {}


def test_drawn_examples_stay_before_those_for_training_only():
    examples = pd.DataFrame({"id": ["more", "drawn"], "sequence": "ACGT", "training_only": [True, False]})
    assert drop_duplicates(examples, "scalar")[0]["id"].tolist() == ["drawn"]


@pytest.mark.slow
def test_memory_stays_flat_with_many_training_examples():
    """A repeat that all have makes everything similar to everything: the worst case."""
    rng = np.random.default_rng(5)
    bases = np.array(list("ACGT"))
    peaks = []
    for n in (5000, 20000):
        rows = bases[rng.integers(0, 4, (n, 300))]
        rows[:, :50] = "A"
        examples = pd.DataFrame({"id": [f"x{i}" for i in range(n)], "sequence": ["".join(row) for row in rows]})
        part = np.where(np.arange(n) < 2000, "test", "train")
        tracemalloc.start()
        training_leaks(examples, pd.DataFrame({"id": examples["id"], "fold": 0, "part": part}))
        peaks.append(tracemalloc.get_traced_memory()[1] / 1e6)
        tracemalloc.stop()
    assert max(peaks) < 400
    assert peaks[1] < 1.5 * peaks[0]
