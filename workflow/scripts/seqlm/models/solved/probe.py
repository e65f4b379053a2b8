"""Linear probes: logistic or ridge regression on fixed features, its strength chosen by cross-validation over groups.

Features are standardised (on the rows that are fitted, so never on held-out ones), which is what lets the solver
converge; windows of one gene always fall on one side of a split, so that the chosen strength is not the one that
remembers genes best.
"""

import logging
from dataclasses import dataclass, field

import numpy as np
from scipy.sparse import csr_array, diags_array, issparse

STRENGTHS = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 1.0)
PENALTIES = (1.0, 10.0, 100.0, 300.0, 1e3, 3e3, 1e4, 1e5)
log = logging.getLogger(__name__)


@dataclass
class LinearFit:
    """A standardising linear map: ``(X - center) / scale @ weight.T + bias``.

    Attributes
    ----------
    center, scale : numpy.ndarray (D,)
    weight : numpy.ndarray (K, D)
        K classes, or 1 for a scalar.
    bias : numpy.ndarray (K,)
    strength : float
        The chosen inverse penalty C (logistic) or penalty (ridge).
    converged : bool
    cross_validation : list of dict
        strength, fold, loss (nats per example, or mean squared error), score (accuracy, or R2).
    """

    center: np.ndarray
    scale: np.ndarray
    weight: np.ndarray
    bias: np.ndarray
    strength: float
    converged: bool = True
    cross_validation: list = field(default_factory=list)

    def predict(self, X):
        """Logits (N, K), or values (N, 1); `X` may be sparse."""
        weight = (self.weight / self.scale).T.astype(np.float64)
        if not issparse(X):
            return (np.asarray(X, np.float64) - self.center) @ weight + self.bias
        return X @ weight + (self.bias - self.center @ weight)

    def probabilities(self, X):
        """Class probabilities (N, K)."""
        from scipy.special import softmax

        return softmax(self.predict(X), axis=1)


def fit_logistic(X, y, n_classes, groups=None, weight=None, strengths=STRENGTHS, splits=5, max_iter=2000, seed=0):
    """Multinomial logistic regression.

    Parameters
    ----------
    X : numpy.ndarray (N, D), or scipy.sparse.csr_array
        Sparse features are scaled but not centred, which with an intercept gives the same model.
    y : numpy.ndarray (N,), int
        Class codes in [0, n_classes).
    n_classes : int
    groups : sequence (N,), optional
        Rows of one group (gene) are never split in cross-validation.
    weight : numpy.ndarray (N,), optional
    strengths : sequence of float
        Inverse penalties C to choose from by cross-validated log loss; a single one skips cross-validation.
    splits : int
    max_iter : int
        Of L-BFGS; a fit that ends there is reported by ``converged`` and in the log.
    seed : int
        Of the splits.

    Returns
    -------
    LinearFit
    """

    def fit(rows, strength, start=None):
        chosen = None if weight is None else weight[rows]
        return _logistic(X[rows], y[rows], n_classes, chosen, strength, max_iter, start)

    def judge(model, rows):
        p = np.clip(model.probabilities(X[rows]), 1e-12, 1)
        return -np.log(p[np.arange(len(p)), y[rows]]).mean(), (p.argmax(1) == y[rows]).mean()

    # Single precision is three times as fast, and no less accurate than the data.
    X, y, weight = _features(X, np.float32), np.asarray(y), _as_array(weight)
    return _choose(fit, judge, _splits(y, groups, splits, seed, classes=True), sorted(strengths), len(y))


def fit_ridge(X, y, groups=None, weight=None, strengths=PENALTIES, splits=5, seed=0):
    """Ridge regression of a scalar; parameters and result as `fit_logistic`."""

    def fit(rows, strength, start=None):
        return _ridge(X[rows], y[rows], None if weight is None else weight[rows], strength)

    def judge(model, rows):
        error = ((model.predict(X[rows])[:, 0] - y[rows]) ** 2).mean()
        return error, 1 - error / max(y[rows].var(), 1e-12)

    X, y, weight = _features(X, np.float64), np.asarray(y, np.float64), _as_array(weight)
    return _choose(fit, judge, _splits(y, groups, splits, seed, classes=False), sorted(strengths, reverse=True), len(y))


def fit_head(model, sequences, y, groups=None, weight=None, seed=0, positions=2**14):
    """Fit the linear head of a `seqlm.models.language.backbone.BackboneModel` on its frozen backbone, in place.

    Parameters
    ----------
    model : BackboneModel
        With ``head="linear"``, for a class or scalar target.
    sequences : list of str
    y : array (N,)
        Class codes, or (scaled) values.
    groups, weight, seed
        See `fit_logistic`.
    positions : int
        Tokens in one batch.

    Returns
    -------
    LinearFit
    """
    import torch

    X = model.encode(sequences)
    with torch.no_grad():
        model.eval()
        parts = X.split(max(1, positions // X.shape[1]))
        features = torch.cat([model.features(part, pooled=True) for part in parts]).numpy()
    if model.config.target == "class":
        fit = fit_logistic(features, y, model.config.n_outputs, groups, weight, seed=seed)
    else:
        fit = fit_ridge(features, y, groups, weight, seed=seed)
    copy_fit(model.head, fit)
    return fit


def solve(target, X, y, n_classes, groups=None, weight=None, **options):
    """`fit_logistic` for classes, else `fit_ridge`."""
    if target == "class":
        return fit_logistic(X, y, n_classes, groups, weight, **options)
    return fit_ridge(X, y, groups, weight, **options)


def copy_fit(model, fit):
    """Put a `LinearFit` into a module with center, scale and a layer `linear`; its config remembers the choice."""
    import torch

    for into, values in (
        (model.center, fit.center),
        (model.scale, fit.scale),
        (model.linear.weight, fit.weight),
        (model.linear.bias, fit.bias),
    ):
        into.data.copy_(torch.from_numpy(np.asarray(values)))
    if hasattr(model, "config"):
        model.config.strength, model.config.cross_validation = float(fit.strength), fit.cross_validation
    return model


def _features(X, dtype):
    return csr_array(X, dtype=dtype) if issparse(X) else np.asarray(X, dtype)


def _as_array(weight):
    return None if weight is None else np.asarray(weight, np.float64)


def _splits(y, groups, splits, seed, classes):
    """Cross-validation splits (lists of training and held-out rows), whole groups together."""
    from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold

    if groups is not None and len(set(groups)) < 2:
        groups = None
    units = len(y) if groups is None else len(set(groups))
    if classes:
        units = min(units, np.bincount(y)[np.unique(y)].max())
        kind = StratifiedKFold if groups is None else StratifiedGroupKFold
    else:
        kind = KFold if groups is None else GroupKFold
    splits = min(splits, units)
    if splits < 2:
        return []
    return list(kind(splits, shuffle=True, random_state=seed).split(np.zeros(len(y)), y, groups))


def _choose(fit, judge, splits, strengths, n):
    """Fit on all rows with the strength of the lowest mean held-out loss.

    Strengths come from the strongest regularisation to the weakest. Each fit starts from the one before, and once two
    in a row are worse than the best, weaker ones (which take longest) are not tried.
    """
    from threadpoolctl import threadpool_limits

    table, mean = [], {}
    with threadpool_limits(1):  # the matrices are small: threads would wait for each other
        fits = [None] * len(splits)
        for strength in strengths if len(strengths) > 1 and splits else ():
            for i, (train, held_out) in enumerate(splits):
                fits[i] = fit(train, strength, fits[i])
                loss, score = judge(fits[i], held_out)
                table.append({"strength": strength, "fold": i, "loss": float(loss), "score": float(score)})
            mean[strength] = np.mean([row["loss"] for row in table[-len(splits) :]])
            if len(mean) > 2 and min(list(mean.values())[-2:]) > min(mean.values()):
                break
        best = min(mean, key=mean.get) if mean else strengths[len(strengths) // 2]
        chosen = fit(np.arange(n), best)
    chosen.cross_validation = table
    if not chosen.converged:
        log.warning("the linear fit did not converge; its figures are a lower bound")
    return chosen


def _logistic(X, y, n_classes, weight, strength, max_iter, start):
    import warnings

    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    center, scale = _standardise(X, weight)
    present = np.unique(y)
    if len(present) == 1:
        bias = np.where(np.arange(n_classes) == present[0], 0.0, -30.0)
        return LinearFit(center, scale, np.zeros((n_classes, X.shape[1])), bias, strength)
    model = LogisticRegression(C=strength, max_iter=max_iter, warm_start=start is not None and len(present) > 2)
    if model.warm_start:
        shift = start.weight @ (start.center / start.scale) if issparse(X) else 0
        model.coef_, model.intercept_ = (v[present].astype(X.dtype) for v in (start.weight, start.bias - shift))
        model.classes_ = present
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(_scaled(X, center, scale), y, weight)
    weights, bias = model.coef_, model.intercept_ + (model.coef_ @ (center / scale) if issparse(X) else 0)
    if len(present) == 2:
        weights, bias = np.vstack([-weights / 2, weights / 2]), np.concatenate([-bias / 2, bias / 2])
    full = np.zeros((n_classes, X.shape[1])), np.full(n_classes, -30.0)  # classes never seen: hardly ever predicted
    full[0][present], full[1][present] = weights, bias
    return LinearFit(center, scale, *full, strength, bool(model.n_iter_.max() < max_iter))


def _ridge(X, y, weight, strength):
    from sklearn.linear_model import Ridge

    center, scale = _standardise(X, weight)
    model = Ridge(alpha=strength).fit(_scaled(X, center, scale), y, weight)
    bias = model.intercept_ + (model.coef_ @ (center / scale) if issparse(X) else 0)
    return LinearFit(center, scale, model.coef_[None], np.atleast_1d(bias), strength)


def _standardise(X, weight):
    if issparse(X):
        share = (np.ones(X.shape[0]) if weight is None else weight) / (X.shape[0] if weight is None else weight.sum())
        center = (share @ X).astype(X.dtype)
        squares = csr_array((X.data**2, X.indices, X.indptr), X.shape)
        scale = np.sqrt(np.maximum(share @ squares - center**2, 0)).astype(X.dtype)
    else:
        center = np.average(X, axis=0, weights=weight).astype(X.dtype)
        scale = np.sqrt(np.average((X - center) ** 2, axis=0, weights=weight)).astype(X.dtype)
    return center, np.where(scale > 1e-9, scale, X.dtype.type(1))


def _scaled(X, center, scale):
    """Standardised features; sparse ones are not centred, or they would no longer be sparse."""
    if not issparse(X):
        return (X - center) / scale
    X = csr_array(X @ diags_array(1 / scale))
    # scikit-learn's solvers want 32-bit indices.
    return csr_array((X.data, X.indices.astype(np.int32), X.indptr.astype(np.int32)), X.shape)
