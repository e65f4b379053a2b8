"""Prediction intervals with a guarantee, from errors on data that a model was not trained on.

Split conformal prediction (Lei et al. 2018, J. Am. Stat. Assoc. 113:1094): around a prediction lies plus or minus the
quantile of the absolute errors on the validation part. A new example from the same source as the validation part lies
inside with probability `level` or more, whatever the model.

Models of several folds have errors on several validation parts. Their intervals are CV+ (Barber et al. 2021, Ann.
Stat. 49:486): quantiles of *prediction of fold k plus or minus error of fold k*, over all errors of all folds. The
guarantee is ``2 level - 1`` (less about ``2 / m`` for m errors a fold), the coverage that is found close to `level`.
With one fold CV+ is split conformal.

Early stopping looks at the validation part too, which makes its errors, and so the intervals, a little too small where
it is small. New examples unlike the validation part (other genes, another assay) are covered less often.
"""

import numpy as np


def conformal_interval(predictions, errors, level=0.9):
    """Interval of each new example.

    Parameters
    ----------
    predictions : list of array (n,)
        Of the new examples: those of each fold's model.
    errors : list of array (m,)
        Absolute errors of each fold's model on its validation part.
    level : float
        Between 0 and 1.

    Returns
    -------
    low, high : numpy.ndarray (n,)
        Infinite where there are too few errors for the level: fewer than ``level / (1 - level)``.
    """
    spreads = [np.sort(np.asarray(values, np.float64)) for values in errors]
    centres = [np.asarray(values, np.float64) for values in predictions]
    count = sum(map(len, spreads))
    rank = int(np.ceil(level * (count + 1) - 1e-9))  # 0.9 * 10 is 9, whatever its last digit
    if rank > count:
        nothing = np.full(len(centres[0]), np.inf)
        return -nothing, nothing
    return -_ranked([-values for values in centres], spreads, rank), _ranked(centres, spreads, rank)


def _ranked(centres, spreads, rank):
    """The value of this rank (from 1) among all ``centre + spread``, for each example.

    By bisection on how many lie at or below a value, since the values themselves may be many millions.
    """
    if len(spreads) == 1:
        return centres[0] + spreads[0][rank - 1]
    share = rank / sum(map(len, spreads))
    own = [min(len(values), int(np.ceil(share * len(values)))) - 1 for values in spreads]
    high = np.max([centre + values[at] for centre, values, at in zip(centres, spreads, own, strict=True)], axis=0)
    low = np.min([centre + values[0] for centre, values in zip(centres, spreads, strict=True)], axis=0)
    for _ in range(60):
        middle = (low + high) / 2
        below = sum(np.searchsorted(v, middle - c, "right") for c, v in zip(centres, spreads, strict=True))
        low, high = np.where(below < rank, middle, low), np.where(below < rank, high, middle)
    return high
