"""How sure a classifier is of each prediction."""

import numpy as np
import pandas as pd


def confidence(probabilities, classes=None):
    """Predicted class and three measures of confidence.

    Parameters
    ----------
    probabilities : array (N, K)
        Rows sum to 1.
    classes : list of str, optional
        Class names; numbers when missing.

    Returns
    -------
    pandas.DataFrame
        ``predicted``; ``max_probability``; ``entropy`` in nats (0 when certain, log K when clueless); ``margin``, the
        lead of the most over the second most probable class.
    """
    p = np.asarray(probabilities, np.float64)
    best = p.argmax(1)
    top = np.sort(p, axis=1)[:, ::-1]
    return pd.DataFrame(
        {
            "predicted": best if classes is None else np.asarray(classes)[best],
            "max_probability": top[:, 0],
            "entropy": -(p * np.log(np.where(p > 0, p, 1))).sum(1),
            "margin": top[:, 0] - (top[:, 1] if p.shape[1] > 1 else 0),
        }
    )
