"""Metrics as functions of sums over examples, so that resampling groups is one matrix product."""

import numpy as np


class Sums:
    """A metric of one prediction, reduced to sums per group.

    Parameters
    ----------
    metric : str
        A key of `FINISH`.
    sums : array (groups, quantities)
        See `group_sums`.
    """

    def __init__(self, metric, sums):
        self.metric, self.sums = metric, sums

    @classmethod
    def joined(cls, parts):
        """All examples of several predictions as those of one."""
        return cls(parts[0].metric, sum(part.sums for part in parts))

    def value(self):
        """The metric."""
        return float(FINISH[self.metric](self.sums.sum(0)))

    def resampled(self, weights):
        """The metric (replicates,) with every group drawn as often as `weights` (replicates, groups) says."""
        return FINISH[self.metric](weights @ self.sums)

    def left_out(self):
        """The metric (groups,) with each group left out."""
        return FINISH[self.metric](self.sums.sum(0) - self.sums)


def jackknife_error(values):
    """Standard error of a number whose values (groups,) with each group left out are given (Tukey 1958)."""
    n = len(values)
    return float(np.sqrt((n - 1) / n * ((values - values.mean()) ** 2).sum()))


def group_sums(metric, target, y, p, groups, n_groups, shift=0.0):
    """Sums of what `FINISH[metric]` needs, per group.

    Parameters
    ----------
    metric : str
        A key of `FINISH`.
    target : {"track", "scalar", "class"}
    y, p : sequences (examples)
        Observed (class codes for classes) and predicted (tracks, numbers, or probabilities).
    groups : int array (examples,)
        Group of each example, from 0.
    n_groups : int
    shift : float
        Taken off both numbers, which keeps sums of squares accurate.

    Returns
    -------
    array (groups, quantities)
    """
    if target == "class":
        terms = _class_terms(metric, y, p)
    else:
        if metric == "spearman":
            from scipy.stats import rankdata

            middle = (len(y) + 1) / 2
            y, p, shift = rankdata(y), rankdata(p), middle
        if target == "track":
            lengths = np.array([len(row) for row in y])
            groups = np.repeat(groups, lengths)
            y, p = np.concatenate(y), np.concatenate(p)
        terms = _number_terms(metric, np.asarray(y, float) - shift, np.asarray(p, float) - shift)
    return np.stack([np.bincount(groups, term, n_groups) for term in terms], axis=1)


def _number_terms(metric, y, p):
    one = np.ones(len(y))
    if metric in ("pearson", "spearman"):
        return one, y, p, y * y, p * p, y * p
    return one, (y - p) ** 2, y, y * y


def _class_terms(metric, y, p):
    n_classes = p.shape[1]
    if metric == "log_loss":
        picked = np.clip(p[np.arange(len(y)), y] / p.sum(1), np.finfo(np.float32).tiny, 1)
        return np.ones(len(y)), -np.log(picked)
    cell = y * n_classes + p.argmax(1)
    return [(cell == k).astype(float) for k in range(n_classes * n_classes)]


def _finish_correlation(s):
    n, y, p, yy, pp, yp = np.moveaxis(s, -1, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = np.sqrt((n * yy - y * y) * (n * pp - p * p))
        return np.where(scale > 0, (n * yp - y * p) / scale, np.nan)


def _finish_mean(s):
    with np.errstate(divide="ignore", invalid="ignore"):
        return s[..., 1] / s[..., 0]


def _finish_r2(s):
    n, squares, y, yy = np.moveaxis(s, -1, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return 1 - squares / (yy - y * y / n)


def _confusion(s):
    k = int(round(s.shape[-1] ** 0.5))
    return s.reshape(*s.shape[:-1], k, k)


def _finish_accuracy(s):
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.trace(_confusion(s), axis1=-2, axis2=-1) / s.sum(-1)


def _finish_f1(s):
    c = _confusion(s)
    hit, seen = np.diagonal(c, axis1=-2, axis2=-1), c.sum(-1) + c.sum(-2)
    with np.errstate(divide="ignore", invalid="ignore"):
        return (2 * hit / np.where(seen > 0, seen, 1)).sum(-1) / (seen > 0).sum(-1)


def _finish_mcc(s):
    c = _confusion(s)
    true, called, n = c.sum(-1), c.sum(-2), c.sum((-1, -2))
    hit = np.trace(c, axis1=-2, axis2=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = np.sqrt((n * n - (called * called).sum(-1)) * (n * n - (true * true).sum(-1)))
        return np.where(scale > 0, (hit * n - (true * called).sum(-1)) / scale, np.where(n > 0, 0.0, np.nan))


# metric -> function of sums (..., quantities) -> (...)
FINISH = {
    "pearson": _finish_correlation,
    "spearman": _finish_correlation,
    "mse": _finish_mean,
    "r2": _finish_r2,
    "accuracy": _finish_accuracy,
    "f1_macro": _finish_f1,
    "mcc": _finish_mcc,
    "log_loss": _finish_mean,
}
