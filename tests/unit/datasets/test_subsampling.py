"""Nested parts of the training data, by whole groups."""

import pandas as pd
import pytest

from seqlm.common.errors import InputError
from seqlm.datasets import Dataset
from seqlm.datasets.subsampling import with_fewer_labels


def dataset(n=200, group=4, target="scalar", classes=None):
    labels = [float(i) for i in range(n)] if classes is None else [classes[(i // group) % 5 == 0] for i in range(n)]
    examples = pd.DataFrame({
        "id": [f"e{i}" for i in range(n)], "sequence": "ACGT", "target": labels,
        "group": [f"g{i // group}" for i in range(n)],
    })  # fmt: skip
    part = ["train" if (i // group) % 4 else "test" for i in range(n)]
    folds = pd.DataFrame({"id": examples["id"], "fold": 0, "part": part})
    return Dataset(examples, folds, {"dataset": "d", "target": target, "classes": classes})


def training(data):
    return set(data.folds["id"][data.folds["part"] == "train"])


def test_parts_are_nested_and_made_of_whole_groups():
    data = dataset()
    parts = [training(with_fewer_labels(data, 0, size, seed=3)) for size in (10, 40, 100)]
    assert parts[0] < parts[1] < parts[2] < training(data)
    for size, part in zip((10, 40, 100), parts, strict=True):
        groups = data.examples[data.examples["id"].isin(part)]["group"]
        assert size <= len(part) < size + 4 and (groups.value_counts() == 4).all()


def test_what_is_tested_stays_and_seeds_differ():
    data = dataset()
    fewer = with_fewer_labels(data, 0, 20, seed=1)
    test = data.folds[data.folds["part"] == "test"]
    assert set(fewer.folds["id"][fewer.folds["part"] == "test"]) == set(test["id"])
    assert training(fewer) != training(with_fewer_labels(data, 0, 20, seed=2))
    assert training(fewer) == training(with_fewer_labels(data, 0, 20, seed=1))


def test_a_rare_class_is_there_from_early_on():
    data = dataset(target="class", classes=["common", "rare"])
    few = data.examples[data.examples["id"].isin(training(with_fewer_labels(data, 0, 40)))]
    share = (few["target"] == "rare").mean()
    assert 0.1 < share < 0.35  # a fifth of all


def test_examples_without_a_group_are_units_of_their_own():
    data = dataset()
    data.examples["group"] = None
    assert len(training(with_fewer_labels(data, 0, 21))) == 21


def test_a_size_that_is_not_smaller_is_refused():
    with pytest.raises(InputError, match="150 of 148 labelled training examples is not fewer|not fewer"):
        with_fewer_labels(dataset(), 0, 150)
