"""The paired bootstrap against a plain loop over resampled examples."""

import made_up
import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm, t
from sklearn.metrics import roc_auc_score

from seqlm.common.errors import InputError
from seqlm.evaluation.contest.comparison import COMPARED, compare
from seqlm.evaluation.metrics import evaluate

CLASSES = ["ant", "bee", "cow"]


def setting(target, k=1, seed=3):
    rng = np.random.default_rng(seed)
    examples = made_up.example_table(rng, target)
    folds = made_up.fold_table(examples, k)
    return examples, folds, made_up.predictions(rng, examples, folds, target, models=["cnn", "gpt-full"])


def plain_metric(metric, target, examples, ids, frame):
    truth, predicted = examples.set_index("id")["target"].loc[ids], frame.set_index("id")["prediction"].loc[ids]
    classes = CLASSES if target == "class" else None
    return evaluate(target, list(truth), list(predicted), classes)[metric]


@pytest.mark.parametrize("target", ["track", "scalar", "class"])
@pytest.mark.parametrize("k", [1, 3])
def test_values_are_the_means_of_the_plain_metric_over_folds_and_seeds(target, k):
    examples, folds, cells = setting(target, k)
    intervals, _ = compare(examples, folds, cells, target, CLASSES, replicates=10)
    for row in intervals.itertuples():
        assert row.metric in COMPARED[target]
        plain = [
            plain_metric(row.metric, target, examples, frame.loc[frame["part"] == "test", "id"], frame)
            for model, _, _, frame in cells
            if model == row.model
        ]
        assert len(plain) == 2 * k
        assert row.value == pytest.approx(np.mean(plain)), (row.metric, row.model)


@pytest.mark.parametrize(("target", "metric"), [("track", "pearson"), ("scalar", "mse"), ("class", "mcc"),
                                                ("class", "auroc")])  # fmt: skip
def test_replicates_equal_a_loop_that_resamples_groups(target, metric):
    examples, folds, cells = setting(target)
    cells = [cell for cell in cells if cell[2] == 1]  # one training each
    _, pairs = compare(examples, folds, cells, target, CLASSES, metrics=[metric], replicates=50, seed=11)
    test = folds.loc[folds["part"] == "test", "id"]
    table = examples.set_index("id")
    labelled = table.loc[table.index.isin(test), "group"]
    groups, names = pd.factorize(labelled)
    # One group fewer than there are is drawn, which makes the variance right (Rao & Wu 1988).
    draws = np.random.default_rng(11).multinomial(len(names) - 1, np.full(len(names), 1 / len(names)), 50)
    differences = []
    for draw in draws:
        ids = [name for name, group in zip(labelled.index, groups, strict=True) for _ in range(draw[group])]
        score = {
            model: np.nanmean([
                plain_metric(metric, target, examples, ids, frame) for name, _, _, frame in cells if name == model
            ])
            for model in ("cnn", "gpt-full")
        }  # fmt: skip
        differences.append(score["cnn"] - score["gpt-full"])
    row = pairs.iloc[0]
    # A draw without one of the classes has no AUROC. With few groups the percentiles lie where a t quantile is on the
    # normal scale (Hesterberg 2015).
    tail = 100 * norm.cdf(t.ppf(0.025, len(names) - 1))
    assert tail < 1
    assert (row["low"], row["high"]) == pytest.approx(tuple(np.nanpercentile(differences, [tail, 100 - tail])))


@pytest.mark.parametrize("rounded", [False, True])
def test_two_classes_are_judged_by_auroc(rounded):
    """Equal scores count half, over folds and where a fold's predictions are pooled."""
    rng = np.random.default_rng(2)
    examples = made_up.example_table(rng, "class")
    examples["target"] = np.where(rng.random(len(examples)) < 0.2, "bound", "free")
    folds, cells, pooled = made_up.fold_table(examples, 2), [], []
    for fold, own in folds.groupby("fold"):
        own = own[own["part"] != "train"]
        bound = examples.set_index("id").loc[own["id"], "target"] == "bound"
        score = 1 / (1 + np.exp(-rng.normal(size=len(own)) - bound.to_numpy()))
        score = score.round(1) if rounded else score
        frame = own[["id", "part"]].assign(prediction=list(np.stack([score, 1 - score], axis=1)))
        cells.append(("cnn", fold, 1, frame))
        pooled.append(pd.DataFrame({"y": bound.to_numpy(), "score": score})[(own["part"] == "test").to_numpy()])
    intervals, _ = compare(examples, folds, cells, "class", ["bound", "free"], replicates=20)
    row = intervals.iloc[0]
    assert row["metric"] == "auroc"
    assert row["value"] == pytest.approx(np.mean([roc_auc_score(own["y"], own["score"]) for own in pooled]))
    together = pd.concat(pooled)
    assert row["pooled"] == pytest.approx(roc_auc_score(together["y"], together["score"]))


def test_clusters_of_the_folds_are_what_is_resampled():
    examples, folds, cells = setting("scalar")
    fours = np.arange(len(examples)) // 4  # other groups than the genes of the examples
    clustered = folds.assign(cluster=folds["id"].map(dict(zip(examples["id"], fours, strict=True))))
    found = compare(examples, clustered, cells, "scalar")
    expected = compare(examples.assign(group=fours.astype(str)), folds, cells, "scalar")
    pd.testing.assert_frame_equal(found[0], expected[0])
    assert not found[0]["low"].equals(compare(examples, folds, cells, "scalar")[0]["low"])


@pytest.mark.parametrize("missing", [None, np.nan, "", "NA"])
def test_examples_without_a_group_are_resampled_one_by_one(missing):
    examples, folds, cells = setting("scalar")
    without = np.arange(len(examples)) % 2 == 0
    some = examples.assign(group=examples["group"].astype(object).where(~without, missing))
    alone = examples.assign(group=examples["group"].astype(object).where(~without, "lone " + examples["id"]))
    found, expected = (compare(table, folds, cells, "scalar")[0] for table in (some, alone))
    pd.testing.assert_frame_equal(found, expected)


def test_pooled_is_the_metric_of_all_folds_predictions_together():
    examples, folds, cells = setting("scalar", 5)
    intervals, _ = compare(examples, folds, cells, "scalar", metrics=["pearson"], replicates=10)
    truth, pooled = examples.set_index("id")["target"], []
    for seed in (1, 2):
        frames = [frame[frame["part"] == "test"] for model, _, s, frame in cells if (model, s) == ("cnn", seed)]
        together = pd.concat(frames).set_index("id")["prediction"]
        pooled.append(np.corrcoef(truth.loc[together.index], together)[0, 1])
    assert intervals.set_index("model").loc["cnn", "pooled"] == pytest.approx(np.mean(pooled))


def test_a_model_is_not_told_apart_from_itself():
    examples, folds, cells = setting("track")
    twin = [("twin", fold, seed, frame) for model, fold, seed, frame in cells if model == "cnn"]
    both = [cell for cell in cells if cell[0] == "cnn"] + twin
    for given in (both, [cell for cell in both if cell[2] == 1]):
        _, pairs = compare(examples, folds, given, "track", replicates=100)
        assert (pairs["difference"] == 0).all()
        assert (pairs["better"] == "neither").all()
    assert (pairs["p_value"] == 1).all()


def test_the_better_model_wins_and_lower_errors_are_better():
    examples, folds, cells = setting("track")
    _, pairs = compare(examples, folds, [cell for cell in cells if cell[2] == 1], "track", replicates=1000)
    assert set(pairs["metric"]) == {"pearson", "mse"}
    assert (pairs["better"] == "cnn").all()
    assert (pairs["p_holm"] >= pairs["p_value"]).all()


def test_same_seed_same_numbers_and_unlabelled_examples_do_not_count():
    examples, folds, cells = setting("scalar")
    examples.loc[examples["id"] == folds.loc[folds["part"] == "test", "id"].iloc[0], "target"] = np.nan
    first, second = (compare(examples, folds, cells, "scalar", replicates=50)[0] for _ in range(2))
    pd.testing.assert_frame_equal(first, second)
    assert (first["examples"] == (folds["part"] == "test").sum() - 1).all()


def test_intervals_cover_the_truth_about_as_often_as_they_say():
    """Differences of means of independent normal errors, for which the truth is zero."""
    covered = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        examples = pd.DataFrame({"id": [f"x{i}" for i in range(60)], "target": 0.0, "group": None})
        folds = pd.DataFrame({"id": examples["id"], "fold": 0, "part": "test"})
        cells = [
            (model, 0, 1, pd.DataFrame({"id": examples["id"], "part": "test", "prediction": rng.normal(size=60)}))
            for model in "ab"
        ]
        _, pairs = compare(examples, folds, cells, "scalar", metrics=["mse"], replicates=300, seed=seed)
        covered += pairs["low"].iloc[0] <= 0 <= pairs["high"].iloc[0]
    assert covered >= 50


def test_other_examples_or_folds_are_refused():
    examples, folds, cells = setting("track", 2)
    model, fold, seed, frame = cells[0]
    dropped = frame[frame["id"] != frame.loc[frame["part"] == "test", "id"].iloc[0]]
    cases = [
        ([(model, fold, seed, dropped), *cells[1:]], "tested on other examples"),
        ([cells[0], *cells], "given twice"),
        ([cell for cell in cells if cell[:2] != ("gpt-full", 1)], "same folds"),
        ([(model, 9, seed, frame), *cells[1:]], "no such fold"),
        ([(model, fold, seed, pd.concat([frame, frame])), *cells[1:]], "predicted twice"),
        ([(model, fold, seed, frame.assign(prediction=[row[:-1] for row in frame["prediction"]]))], "as long as"),
        ([], "no predictions given"),
    ]
    for given, message in cases:
        with pytest.raises(InputError, match=message):
            compare(examples, folds, given, "track", replicates=10)
    with pytest.raises(InputError, match="not compared by 'auprc'"):
        compare(examples, folds, cells, "track", metrics=["auprc"])
    with pytest.raises(InputError, match="no labelled example"):
        compare(examples.assign(target=None), folds, cells, "track")


@pytest.mark.parametrize("trainings", [2, 4])
def test_intervals_cover_how_trainings_vary(trainings):
    """Trainings that differ more than examples do: the mean over all trainings there could be is covered."""
    spread, n, covered = 0.2, 400, []
    ids = [f"x{i}" for i in range(n)]
    examples = pd.DataFrame({"id": ids, "target": 0.0, "group": [i % 100 for i in range(n)]})
    folds = pd.DataFrame({"id": ids, "fold": 0, "part": "test"})
    for study in range(40):
        rng = np.random.default_rng(study)
        cells = [
            (
                model,
                0,
                seed,
                pd.DataFrame({"id": ids, "prediction": np.exp(spread * rng.normal()) * rng.normal(size=n)}),
            )
            for model in "ab"
            for seed in range(trainings)
        ]
        intervals, pairs = compare(examples, folds, cells, "scalar", metrics=["mse"], replicates=300, seed=study)
        truth = np.exp(2 * spread**2)  # of exp(spread * z) squared
        covered += [*((intervals["low"] <= truth) & (truth <= intervals["high"])), pairs["better"][0] == "neither"]
    assert np.mean(covered) >= 0.9


def test_one_training_or_the_same_twice_adds_nothing():
    examples, folds, cells = setting("scalar")
    once = [cell for cell in cells if cell[2] == 1]
    twice = once + [(model, fold, 2, frame) for model, fold, _, frame in once]
    first, second = (compare(examples, folds, given, "scalar", replicates=200) for given in (once, twice))
    columns = ["value", "low", "high", "pooled_low"]
    pd.testing.assert_frame_equal(first[0][columns], second[0][columns])
    pd.testing.assert_frame_equal(first[1], second[1])
