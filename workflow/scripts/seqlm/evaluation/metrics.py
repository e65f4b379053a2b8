"""How good predictions are: one number per metric over a whole part, never a mean of batches.

Metrics that are undefined (a constant input, a single class, nothing labelled) are ``nan`` with one warning line.
"""

import logging

import numpy as np

from seqlm.common.errors import InputError

log = logging.getLogger("seqlm")

METRICS = {
    "track": ("pearson", "spearman", "mse", "r2", "auprc"),
    "scalar": ("pearson", "spearman", "mse", "r2"),
    "class": ("accuracy", "f1_macro", "mcc", "auroc", "auprc", "log_loss", "ece"),
}
LOWER_IS_BETTER = frozenset({"mse", "log_loss", "ece"})


def evaluate(target, y, prediction, classes=None, weight=None):
    """Score predictions against observed values.

    Parameters
    ----------
    target : {"track", "scalar", "class"}
    y : sequence
        Observed: for tracks a sequence of arrays (or one (n, L) array), for scalars n floats (nan = unlabelled,
        left out), for classes n labels (None or nan = unlabelled, left out).
    prediction : sequence
        Of the same shape as `y`; for classes probabilities, shape (n, number of classes).
    classes : list of str
        Names of the columns of `prediction` (class targets only).
    weight : sequence of float, optional
        One weight per example; a track's weight counts for each of its bases.

    Returns
    -------
    dict of str to float
        The metrics of `METRICS[target]`, in that order.

    Raises
    ------
    InputError
        When shapes disagree, the target is unknown, or a label is not one of `classes`.
    """
    if target not in METRICS:
        raise InputError("evaluate", f"unknown target {target!r}", f"use one of {', '.join(METRICS)}")
    if len(y) != len(prediction):
        raise InputError(
            "evaluate", f"{len(y)} observed and {len(prediction)} predicted", "give one prediction per example"
        )
    if weight is not None and len(weight) != len(y):
        raise InputError("evaluate", f"{len(y)} examples and {len(weight)} weights", "give one weight per example")
    if target == "class":
        values = _evaluate_classes(y, prediction, classes, weight)
    else:
        values = _evaluate_numbers(target, y, prediction, weight)
    undefined = [name for name in METRICS[target] if not np.isfinite(values[name])]
    if undefined:
        log.warning(
            "seqlm: %s undefined on %d examples (constant, one class only or empty): written as nan",
            ", ".join(undefined),
            len(y),
        )
    return {name: float(values[name]) for name in METRICS[target]}


def _evaluate_numbers(target, y, prediction, weight):
    if target == "track":
        lengths = [len(row) for row in y]
        if lengths != [len(row) for row in prediction]:
            raise InputError(
                "evaluate", "a predicted track is not as long as the observed one", "predict one value per base"
            )
        weight = None if weight is None else np.repeat(np.asarray(weight, float), lengths)
        y, prediction = flatten(y), flatten(prediction)
    else:
        y, prediction = np.asarray(y, float), np.asarray(prediction, float)
        if prediction.shape != y.shape:
            raise InputError(
                "evaluate", f"shapes {y.shape} and {prediction.shape} differ", "predict one value per example"
            )
    weight = np.ones(len(y)) if weight is None else np.asarray(weight, float)
    labelled = np.isfinite(y)
    y, prediction, weight = y[labelled], prediction[labelled], weight[labelled]
    values = {
        "pearson": pearson(y, prediction, weight),
        "spearman": spearman(y, prediction, weight),
        "mse": mean_squared_error(y, prediction, weight),
        "r2": r_squared(y, prediction, weight),
    }
    if target == "track":
        values["auprc"] = average_precision(y != 0, prediction, weight)
    return values


def _evaluate_classes(y, probabilities, classes, weight):
    from sklearn.metrics import f1_score, matthews_corrcoef

    probabilities = np.asarray(probabilities, float)
    if classes is None or probabilities.ndim != 2 or probabilities.shape[1] != len(classes):
        raise InputError(
            "evaluate",
            f"probabilities of shape {probabilities.shape} for classes {classes}",
            "give one column per class",
        )
    y, labelled = class_codes(y, classes)
    weight = np.ones(len(y)) if weight is None else np.asarray(weight, float)
    y, probabilities, weight = y[labelled], probabilities[labelled], weight[labelled]
    if len(y) == 0:
        return dict.fromkeys(METRICS["class"], np.nan)
    called = probabilities.argmax(1)
    picked = np.clip(probabilities[np.arange(len(y)), y] / probabilities.sum(1), np.finfo(np.float32).tiny, 1)
    several = len(np.unique(y)) > 1
    return {
        "accuracy": np.average(called == y, weights=weight),
        "f1_macro": f1_score(y, called, average="macro", sample_weight=weight, zero_division=0),
        "mcc": matthews_corrcoef(y, called, sample_weight=weight) if several else np.nan,
        "auroc": _over_classes(_auroc, y, probabilities, weight),
        "auprc": _over_classes(average_precision, y, probabilities, weight),
        "log_loss": -np.average(np.log(picked), weights=weight),
        "ece": expected_calibration_error(y, probabilities, weight=weight),
    }


def class_codes(y, classes):
    """Column numbers of labels: (codes, labelled), both of length n; unlabelled examples get code -1."""
    import pandas as pd

    y = pd.Series(list(y), dtype=object)
    codes = pd.Categorical(y.where(y.isna(), y.astype(str)), categories=[str(name) for name in classes]).codes.astype(
        int
    )
    strange = y[(codes < 0) & y.notna().to_numpy()]
    if len(strange):
        known = ", ".join(map(str, classes))
        raise InputError(
            "evaluate",
            f"label {strange.iloc[0]!r} is not one of the classes {known}",
            "train and test on the same classes",
        )
    return codes, codes >= 0


def flatten(tracks):
    """One float64 array of all values of a sequence of arrays."""
    if len(tracks) == 0:
        return np.zeros(0)
    return np.concatenate([np.asarray(row, float).ravel() for row in tracks])


def pearson(y, prediction, weight=None):
    """Pearson correlation over all values (nan when either side is constant)."""
    y, prediction = np.asarray(y, float), np.asarray(prediction, float)
    if len(y) < 2 or np.ptp(y) == 0 or np.ptp(prediction) == 0:
        return np.nan
    y, prediction = y - np.average(y, weights=weight), prediction - np.average(prediction, weights=weight)
    weight = np.ones(len(y)) if weight is None else weight
    scale = np.sqrt((weight * y * y).sum()) * np.sqrt((weight * prediction * prediction).sum())
    return (weight * y * prediction).sum() / scale if scale > 0 else np.nan


def spearman(y, prediction, weight=None):
    """Pearson correlation of mid-ranks."""
    from scipy.stats import rankdata

    return pearson(rankdata(y), rankdata(prediction), weight) if len(y) else np.nan


def mean_squared_error(y, prediction, weight=None):
    """Mean squared error (nan when empty)."""
    return np.average((np.asarray(y) - prediction) ** 2, weights=weight) if len(y) else np.nan


def r_squared(y, prediction, weight=None):
    """Share of the variance of `y` explained: 1 - MSE / variance; negative when worse than the mean."""
    if len(y) < 2 or np.ptp(y) == 0:
        return np.nan
    variance = np.average((y - np.average(y, weights=weight)) ** 2, weights=weight)
    return 1 - mean_squared_error(y, prediction, weight) / variance


def average_precision(positive, score, weight=None):
    """Area under precision-recall as the step-wise sum (nan without any positive or any negative)."""
    from sklearn.metrics import average_precision_score

    positive = np.asarray(positive, bool)
    if positive.all() or not positive.any():
        return np.nan
    return average_precision_score(positive, score, sample_weight=weight)


def _auroc(positive, score, weight=None):
    from sklearn.metrics import roc_auc_score

    return roc_auc_score(positive, score, sample_weight=weight) if 0 < np.sum(positive) < len(positive) else np.nan


def _over_classes(measure, y, probabilities, weight):
    """Two classes: the second against the first. More: the mean of one class against the rest."""
    if probabilities.shape[1] == 2:
        return measure(y == 1, probabilities[:, 1], weight)
    return np.mean([measure(y == k, probabilities[:, k], weight) for k in range(probabilities.shape[1])])


def reliability(y, probabilities, bins=15, weight=None):
    """Confidence against accuracy in equal-width bins of the highest probability.

    Parameters
    ----------
    y : int array, shape (n,)
        Codes of the observed classes.
    probabilities : array, shape (n, number of classes)

    Returns
    -------
    confidence, accuracy, share : arrays, shape (bins,)
        Mean confidence and accuracy (nan in empty bins) and the share of the (weighted) examples in each bin.
    """
    probabilities = np.asarray(probabilities, float)
    weight = np.ones(len(y)) if weight is None else np.asarray(weight, float)
    top = probabilities.max(1)
    place = np.clip(np.ceil(top * bins).astype(int) - 1, 0, bins - 1)
    total = np.bincount(place, weight, bins)
    filled = np.where(total > 0, total, np.nan)
    confidence = np.bincount(place, weight * top, bins) / filled
    accuracy = np.bincount(place, weight * (probabilities.argmax(1) == y), bins) / filled
    return confidence, accuracy, total / total.sum()


def expected_calibration_error(y, probabilities, bins=15, weight=None):
    """Mean gap between confidence and accuracy over the bins of `reliability` (Guo et al. 2017)."""
    confidence, accuracy, share = reliability(y, probabilities, bins, weight)
    return float(np.nansum(share * np.abs(confidence - accuracy)))
