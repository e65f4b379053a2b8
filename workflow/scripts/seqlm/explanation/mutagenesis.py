"""What each base in the place of each other does to a prediction, of a few examples: what heat maps are drawn from."""

import numpy as np

from seqlm.explanation.choosing import rows_of, top_examples

BASES = "ACGT"


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
        base = BASES.find(str(name).upper().replace("U", "T"))
        if base >= 0 and len(str(name)) == 1:
            effects[..., base] = arrays["replaced"][..., number]
    scored = np.isfinite(effects).any(2)
    own = (codes[..., None] == np.arange(4)) & scored[..., None]
    effects[own] = 0
    return effects


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
