"""Models compared at several numbers of labels: rankings can turn with them."""

import pandas as pd

from seqlm.common.tables import place_of, read_table, training_size_of
from seqlm.evaluation.contest.comparison import compare


def compare_sizes(data, paths, sizes, **options):
    """Intervals and comparisons at each training size.

    Parameters
    ----------
    data : Dataset
    paths : list of path
        Predictions; their places say size, model, fold and seed.
    sizes : list of int or "all"
    **options
        Of `seqlm.evaluation.contest.comparison.compare`.

    Returns
    -------
    intervals, comparisons : DataFrame
        As `compare` returns them, with columns dataset, size and labels (how many examples that is, mean over folds)
        in front, fewest labels first.
    """
    by_size = {}
    for path in paths:
        by_size.setdefault(training_size_of(path), []).append(path)
    labelled = data.examples["id"][data.examples["target"].notna()]
    training = data.folds[(data.folds["part"] == "train") & data.folds["id"].isin(labelled)]
    every = training.groupby("fold").size().mean()
    tables = []
    for size in sorted(sizes, key=lambda size: every if size == "all" else size):
        predictions = ((p["model"], p["fold"], p["seed"], read_table(path, ["id", "prediction"])) for path in
                       by_size[size] for p in [place_of(path)])  # fmt: skip
        found = compare(data.examples, data.folds, predictions, data.target, data.classes, **options)
        for table in found:
            table.insert(0, "labels", every if size == "all" else size)
            table.insert(0, "size", str(size))
            table.insert(0, "dataset", data.summary["dataset"])
        tables.append(found)
    return tuple(pd.concat(parts, ignore_index=True) for parts in zip(*tables, strict=True))
