"""Which of the scored examples are shown: those that all models together predict highest."""

import numpy as np

from seqlm.common.errors import InputError


def top_examples(by_model, count):
    """Ids of the examples that models predict highest, by the mean of their ranks.

    Parameters
    ----------
    by_model : dict of str to dict of numpy.ndarray
        Model -> its scores, as of `seqlm.attribution.dataset_scores.score_dataset`: id (n,), prediction (n,) (the sum
        of a track, a number, or the logit of the predicted class).
    count : int

    Returns
    -------
    list of str
        From the highest on; of equal ones the first scored.

    Raises
    ------
    InputError
        Models were scored on different examples.
    """
    ids, ranks = None, 0
    for model, arrays in by_model.items():
        own = [str(name) for name in arrays["id"]]
        ids = own if ids is None else ids
        if own != ids:
            problem = "scores other examples than the other models of its dataset"
            raise InputError(f"scores of {model}", problem, "score all models on the same examples")
        ranks = ranks + np.unique(np.asarray(arrays["prediction"], float), return_inverse=True)[1]
    return [ids[row] for row in np.argsort(-ranks, kind="stable")[:count]] if ids else []


def rows_of(arrays, ids):
    """Row numbers of examples in a model's arrays."""
    place = {str(name): row for row, name in enumerate(arrays["id"])}
    return [place[name] for name in ids]
