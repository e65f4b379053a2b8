"""Temperature scaling (Guo et al. 2017): one number, fitted on validation data, that makes probabilities honest.

Logits are divided by the temperature, so the predicted class never changes. Fitting it on test data would hide
overconfidence, therefore functions here take the two parts apart.
"""

import numpy as np
import pandas as pd

from seqlm.metrics import expected_calibration_error

_SMALLEST = 1e-12  # probability that stands in for zero


def fit_temperature(probabilities, y):
    """The temperature that minimises the log loss.

    Parameters
    ----------
    probabilities : array (N, K)
        Of the validation part.
    y : int array (N,)
        True class codes.

    Returns
    -------
    float
        Above 1 for a model that is too sure of itself. Between 0.05 and 20.
    """
    from scipy.optimize import minimize_scalar

    p, y = np.asarray(probabilities, np.float64), np.asarray(y)
    found = minimize_scalar(lambda t: log_loss(rescale(p, np.exp(t)), y), bounds=np.log([0.05, 20]), method="bounded")
    return float(np.exp(found.x))


def rescale(probabilities, temperature):
    """Probabilities (N, K) at another temperature."""
    from scipy.special import softmax

    return softmax(np.log(np.clip(np.asarray(probabilities, np.float64), _SMALLEST, 1)) / temperature, axis=1)


def log_loss(probabilities, y):
    """Mean negative log probability of the true class, in nats."""
    p = np.asarray(probabilities)[np.arange(len(y)), y]
    return float(-np.log(np.clip(p, _SMALLEST, 1)).mean())


def calibrate(validation, test, bins=15):
    """Fit on one part, judge on the other.

    Parameters
    ----------
    validation, test : tuple
        Probabilities (N, K) and true class codes (N,).
    bins : int
        Of the expected calibration error.

    Returns
    -------
    temperature : float
    table : pandas.DataFrame
        Columns part, metric (``ece``, ``log_loss``), before, after.
    """
    temperature = fit_temperature(*validation)
    measures = {"ece": lambda p, y: expected_calibration_error(y, p, bins), "log_loss": log_loss}
    rows = []
    for part, (p, y) in (("validation", validation), ("test", test)):
        after = rescale(p, temperature)
        rows += [(part, name, measure(np.asarray(p), y), measure(after, y)) for name, measure in measures.items()]
    return temperature, pd.DataFrame(rows, columns=["part", "metric", "before", "after"])
