"""Metrics, kinds of models, figures and times in the words of a reader. Nothing heavy is imported."""

import math

NAMES = {
    "pearson": "R", "spearman": "Spearman R", "mse": "mean squared error", "r2": "R²", "auprc": "AUPRC",
    "accuracy": "accuracy", "f1_macro": "macro F1", "mcc": "MCC", "auroc": "AUROC", "log_loss": "log loss",
    "ece": "calibration error",
}  # fmt: skip

LANGUAGE, CONTROL = "language model", "untrained control"
# Families of models; the rivals are those that a study sets against each other.
LANGUAGE_FAMILY, NETWORK_FAMILY, LINEAR_FAMILY = "language models", "networks from scratch", "linear models"
RIVALS = (LANGUAGE_FAMILY, NETWORK_FAMILY, LINEAR_FAMILY)
CONTROL_FAMILY, ENSEMBLE_FAMILY = "untrained controls", "ensembles"


def number(value, digits=3):
    """A figure as a reader wants it: three decimals, a typographic minus sign, "n/a" for nan."""
    return "n/a" if value is None or not math.isfinite(value) else f"{value:.{digits}f}".replace("-", "−")


def duration(seconds):
    """Seconds in words: 42 s, 3 min 20 s, 2 h 5 min."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
