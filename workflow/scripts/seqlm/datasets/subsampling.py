"""Smaller training parts: nested, by whole groups, so that a model can be asked how many labels it needs."""

import zlib
from dataclasses import replace

import numpy as np
import pandas as pd

from seqlm.common.errors import InputError
from seqlm.datasets.separation.groups import known_groups


def with_fewer_labels(data, fold, size, seed=0):
    """A dataset whose fold trains on about `size` of its labelled examples.

    Groups are put in a random order once and taken from its front until there are `size` examples, so that a smaller
    part lies within every larger one of the same seed. The last group is taken whole. For classes the order gives each
    class its share early: groups of the classes take turns.

    Parameters
    ----------
    data : Dataset
        With folds.
    fold : int
    size : int
        Labelled examples to train on; validation and test parts are as they were.
    seed : int

    Returns
    -------
    Dataset

    Raises
    ------
    InputError
        When the fold has no more than `size` labelled training examples.
    """
    own = data.folds["fold"] == fold
    training = data.folds["id"][own & (data.folds["part"] == "train")]
    examples = data.examples[data.examples["id"].isin(training) & data.examples["target"].notna()]
    if len(examples) <= size:
        place = f"training_sizes, {data.summary.get('dataset', 'dataset')} fold {fold}"
        problem = f"{size} of {len(examples)} labelled training examples is not fewer"
        raise InputError(place, problem, "leave this size out; `all` stands for the whole part")
    group = _groups(examples, data.folds[own])
    order = _order(group, examples["target"] if data.target == "class" else None, seed)
    counts = group.value_counts()[order].cumsum()
    taken = set(order[: int(np.searchsorted(counts.to_numpy(), size)) + 1])
    kept = set(examples["id"][group.isin(taken).to_numpy()])
    folds = data.folds[~(own & (data.folds["part"] == "train")) | data.folds["id"].isin(kept)]
    return replace(data, folds=folds[folds["fold"] == fold].reset_index(drop=True))


def _groups(examples, folds):
    """The unit of each example as text: its cluster, its group, or the example itself."""
    if "cluster" in folds:
        group = examples["id"].map(folds.set_index("id")["cluster"])
    else:
        group = examples["group"] if "group" in examples else pd.Series(None, index=examples.index, dtype=object)
    alone = "example " + examples["id"]
    return group.astype(str).where(known_groups(group), alone)


def _order(group, classes, seed):
    """Groups in the order in which they are taken: by a hash of their names, so that other groups change nothing."""
    names = group.drop_duplicates().tolist()
    place = {name: zlib.crc32(f"{seed} {name}".encode()) for name in names}
    names.sort(key=place.get)
    if classes is None:
        return names
    main = classes.groupby(group.to_numpy()).agg(lambda labels: labels.value_counts().sort_index().idxmax())
    turn, key = {}, {}
    share = main.value_counts(normalize=True)
    for name in names:
        turn[main[name]] = turn.get(main[name], 0) + 1
        key[name] = (turn[main[name]] - 0.5) / share[main[name]]  # a class half as common comes half as often
    return sorted(names, key=key.get)
