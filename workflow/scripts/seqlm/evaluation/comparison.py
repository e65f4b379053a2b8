"""Is one model better than another? A paired bootstrap over groups of test examples.

Every metric here is a function of sums over examples, so that each model, fold and seed is reduced once to sums per
group, and two thousand resamplings of the groups are one matrix product. All models see the same resampled groups
(paired), and a group counts the same in every fold that tests it.
"""

import numpy as np
import pandas as pd

from seqlm.common.errors import InputError
from seqlm.datasets.groups import group_numbers
from seqlm.evaluation.metrics import LOWER_IS_BETTER, class_codes

COMPARED = {
    "track": ("pearson", "mse"),
    "scalar": ("pearson", "spearman", "mse"),
    "class": ("accuracy", "f1_macro", "mcc", "log_loss"),
}

INTERVAL_COLUMNS = ["metric", "model", "value", "low", "high", "pooled", "pooled_low", "pooled_high", "folds", "seeds",
                    "examples", "groups"]  # fmt: skip
PAIR_COLUMNS = ["metric", "model_a", "model_b", "a", "b", "difference", "low", "high", "p_value", "p_holm", "better",
                "verdict"]  # fmt: skip


def compare(
    examples,
    folds,
    predictions,
    target,
    classes=None,
    metrics=None,
    replicates=2000,
    seed=0,
    part="test",
    where="comparison",
):
    """Compare models that were tested on the same examples.

    Parameters
    ----------
    examples : DataFrame
        Columns id, target, group (missing groups count as one group per example).
    folds : DataFrame
        Columns id, fold, part; a column cluster stands for the groups of the examples.
    predictions : iterable of (model, fold, seed, DataFrame)
        Each frame with columns id, part, prediction. Taken one at a time, so a generator needs memory for one only.
    target : {"track", "scalar", "class"}
    classes : list of str, optional
        Order of the probabilities of class predictions.
    metrics : sequence of str, optional
        Default: `COMPARED[target]`; the first is the one that verdicts speak of.
    replicates, seed : int
        Bootstrap resamplings and their random seed.

    Returns
    -------
    intervals : DataFrame
        metric, model, value (mean over folds and seeds), low, high (95%), pooled, pooled_low, pooled_high (the metric
        over the predictions of all folds together), folds, seeds, examples, groups.
    comparisons : DataFrame
        metric, model_a, model_b, a, b, difference (a - b), low, high, p_value (two-sided, not adjusted), p_holm
        (adjusted for all pairs of the metric), better (the better model's name, or "neither"), verdict (a sentence).

    Raises
    ------
    InputError
        When models were tested on different examples or folds.
    """
    metrics = tuple(metrics or COMPARED[target])
    unknown = [name for name in metrics if name not in FINISH]
    if unknown:
        raise InputError(
            where, f"metric {unknown[0]!r} cannot be bootstrapped from sums", f"use some of {', '.join(FINISH)}"
        )
    examples = _with_groups(examples.drop_duplicates("id").set_index("id"), folds, part, target)
    n_groups = int(examples["group"].max()) + 1 if len(examples) else 0
    if n_groups == 0:
        raise InputError(where, f"no labelled example in the {part} part of any fold", "label some test examples")
    expected = {fold: frame["id"] for fold, frame in folds[folds["part"] == part].groupby("fold")}
    cells = {}
    for model, fold, replicate, frame in predictions:
        place = f"{where}: {model} fold {fold} seed {replicate}"
        if (model, fold, replicate) in cells:
            raise InputError(place, "given twice", "give each model, fold and seed once")
        y, p, groups = _aligned(frame, expected.get(fold), examples, part, target, classes, place)
        cells[model, fold, replicate] = [
            _group_sums(name, target, y, p, groups, n_groups, examples.attrs) for name in metrics
        ]
    _check_same_folds(cells, where)
    weights = (
        np.random.default_rng(seed)
        .multinomial(n_groups, np.full(n_groups, 1 / n_groups), replicates)
        .astype(np.float64)
    )
    intervals, comparisons = [], []
    for k, metric in enumerate(metrics):
        scores = {
            model: _scores(metric, {c[1:]: s[k] for c, s in cells.items() if c[0] == model}, weights)
            for model in _models(cells)
        }
        intervals += [
            _interval(metric, model, cells, score, len(examples), n_groups) for model, score in scores.items()
        ]
        comparisons += _pairs(metric, scores)
    return pd.DataFrame(intervals, columns=INTERVAL_COLUMNS), pd.DataFrame(comparisons, columns=PAIR_COLUMNS)


def _models(cells):
    return list(dict.fromkeys(model for model, _, _ in cells))


def _with_groups(examples, folds, part, target):
    """Labelled tested examples, with groups numbered from 0 and a common shift that keeps sums accurate."""
    examples = examples.loc[examples.index.isin(folds.loc[folds["part"] == part, "id"])]
    examples = examples[examples["target"].notna()].copy()
    if "cluster" in folds:
        group = folds.drop_duplicates("id").set_index("id")["cluster"].reindex(examples.index)
    else:
        group = examples.get("group", pd.Series(None, index=examples.index, dtype=object))
    examples["group"] = group_numbers(group)
    shift = 0.0
    if target == "track" and len(examples):
        shift = float(np.mean(np.concatenate([np.asarray(row, float) for row in examples["target"]])))
    elif target == "scalar" and len(examples):
        shift = float(examples["target"].mean())
    examples.attrs = {"shift": shift}
    return examples


def _aligned(frame, expected, examples, part, target, classes, place):
    """Observed, predicted and group codes of one prediction table, in the order of the folds table."""
    if expected is None:
        raise InputError(place, "the folds table has no such fold", "predict again with the study's folds.tsv")
    frame = frame[frame["part"] == part] if "part" in frame else frame
    if frame["id"].duplicated().any():
        raise InputError(
            place,
            f"id {frame['id'][frame['id'].duplicated()].iloc[0]!r} is predicted twice",
            "predict each example once",
        )
    missing, extra = set(expected) - set(frame["id"]), set(frame["id"]) - set(expected)
    if missing or extra:
        example = sorted(missing or extra)[0]
        raise InputError(
            place,
            f"tested on other examples than the folds table says ({len(missing)} missing, {len(extra)} extra, "
            f"such as {example!r})",
            "compare only models predicted with the same folds.tsv",
        )
    ids = expected[expected.isin(examples.index)]
    p = frame.set_index("id")["prediction"].loc[ids]
    truth = examples.loc[ids]
    if target == "track":
        y, p = list(truth["target"]), list(p)
        if [len(row) for row in y] != [len(row) for row in p]:
            raise InputError(
                place, "a predicted track is not as long as the observed one", "predict one value per base"
            )
    elif target == "scalar":
        y, p = truth["target"].to_numpy(float), p.to_numpy(float)
    else:
        y, p = (
            class_codes(truth["target"], classes)[0],
            np.stack([np.asarray(row, float) for row in p]).reshape(len(ids), -1),
        )
        if p.shape[1] != len(classes):
            raise InputError(
                place, f"{p.shape[1]} probabilities for {len(classes)} classes", "train every model on the same classes"
            )
    return y, p, truth["group"].to_numpy()


def _check_same_folds(cells, where):
    folds = {model: {fold for name, fold, _ in cells if name == model} for model in _models(cells)}
    if not folds:
        raise InputError(where, "no predictions given", "predict with at least one model")
    first = next(iter(folds))
    for model, own in folds.items():
        if own != folds[first]:
            raise InputError(
                where,
                f"{model} was tested on folds {sorted(own)}, {first} on {sorted(folds[first])}",
                "train both models on the same folds",
            )


def _group_sums(metric, target, y, p, groups, n_groups, attrs):
    """Sums of what `FINISH[metric]` needs, per group: shape (groups, quantities)."""
    if target == "class":
        terms = _class_terms(metric, y, p)
    else:
        if metric == "spearman":
            from scipy.stats import rankdata

            middle = (len(y) + 1) / 2
            y, p, shift = rankdata(y), rankdata(p), middle
        else:
            shift = attrs["shift"]
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


def _nanmean(values, axis=0):
    """Mean that leaves out nan, silent where everything is nan."""
    known = np.isfinite(values)
    total = np.where(known, values, 0).sum(axis)
    with np.errstate(invalid="ignore"):
        return np.where(known.any(axis), total / known.sum(axis), np.nan)


def _scores(metric, sums, weights):
    """One model's value and replicates, by mean over folds and pooled; `sums`: (fold, seed) -> (groups, quantities)."""
    finish = FINISH[metric]
    sample = {cell: weights @ s for cell, s in sums.items()}
    value = float(_nanmean(np.array([finish(s.sum(0)) for s in sums.values()])))
    replicates = _nanmean(np.stack([finish(s) for s in sample.values()]))
    pooled, pooled_replicates = value, replicates
    if len({fold for fold, _ in sums}) > 1:
        if metric == "spearman":  # ranks are taken within a fold's test set
            pooled, pooled_replicates = np.nan, np.full(len(weights), np.nan)
        else:
            seeds = sorted({seed for _, seed in sums})
            pool = [sum(s.sum(0) for (_, own), s in sums.items() if own == seed) for seed in seeds]
            pool_sample = [sum(s for (_, own), s in sample.items() if own == seed) for seed in seeds]
            pooled = float(_nanmean(np.array([finish(s) for s in pool])))
            pooled_replicates = _nanmean(np.stack([finish(s) for s in pool_sample]))
    return {"value": value, "replicates": replicates, "pooled": pooled, "pooled_replicates": pooled_replicates}


def _limits(replicates):
    known = replicates[np.isfinite(replicates)]
    return tuple(np.percentile(known, [2.5, 97.5])) if len(known) else (np.nan, np.nan)


def _interval(metric, model, cells, score, n_examples, n_groups):
    low, high = _limits(score["replicates"])
    pooled_low, pooled_high = _limits(score["pooled_replicates"])
    own = [cell for cell in cells if cell[0] == model]
    return {
        "metric": metric, "model": model, "value": score["value"], "low": low, "high": high,
        "pooled": score["pooled"], "pooled_low": pooled_low, "pooled_high": pooled_high,
        "folds": len({fold for _, fold, _ in own}), "seeds": len({seed for _, _, seed in own}),
        "examples": n_examples, "groups": n_groups,
    }  # fmt: skip


def _pairs(metric, scores):
    rows = []
    models = list(scores)
    for i, a in enumerate(models):
        for b in models[i + 1 :]:
            difference = scores[a]["value"] - scores[b]["value"]
            sample = scores[a]["replicates"] - scores[b]["replicates"]
            low, high = _limits(sample)
            known = sample[np.isfinite(sample)]
            tail = min((known <= 0).sum(), (known >= 0).sum()) if len(known) else np.nan
            rows.append({
                "metric": metric, "model_a": a, "model_b": b, "a": scores[a]["value"], "b": scores[b]["value"],
                "difference": difference, "low": low, "high": high,
                "p_value": min(1.0, 2 * (tail + 1) / (len(known) + 1)),
            })  # fmt: skip
    for row, adjusted in zip(rows, _holm([row["p_value"] for row in rows]), strict=True):
        row["p_holm"] = adjusted
        sure = row["low"] > 0 or row["high"] < 0
        a_wins = (row["difference"] > 0) != (metric in LOWER_IS_BETTER)
        row["better"] = (row["model_a"] if a_wins else row["model_b"]) if sure else "neither"
        row["verdict"] = pair_sentence(row)
    return rows


def _holm(p_values):
    """Holm's step-down adjustment."""
    p_values = np.asarray(p_values, float)
    order = np.argsort(p_values)
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(1, np.maximum.accumulate(p_values[order] * np.arange(len(p_values), 0, -1)))
    return adjusted


def pair_sentence(row):
    """One comparison in words."""
    interval = f"difference {row['difference']:+.3f}, 95% interval {row['low']:+.3f} to {row['high']:+.3f}"
    if row["better"] == "neither":
        return f"{row['model_a']} and {row['model_b']} are not told apart in {row['metric']} ({interval})"
    worse = row["model_b"] if row["better"] == row["model_a"] else row["model_a"]
    return f"{row['better']} beats {worse} in {row['metric']} ({interval})"
