"""What a classifier gets right, class by class, as tidy tables: classes.tsv and confusion.tsv."""

import numpy as np
import pandas as pd

CLASS_COLUMNS = ["dataset", "model", "class", "precision", "recall", "f1", "observed", "predicted"]
MOST_WRITTEN = 20  # classes; of more, only the most confused pairs are shown
CONFUSION_COLUMNS = ["dataset", "model", "observed", "predicted", "count", "share"]


def confusion(observed, predicted, n_classes):
    """Counts (observed, predicted) of two arrays of class codes: int array (n_classes, n_classes)."""
    cell = np.asarray(observed, int) * n_classes + np.asarray(predicted, int)
    return np.bincount(cell, minlength=n_classes * n_classes).reshape(n_classes, n_classes)


def class_tables(arrays):
    """Precision and recall of each class, and the confusion matrix, of every model.

    Parameters
    ----------
    arrays : dict of str to dict of arrays
        Dataset -> as `seqlm.report.figure_arrays.prediction_arrays` gives them; those of other targets are passed over.

    Returns
    -------
    classes : DataFrame
        dataset, model, class, precision (share of those predicted as it that are of it; nan where none is), recall
        (share of those of it that are found), f1, observed and predicted (numbers of examples).
    confusion : DataFrame
        dataset, model, observed, predicted, count, share (of the observed class).
    """
    by_class, cells = [], []
    for dataset, own in arrays.items():
        if str(own["target"]) != "class":
            continue
        names = list(map(str, own["classes"]))
        for model, probabilities in zip(map(str, own["models"]), own["prediction"], strict=True):
            counts = confusion(own["observed"], probabilities.argmax(1), len(names))
            observed, predicted, hits = counts.sum(1), counts.sum(0), np.diagonal(counts)
            with np.errstate(divide="ignore", invalid="ignore"):
                measures = hits / predicted, hits / observed, 2 * hits / (observed + predicted)
            by_class += [(dataset, model, *row) for row in zip(names, *measures, observed, predicted, strict=True)]
            cells.append(confusion_cells(dataset, model, names, counts))
    cells = pd.concat(cells, ignore_index=True) if cells else pd.DataFrame(columns=CONFUSION_COLUMNS)
    return pd.DataFrame(by_class, columns=CLASS_COLUMNS), cells


def confusion_cells(dataset, model, names, counts):
    """Counts (observed, predicted) of one model as rows of confusion.tsv."""
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = counts / counts.sum(1, keepdims=True)
    pairs = np.repeat(names, len(names)), np.tile(names, len(names))
    values = dataset, model, *pairs, counts.ravel(), shares.ravel()
    return pd.DataFrame(dict(zip(CONFUSION_COLUMNS, values, strict=True)))


def most_confused(cells, most):
    """The `most` pairs of classes, of each model, that have the most examples of one predicted as the other.

    Parameters
    ----------
    cells : DataFrame
        As the second of `class_tables`.
    most : int

    Returns
    -------
    DataFrame
        Rows of `cells`, those with the most examples first; pairs that are never confused are left out.
    """
    wrong = cells[(cells["observed"] != cells["predicted"]) & (cells["count"] > 0)]
    wrong = wrong.sort_values(["count", "share"], ascending=False, kind="stable")
    return wrong.groupby(["dataset", "model"], sort=False).head(most).reset_index(drop=True)
