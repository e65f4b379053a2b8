"""Several models' predictions of the same examples as one.

A weight for each member, none below zero, is learned on the validation part (linear regression with an intercept, so
members of different scale can be joined), or all weigh the same.
"""

import numpy as np
import pandas as pd

from seqlm.common.errors import InputError

WEIGHTS = ("equal", "validation")


def fit_weights(predictions, y, weights="validation"):
    """Weights of the members and an intercept.

    Parameters
    ----------
    predictions : array (members, n)
        Of the validation part.
    y : array (n,)
        Labels, NaN where there is none.
    weights : {"equal", "validation"}

    Returns
    -------
    weight : numpy.ndarray (members,)
    intercept : float
    """
    predictions, y = np.asarray(predictions, np.float64), np.asarray(y, np.float64)
    members = len(predictions)
    if weights == "equal":
        return np.full(members, 1 / members), 0.0
    if weights != "validation":
        raise InputError("ensemble, weights", f"{weights!r} is unknown", f"use one of {', '.join(WEIGHTS)}")
    from scipy.optimize import nnls

    known = ~np.isnan(y)
    if known.sum() <= members:
        raise InputError("ensemble", f"{known.sum()} validation labels for {members} members", "use weights: equal")
    x, y = predictions[:, known], y[known]
    centre = x.mean(1)
    weight = nnls((x - centre[:, None]).T, y - y.mean())[0]
    if not weight.any():
        return np.full(members, 1 / members), 0.0  # no member follows the labels: nothing to choose by
    return weight, float(y.mean() - weight @ centre)


def combine(members, labels, weights="validation", target="scalar"):
    """Predictions of an ensemble on the examples that all members have predicted.

    Parameters
    ----------
    members : list of DataFrame
        Each with columns id, part, prediction, on the same fold: numbers, or class probabilities.
    labels : Series
        Label by id. Those of the test part are not looked at.
    weights : {"equal", "validation"}
        Classes are always averaged with equal weights.
    target : {"scalar", "class"}

    Returns
    -------
    DataFrame
        Columns id, part, prediction.
    numpy.ndarray (members,)
        Weights.
    """
    first = members[0][["id", "part"]].reset_index(drop=True)
    columns = []
    for member in members:
        column = member.set_index("id")["prediction"]
        missing = first.loc[~first["id"].isin(column.index), "id"]
        if len(missing):
            raise InputError(
                "ensemble", f"a member has no prediction for {missing.iloc[0]!r}", "predict the same parts"
            )
        columns.append(np.stack([np.asarray(value, np.float64) for value in column.loc[first["id"]]]))
    stacked = np.stack(columns)
    if target == "class":
        weight = np.full(len(members), 1 / len(members))
        return first.assign(prediction=list(np.tensordot(weight, stacked, 1))), weight
    validation = (first["part"] == "validation").to_numpy()
    y = pd.Series(labels).reindex(first.loc[validation, "id"]).to_numpy(float)
    weight, intercept = fit_weights(stacked[:, validation], y, weights)
    return first.assign(prediction=weight @ stacked + intercept), weight
