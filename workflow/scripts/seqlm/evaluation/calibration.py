"""Temperature scaling (Guo et al. 2017): one number, fitted on validation data, that makes probabilities honest.

Logits are divided by the temperature, so the predicted class never changes. Fitting it on test data would hide
overconfidence, therefore functions here take the two parts apart.
"""

import numpy as np

from seqlm.evaluation.metrics import expected_calibration_error

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


def calibration_rows(validation, test, bins=15):
    """Fit on one part, judge on the other, as rows of a table of metrics.

    Parameters
    ----------
    validation, test : tuple
        Probabilities (N, K) and true class codes (N,).
    bins : int
        Of the expected calibration error.

    Returns
    -------
    list of (part, metric, value)
        ``temperature`` of validation; ``ece_calibrated`` and ``log_loss_calibrated`` of test.
    """
    temperature = fit_temperature(*validation)
    after, y = rescale(test[0], temperature), test[1]
    return [
        ("validation", "temperature", temperature),
        ("test", "ece_calibrated", expected_calibration_error(y, after, bins)),
        ("test", "log_loss_calibrated", log_loss(after, y)),
    ]
