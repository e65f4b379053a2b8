"""Is one model better than another? A paired bootstrap over groups of test examples, and the spread of trainings.

Metrics are functions of sums over examples (or of sorted examples, for AUROC), so that each model, fold and seed is
reduced once, and two thousand resamplings of the groups are one matrix product. All models see the same resampled
groups (paired), and a group counts the same in every fold that tests it. Where a model was trained with several seeds,
how they differ widens the intervals, each model's by themselves: two trainings have nothing in common but the data.
"""

import numpy as np
import pandas as pd
from scipy.special import ndtr, ndtri, stdtr, stdtrit

from seqlm.common.errors import InputError
from seqlm.datasets.separation.groups import group_numbers
from seqlm.evaluation.contest.families import ALPHA, adjusted, questions, representatives, winner
from seqlm.evaluation.contest.ranks import Ranked
from seqlm.evaluation.contest.sums import FINISH, Sums, group_sums
from seqlm.evaluation.metrics import class_codes

COMPARED = {
    "track": ("pearson", "mse"),
    "scalar": ("pearson", "spearman", "mse"),
    "class": ("accuracy", "auroc", "f1_macro", "mcc", "log_loss"),
}

PRIOR = 3  # degrees of freedom that the other models' variance over trainings is worth, at most

INTERVAL_COLUMNS = ["metric", "model", "family", "validation", "representative", "value", "low", "high", "pooled",
                    "pooled_low", "pooled_high", "folds", "seeds", "examples", "groups"]  # fmt: skip
PAIR_COLUMNS = ["metric", "model_a", "model_b", "question", "a", "b", "difference", "low", "high", "p_value", "among",
                "p_holm", "detectable", "better", "verdict"]  # fmt: skip


def compared(target, classes=None):
    """Metrics that models are compared by; verdicts speak of the first.

    Of two classes this is the AUROC, which needs no threshold and means the same where one class is rare.
    """
    if target == "class" and len(classes) == 2:
        return "auroc", *(name for name in COMPARED[target] if name != "auroc")
    return COMPARED[target]


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
    kinds=None,
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
        Default: `compared(target, classes)`; the first is the one that verdicts speak of.
    replicates, seed : int
        Bootstrap resamplings and their random seed.
    kinds : dict, optional
        What each model is, as `seqlm.study.model_kinds` returns it. Then each family's best in validation represents
        it (predictions hold the validation part too), and pairs are marked with the question that they answer.

    Returns
    -------
    intervals : DataFrame
        metric, model, family, validation (the metric on the validation part, mean over folds and seeds),
        representative (whether the model stands for its family), value (mean over folds and seeds), low, high (95%),
        pooled, pooled_low, pooled_high (the metric over the predictions of all folds together), folds, seeds,
        examples, groups.
    comparisons : DataFrame
        metric, model_a, model_b, question (see `seqlm.evaluation.contest.families.questions`), a, b, difference
        (a - b), low, high (95%, not adjusted), p_value (two-sided, not adjusted), among (how many comparisons p is
        adjusted for),
        p_holm (adjusted), detectable (the smallest difference whose interval, widened for that many comparisons,
        excludes zero), better (the better model's name where p_holm is below 0.05, else "neither"), verdict (a
        sentence).

    Raises
    ------
    InputError
        When models were tested on different examples or folds.
    """
    metrics = tuple(metrics or compared(target, classes))
    unknown = [name for name in metrics if name not in COMPARED[target] and name not in FINISH]
    if unknown:
        raise InputError(
            where, f"models are not compared by {unknown[0]!r}", f"use some of {', '.join(COMPARED[target])}"
        )
    examples = examples.drop_duplicates("id").set_index("id")
    tested = _with_groups(examples, folds, part, target)
    n_groups = int(tested["group"].max()) + 1 if len(tested) else 0
    if n_groups == 0:
        raise InputError(where, f"no labelled example in the {part} part of any fold", "label some test examples")
    validated = _with_groups(examples, folds, "validation", target)
    expected = {(own, fold): frame["id"] for (own, fold), frame in folds.groupby(["part", "fold"])}
    cells, chosen_on = {}, {}
    for model, fold, replicate, frame in predictions:
        place = f"{where}: {model} fold {fold} seed {replicate}"
        if (model, fold, replicate) in cells:
            raise InputError(place, "given twice", "give each model, fold and seed once")
        y, p, groups = _aligned(frame, expected.get((part, fold)), tested, part, target, classes, place)
        about = target, y, p, groups, n_groups, tested.attrs["shift"]
        cells[model, fold, replicate] = [_measured(metric, *about) for metric in metrics]
        if kinds and expected.get(("validation", fold), pd.Series(dtype=str)).isin(validated.index).any():
            own = _aligned(frame, expected["validation", fold], validated, "validation", target, classes, place)
            chosen_on.setdefault(model, []).append(_values(metrics, target, *own[:2], validated.attrs["shift"]))
    _check_same_folds(cells, where)
    models = _models(cells)
    validation = pd.DataFrame(
        {model: _nanmean(np.array(chosen_on.get(model, [[np.nan] * len(metrics)]))) for model in models}, list(metrics)
    )
    kinds = {model: (kinds or {}).get(model, {}) for model in models}
    chosen = representatives(validation.loc[metrics[0]], kinds, metrics[0])
    # Under cross-validation the examples that a member is chosen on are tested too, in another fold.
    seen = bool(chosen_on) and bool(tested.index.isin(validated.index).any())
    weights = _draw_groups(n_groups, replicates, seed)
    intervals, comparisons = [], []
    for k, metric in enumerate(metrics):
        scores = {
            model: _scores(metric, {c[1:]: s[k] for c, s in cells.items() if c[0] == model}, weights)
            for model in models
        }
        _moderate(scores)
        for model, score in scores.items():
            about = {"family": kinds[model].get("family"), "validation": validation.loc[metric, model],
                     "representative": model in chosen.values()}  # fmt: skip
            intervals.append(_interval(metric, model, cells, score, len(tested), n_groups, seed) | about)
        comparisons += _pairs(metric, scores, questions(models, kinds, chosen), kinds, seen, n_groups, seed)
    return pd.DataFrame(intervals, columns=INTERVAL_COLUMNS), pd.DataFrame(comparisons, columns=PAIR_COLUMNS)


def _values(metrics, target, y, p, shift):
    """Each metric of one prediction, as an array."""
    one = np.zeros(len(y), int)
    return np.array([_measured(metric, target, y, p, one, 1, shift).value() for metric in metrics])


def _measured(metric, target, y, p, groups, n_groups, shift):
    """What a metric's value and its resamplings are computed from; arguments as of `group_sums`."""
    if metric == "auroc":
        return Ranked(y, p, groups)
    return Sums(metric, group_sums(metric, target, y, p, groups, n_groups, shift))


def _draw_groups(n, replicates, seed):
    """How often each group is drawn: (replicates, n).

    One fewer than there are is drawn, so that the variance comes out right also for few (Rao & Wu 1988,
    doi:10.1080/01621459.1988.10478591).
    """
    rng = np.random.default_rng(seed)
    return rng.multinomial(max(n - 1, 1), np.full(n, 1 / n), replicates).astype(np.float64)


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


def _nanmean(values, axis=0):
    """Mean that leaves out nan, silent where everything is nan."""
    known = np.isfinite(values)
    total = np.where(known, values, 0).sum(axis)
    with np.errstate(invalid="ignore"):
        return np.where(known.any(axis), total / known.sum(axis), np.nan)


def _scores(metric, measured, weights):
    """One model's values and their spread, by mean over folds and pooled; `measured`: (fold, seed) -> `Sums` or alike.

    Each of "mean" and "pooled" is a value, its replicates over groups, and the variance of the value over trainings
    with its degrees of freedom.
    """
    mean = _over_trainings(measured, weights)
    pooled = mean
    if len({fold for fold, _ in measured}) > 1:
        if metric == "spearman":  # ranks are taken within a fold's test set
            pooled = np.nan, np.full(len(weights), np.nan), 0.0, 0
        else:
            by_seed = {}
            for (_, seed), own in measured.items():
                by_seed.setdefault((0, seed), []).append(own)
            pooled = _over_trainings({cell: type(own[0]).joined(own) for cell, own in by_seed.items()}, weights)
    return {"mean": mean, "pooled": pooled}


def _over_trainings(measured, weights):
    """Mean value of trainings, its replicates, the variance of the mean over trainings and its degrees of freedom."""
    values = pd.Series({cell: own.value() for cell, own in measured.items()})
    replicates = _nanmean(np.stack([own.resampled(weights) for own in measured.values()]))
    return float(_nanmean(values.to_numpy())), replicates, *_training_variance(values)


def _training_variance(values):
    """How much the mean of (fold, seed) -> value varies by trainings: variance and its degrees of freedom."""
    folds = values.groupby(level=0)
    trainings = folds.count()
    own = folds.var()[trainings > 1] / trainings[trainings > 1]
    return float(own.sum()) / max(len(trainings), 1) ** 2, int((trainings - 1).clip(lower=0).sum())


def _moderate(scores):
    """Make each model's variance over trainings less a matter of chance, in place.

    Two trainings say little of how a model's trainings vary, other models' trainings say a little more: the variance is
    averaged with the others' mean, which counts as at most `PRIOR` degrees of freedom (Smyth 2004,
    doi:10.2202/1544-6115.1027). A model that comes out the same from each training keeps its variance of zero.
    """
    for which in ("mean", "pooled"):
        found = {model: score[which][2:] for model, score in scores.items() if score[which][2] > 0}
        for model, (variance, freedom) in found.items():
            others = [own for name, own in found.items() if name != model]
            prior = min(PRIOR, sum(n for _, n in others))
            if prior:
                variance = (freedom * variance + prior * np.mean([v for v, _ in others])) / (freedom + prior)
            scores[model][which] = (*scores[model][which][:2], variance, freedom + prior)


def _spread(replicates, variance, freedom, seed):
    """Replicates over groups, spread further by how trainings vary.

    Two or three trainings are too few to resample: their means take a handful of values, all too close together. So
    the noise of trainings is drawn from a t distribution of the variance that was found among them.
    """
    if not variance > 0:
        return replicates
    return replicates + np.sqrt(variance) * np.random.default_rng([seed, 1]).standard_t(freedom, len(replicates))


def _limits(replicates, n_groups, level=ALPHA):
    """Interval of the replicates, its percentiles moved outwards as a t quantile is for few groups (Hesterberg 2015,
    doi:10.1080/00031305.2015.1089789)."""
    known = replicates[np.isfinite(replicates)]
    tail = 100 * ndtr(stdtrit(max(n_groups - 1, 1), level / 2))
    return tuple(np.percentile(known, [tail, 100 - tail])) if len(known) else (np.nan, np.nan)


def _p_value(replicates, n_groups):
    """Two-sided p value of a difference of zero, by the same quantiles as `_limits`; nan without replicates."""
    known = replicates[np.isfinite(replicates)]
    if not len(known):
        return np.nan
    tail = min((known <= 0).sum(), (known >= 0).sum())
    tail = min(0.5, (tail + 1) / (len(known) + 1))
    return float(2 * stdtr(max(n_groups - 1, 1), ndtri(tail)))


def _interval(metric, model, cells, score, n_examples, n_groups, seed):
    (value, *mean), (pooled, *together) = score["mean"], score["pooled"]
    low, high = _limits(_spread(*mean, seed), n_groups)
    pooled_low, pooled_high = _limits(_spread(*together, seed), n_groups)
    own = [cell for cell in cells if cell[0] == model]
    return {
        "metric": metric, "model": model, "value": value, "low": low, "high": high,
        "pooled": pooled, "pooled_low": pooled_low, "pooled_high": pooled_high,
        "folds": len({fold for _, fold, _ in own}), "seeds": len({seed for _, _, seed in own}),
        "examples": n_examples, "groups": n_groups,
    }  # fmt: skip


def _pairs(metric, scores, asked, kinds, seen, n_groups, seed):
    """A row for each pair of models; `asked` and `seen` as in `seqlm.evaluation.contest.families`."""
    rows, samples = [], []
    for (a, b), question in asked.items():
        (value_a, own, *spread_a), (value_b, other, *spread_b) = scores[a]["mean"], scores[b]["mean"]
        sample = _spread(own - other, *_of_both(*spread_a, *spread_b), seed)
        low, high = _limits(sample, n_groups)
        samples.append(sample)
        rows.append({
            "metric": metric, "model_a": a, "model_b": b, "question": question, "a": value_a, "b": value_b,
            "difference": value_a - value_b, "low": low, "high": high,
            "p_value": _p_value(sample, n_groups),
        })  # fmt: skip
    by_family = {model: own.get("family") for model, own in kinds.items()}
    for row, sample, (p, among) in zip(rows, samples, adjusted(rows, by_family, seen), strict=True):
        row["p_holm"], row["among"] = p, among
        # Half the width of the interval that is adjusted for so many comparisons: what a difference must exceed.
        low, high = _limits(sample, n_groups, ALPHA / among)
        row["detectable"] = (high - low) / 2
        row["better"] = {1: row["model_a"], -1: row["model_b"], 0: "neither"}[winner(row, metric)]
        row["verdict"] = pair_sentence(row)
    return rows


def _of_both(variance_a, freedom_a, variance_b, freedom_b):
    """Variance of a difference and its degrees of freedom.

    Those of Welch 1947, but no more than one of the variances has, as `_moderate` makes the two share what they know.
    """
    parts = [(v, n) for v, n in ((variance_a, freedom_a), (variance_b, freedom_b)) if v > 0]
    if not parts:
        return 0.0, 0
    both = variance_a + variance_b
    return both, min(both**2 / sum(v**2 / n for v, n in parts), max(n for _, n in parts))


def pair_sentence(row):
    """One comparison in words."""
    size = (
        f"difference {row['difference']:+.3f}, 95% interval {row['low']:+.3f} to {row['high']:+.3f}, "
        f"p {row['p_holm']:.2g} adjusted for {row['among']} comparison{'s' if row['among'] > 1 else ''}"
    )
    a, b = row["model_a"], row["model_b"]
    if row["better"] == "neither":
        return f"no difference shown between {a} and {b} in {row['metric']} ({size})"
    return f"{row['better']} beats {b if row['better'] == a else a} in {row['metric']} ({size})"
