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
    by_base = _by_base(arrays)
    if by_base is None:
        hypothetical = one_hot * -np.where(scored, scores, 0)[..., None]
    else:
        by_base = np.where(one_hot > 0, 0, by_base)  # a base in its own place changes nothing
        known = scored & np.isfinite(by_base).all(2)
        hypothetical = np.where(known[..., None], by_base - by_base.mean(2, keepdims=True), 0)
        one_hot *= known[..., None]
    return one_hot, hypothetical.astype(np.float32)


def _by_base(arrays):
    """Scores of putting A, C, G and T, (n, L, 4); None where others were put, or fewer."""
    names = [str(name).upper().replace("U", "T") for name in arrays.get("replacements", ())]
    if sorted(names) != sorted(BASES):
        return None
    return arrays["replaced"][..., [names.index(base) for base in BASES]]
