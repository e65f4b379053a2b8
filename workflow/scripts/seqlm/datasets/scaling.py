"""Scaling of scalar labels: fitted on the training part alone, saved with the model, inverted on output.

A scaling is a plain dict, kept in a bundle's ``config.json`` as ``label_scaling``:

========  =======================================  ====================
kind      scaled label                             refuses
========  =======================================  ====================
none      y                                        nothing
standard  (y - mean) / std                         nothing
minmax    (y - min) / (max - min)                  nothing
log       standard of ln(y)                        training labels <= 0
========  =======================================  ====================
"""

import numpy as np

from seqlm.common.errors import InputError

KINDS = ("none", "standard", "minmax", "log")


def fit_scaling(labels, kind="standard"):
    """Learn how to scale labels.

    Parameters
    ----------
    labels : array (n,)
        Labels of the training part; NaN (not known) is left out.
    kind : {"none", "standard", "minmax", "log"}

    Returns
    -------
    dict
        kind, offset and scale: the scaled label is ``(y - offset) / scale``, of ``ln(y)`` for "log".

    Raises
    ------
    InputError
        If the kind is unknown, no label is known, or "log" meets a label that is not positive.
    """
    if kind not in KINDS:
        raise InputError("label_scaling", f"{kind!r} is unknown", f"use one of {', '.join(KINDS)}")
    known = np.asarray(labels, np.float64)
    known = known[~np.isnan(known)]
    if not len(known):
        raise InputError("label_scaling", "the training part has no label", "check the label column and the folds")
    if kind == "none":
        return {"kind": kind, "offset": 0.0, "scale": 1.0}
    if kind == "log":
        if known.min() <= 0:
            raise InputError("label_scaling log", f"a training label is {known.min():g}", "use standard or minmax")
        known = np.log(known)
    offset, scale = (known.min(), np.ptp(known)) if kind == "minmax" else (known.mean(), known.std())
    return {"kind": kind, "offset": float(offset), "scale": float(scale) or 1.0}  # all labels alike: nothing to divide


def scale_labels(labels, scaling):
    """Labels in the units a model is trained in; `scaling` None leaves them. "log" makes labels <= 0 NaN."""
    y = np.asarray(labels, np.float64)
    if scaling is None:
        return y
    if scaling["kind"] == "log":
        y = np.log(np.where(y > 0, y, np.nan))
    return (y - scaling["offset"]) / scaling["scale"]


def unscale(values, scaling):
    """A model's output in the labels' own units: the inverse of `scale_labels`, for arrays and tensors alike."""
    if scaling is None:
        return values
    values = values * scaling["scale"] + scaling["offset"]
    if scaling["kind"] != "log":
        return values
    return values.exp() if hasattr(values, "exp") else np.exp(values)
