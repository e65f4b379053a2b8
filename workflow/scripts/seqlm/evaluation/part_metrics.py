"""Metrics of predictions, part by part."""

import numpy as np
import pandas as pd

from seqlm.evaluation.calibration import calibration_rows
from seqlm.evaluation.metrics import evaluate


def part_metrics(predictions, labels, target, classes=None):
    """Metrics of each part, for classes with those of calibration: DataFrame with part, metric, value.

    Examples without a label are left out.

    Parameters
    ----------
    predictions : DataFrame
        Columns id, part, prediction.
    labels : Series
        Label by id.
    target : {"track", "scalar", "class"}
    classes : list of str, optional
    """
    rows, parts = [], {}
    for part, own in predictions.groupby("part", sort=False):
        y = labels.reindex(own["id"])
        known = y.notna().to_numpy()
        if known.any():
            values = evaluate(target, y[known].tolist(), own["prediction"][known].tolist(), classes)
            rows += [(part, metric, value) for metric, value in values.items()]
            if target == "class":
                parts[part] = np.stack(own["prediction"][known]), y[known].map(list(classes).index).to_numpy(int)
    if {"validation", "test"} <= set(parts):
        rows += calibration_rows(parts["validation"], parts["test"])
    return pd.DataFrame(rows, columns=["part", "metric", "value"])
