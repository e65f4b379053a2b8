"""What each base in the place of each other does to a prediction, of a few examples: what heat maps are drawn from."""

import numpy as np

from seqlm.explanation.choosing import rows_of, top_examples
from seqlm.explanation.importance import effects_by_base


def mutagenesis(by_model, count):
    """Saturation mutagenesis of the examples that models predict highest.

    Parameters
    ----------
    by_model : dict of str to dict of numpy.ndarray
        Model -> scores of edit replace.
    count : int
        How many examples.

    Returns
    -------
    dict of numpy.ndarray
        models (m,), id (k,), and for each model ``<model>/codes`` (k, L) and ``<model>/effects`` (k, L, 4), see
        `effects_by_base`; L is as long as the longest of them was read.
    """
    ids = top_examples(by_model, count)
    out = {"models": np.array(list(by_model), str), "id": np.array(ids, str)}
    for model, arrays in by_model.items():
        rows = rows_of(arrays, ids)
        own = {name: arrays[name][rows] for name in ("codes", "replaced")} | {"replacements": arrays["replacements"]}
        effects = effects_by_base(own)
        read = np.flatnonzero(((own["codes"] < 4) | np.isfinite(effects).any(2)).any(0))
        length = read[-1] + 1 if len(read) else 0
        out[f"{model}/codes"], out[f"{model}/effects"] = own["codes"][:, :length], effects[:, :length]
    return out
