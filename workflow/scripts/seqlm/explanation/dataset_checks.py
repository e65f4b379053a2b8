"""Checks of a model's scores of a dataset, as the workflow's tables.

================  ===========================================================================================
curves.tsv        dataset, model, way (deletion, insertion), order (scores, k-mers, random), fraction, value
areas.tsv         dataset, model, against, examples, difference, low, high: of the drop while bases are masked
agreement.tsv     dataset, model, kind (seed, fold, model, shuffled labels), other, examples, mean, low, high
================  ===========================================================================================
"""

import numpy as np
import pandas as pd

from seqlm.attribution.dataset_scores import score_dataset
from seqlm.attribution.inputs import layout_read_by
from seqlm.common.classes import class_number
from seqlm.datasets import load_dataset
from seqlm.datasets.scaling import unscale
from seqlm.explanation.agreement import agreement
from seqlm.explanation.curves import FRACTIONS, curves, fit_kmers, kmer_importance, rank_order
from seqlm.inference.prediction import predict
from seqlm.models.bundle import load_model

CURVES = ["dataset", "model", "way", "order", "fraction", "value"]
AREAS = ["dataset", "model", "against", "examples", "difference", "low", "high"]
AGREEMENT = ["dataset", "model", "kind", "other", "examples", "mean", "low", "high"]
ORDERS = ("scores", "k-mers", "random")
FITTED = 2000  # training examples that weights of k-mers are fitted on


def check_curves(model, dataset, arrays, names, fold=0, examples=50, class_index="predicted", seed=1, device=None):
    """Deletion and insertion curves of a model by its scores, by k-mers and at random.

    Parameters
    ----------
    model, dataset : path
    arrays : dict of numpy.ndarray
        Its scores, as of `seqlm.attribution.dataset_scores.score_dataset`.
    names : (str, str)
        Of the dataset and the model, for the tables.
    fold : int
        Its training part is what weights of k-mers are fitted on: to the model's predictions, not to labels.
    examples : int
    class_index
        As it was for the scores.
    seed : int
    device : str, optional

    Returns
    -------
    curves, areas : DataFrame
        Mean change of the prediction from that of the whole sequence; and by how much more it falls, averaged over the
        shares that are masked, than in another order, with the 95% interval of a bootstrap over examples. Empty for
        models of atomic tokens, which have no k-mers and no N.
    """
    model, rng = load_model(model), np.random.default_rng(seed)
    texts, scores = _scored(arrays, examples)
    if layout_read_by(model) is not None or not texts:
        return pd.DataFrame(columns=CURVES), pd.DataFrame(columns=AREAS)
    training = load_dataset(dataset).part(fold, "train")["sequence"].head(FITTED)
    weights = fit_kmers(list(training), _outputs(model, list(training), device))
    whole = _outputs(model, texts, device)
    column = np.zeros(len(texts), int)
    if model.config.target == "class":
        fixed = class_index not in ("predicted", "all")
        column = np.full(len(texts), class_number(class_index, model.config.classes)) if fixed else whole.argmax(1)
    importances = {
        "scores": [-own for own in scores],
        "k-mers": [kmer_importance(text, weights[:, c]) for text, c in zip(texts, column, strict=True)],
        "random": [np.zeros(len(text)) for text in texts],
    }

    def of_column(copies, which):
        return _outputs(model, copies, device)[np.arange(len(copies)), column[which]]

    rows, fall = [], {}
    for order in ORDERS:
        ways = curves(of_column, texts, [rank_order(own, rng) for own in importances[order]])
        for way, values in zip(("deletion", "insertion"), ways, strict=True):
            change = values - whole[np.arange(len(texts)), column][:, None]
            rows += [[*names, way, order, f, v] for f, v in zip(FRACTIONS, change.mean(0), strict=True)]
            fall.setdefault(order, -change.mean(1))  # of deletion, which comes first
    areas = [
        [*names, order, len(texts), *_with_interval(fall["scores"] - fall[order], rng)]
        for order in ORDERS if order != "scores"
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=CURVES), pd.DataFrame(areas, columns=AREAS)


def agreement_with(arrays, other, names, kind, name, seed=1):
    """One row of the table of agreements; no row where the two share no sequence."""
    found = agreement(arrays, other)
    if not len(found):
        return []
    return [[*names, kind, name, len(found), *_with_interval(found, np.random.default_rng(seed))]]


def retrained_scores(model, dataset, loo, examples, device="auto"):
    """Scores by another training of a model (seed or fold), of the first fold's test examples."""
    options = {name: value for name, value in loo.items() if name in ("edit", "replacements", "class_index")}
    return score_dataset(model, dataset, 0, examples=examples, device=device, **options)[1]


def _with_interval(values, rng, replicates=1000):
    """Mean of values, and its 95% interval by a bootstrap."""
    means = values[rng.integers(0, len(values), (replicates, len(values)))].mean(1)
    return float(values.mean()), *map(float, np.quantile(means, [0.025, 0.975]))


def _scored(arrays, examples):
    """Texts of the first examples as far as they were scored, and their scores."""
    texts, scores = [], []
    for codes, own in zip(arrays["codes"][:examples], arrays["scores"][:examples], strict=True):
        known = np.flatnonzero(np.isfinite(own))
        if len(known):
            texts.append("".join("ACGTN"[code] for code in codes[: known[-1] + 1]))
            scores.append(np.nan_to_num(own[: known[-1] + 1]))
    return texts, scores


def _outputs(model, texts, device):
    """What scores are differences of, (n, outputs): logits, the number in its own units, or the sum of the track."""
    found = predict(model, texts, device=device)
    if model.config.target == "track":
        return np.array([[float(track[: len(text)].sum())] for track, text in zip(found, texts, strict=True)])
    found = found.double()
    return (
        found.numpy() if model.config.target == "class" else unscale(found, model.config.label_scaling).numpy()[:, None]
    )
