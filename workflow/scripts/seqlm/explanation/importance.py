"""From leave-one-out scores to what motif discovery reads: importances that are positive where a base supports."""

import numpy as np

BASES = "ACGT"


def importance(arrays):
    """One-hot bases and hypothetical contributions (Shrikumar et al. 2018, arXiv:1811.00416) out of scores.

    A leave-one-out score is the prediction without a base minus the prediction with it; importance is its opposite.
    Where each other base was put in the place of one (edit replace), the hypothetical contribution of a base is the
    prediction with it minus the mean over all four. Otherwise nothing is known of bases that are not there, and only
    the observed one has a contribution.

    Parameters
    ----------
    arrays : dict of numpy.ndarray
        As of `seqlm.attribution.dataset_scores.score_dataset`: codes, scores (n, L), and for edit replace replaced
        (n, L, R) and replacements (R,).

    Returns
    -------
    one_hot, hypothetical : float32 array (n, L, 4)
        Zero where there is no base or no score; the product of both is the importance.
    """
    codes, scores = arrays["codes"], arrays["scores"]
    scored = (codes < 4) & np.isfinite(scores)
    one_hot = ((codes[..., None] == np.arange(4)) & scored[..., None]).astype(np.float32)
    if sorted(map(_base, arrays.get("replacements", ()))) != list(BASES):
        hypothetical = one_hot * -np.where(scored, scores, 0)[..., None]
    else:
        by_base = effects_by_base(arrays)
        known = scored & np.isfinite(by_base).all(2)
        hypothetical = np.where(known[..., None], by_base - by_base.mean(2, keepdims=True), 0)
        one_hot *= known[..., None]
    return one_hot, hypothetical.astype(np.float32)


def effects_by_base(arrays):
    """Effect of putting A, C, G and T at each position.

    Parameters
    ----------
    arrays : dict of numpy.ndarray
        As of `seqlm.attribution.dataset_scores.score_dataset` for edit replace: codes (n, L), replaced (n, L, R),
        replacements (R,).

    Returns
    -------
    float32 array (n, L, 4)
        Prediction with the base minus prediction with the observed one: 0 for the observed one, nan where a base was
        not put or nothing was scored.
    """
    codes = np.asarray(arrays["codes"])
    effects = np.full((*codes.shape, 4), np.nan, np.float32)
    for number, name in enumerate(arrays["replacements"]):
        base = _base(name)
        if len(base) == 1 and base in BASES:
            effects[..., BASES.index(base)] = arrays["replaced"][..., number]
    scored = np.isfinite(effects).any(2)
    own = (codes[..., None] == np.arange(4)) & scored[..., None]
    effects[own] = 0
    return effects


def _base(name):
    """A replacement as codes spell bases: upper case, with T."""
    return str(name).upper().replace("U", "T")
