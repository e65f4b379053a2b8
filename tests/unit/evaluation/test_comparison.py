"""The paired bootstrap against a plain loop over resampled examples, and the verdict's words."""

import made_up
import numpy as np
import pandas as pd
import pytest

from seqlm.common.errors import InputError
from seqlm.evaluation.comparison import COMPARED, _holm, compare
from seqlm.evaluation.metrics import evaluate
from seqlm.evaluation.verdict import verdict
from seqlm.evaluation.words import CONTROL, LANGUAGE, duration, number
from seqlm.study import model_kinds

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


@pytest.mark.parametrize(("target", "metric"), [("track", "pearson"), ("scalar", "mse"), ("class", "mcc")])
def test_replicates_equal_a_loop_that_resamples_groups(target, metric):
    examples, folds, cells = setting(target)
    _, pairs = compare(examples, folds, cells, target, CLASSES, metrics=[metric], replicates=50, seed=11)
    test = folds.loc[folds["part"] == "test", "id"]
    table = examples.set_index("id")
    labelled = table.loc[table.index.isin(test), "group"]
    groups, names = pd.factorize(labelled)
    draws = np.random.default_rng(11).multinomial(len(names), np.full(len(names), 1 / len(names)), 50)
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
    assert (row["low"], row["high"]) == pytest.approx(tuple(np.percentile(differences, [2.5, 97.5])))


def test_clusters_of_the_folds_are_what_is_resampled():
    examples, folds, cells = setting("scalar")
    pairs = np.arange(len(examples)) // 2  # other groups than the genes of the examples
    clustered = folds.assign(cluster=folds["id"].map(dict(zip(examples["id"], pairs, strict=True))))
    found = compare(examples, clustered, cells, "scalar")
    expected = compare(examples.assign(group=pairs.astype(str)), folds, cells, "scalar")
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
    own = [cell for cell in cells if cell[0] == "cnn"]
    _, pairs = compare(examples, folds, own + twin, "track", replicates=100)
    assert (pairs["difference"] == 0).all()
    assert (pairs["better"] == "neither").all()
    assert (pairs["p_value"] == 1).all()


def test_the_better_model_wins_and_lower_errors_are_better():
    examples, folds, cells = setting("track")
    _, pairs = compare(examples, folds, cells, "track", replicates=200)
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


def test_holm_is_the_step_down_adjustment():
    assert _holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])


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
    with pytest.raises(InputError, match="cannot be bootstrapped"):
        compare(examples, folds, cells, "track", metrics=["auprc"])
    with pytest.raises(InputError, match="no labelled example"):
        compare(examples.assign(target=None), folds, cells, "track")


def test_model_kinds_tell_language_models_controls_and_their_twins():
    kinds = model_kinds(made_up.CONFIG)
    assert kinds["cnn"] == {"kind": "CNN", "backbone": None, "twin": None}
    assert kinds["gpt-full"]["kind"] == LANGUAGE
    # The control stands on the vocabulary of gpt-vocab4, so that one is its twin.
    assert kinds["gpt-random"] == {"kind": CONTROL, "backbone": "gpt-random", "twin": "gpt-vocab4"}


def said(values, difference, metric="pearson", config=made_up.CONFIG):
    """The verdict on made-up values: dict of model -> value, and half the width of every interval."""
    intervals = pd.DataFrame([
        {"metric": metric, "model": m, "value": v, "low": v - 0.01, "high": v + 0.01, "examples": 600, "groups": 40}
        for m, v in values.items()
    ])  # fmt: skip
    names = list(values)
    pairs = [
        {
            "metric": metric, "model_a": a, "model_b": b, "a": values[a], "b": values[b],
            "difference": values[a] - values[b], "low": values[a] - values[b] - difference,
            "high": values[a] - values[b] + difference,
        }
        for i, a in enumerate(names) for b in names[i + 1 :]
    ]  # fmt: skip
    totals = pd.DataFrame({"model": ["cnn", "gpt-vocab4"], "total": [40.0, 120.0]})
    columns = ["metric", "model_a", "model_b", "a", "b", "difference", "low", "high"]
    return verdict(intervals, pd.DataFrame(pairs, columns=columns), totals, model_kinds(config))


def test_verdict_says_no_by_how_much_and_at_what_cost():
    first, cost, pretraining, best = said({"cnn": 0.98, "gpt-vocab4": 0.78, "gpt-random": 0.6}, 0.02)
    assert first.startswith("No: the best language model (gpt-vocab4) does worse than the CNN: R 0.780 against 0.980")
    assert "worse by 0.200 (95% interval 0.180 to 0.220)" in first
    assert "2 min 0 s" in cost
    assert "3.0 times the training time" in cost
    assert pretraining.startswith("Pretraining helped: gpt-vocab4 against gpt-random")
    assert (
        best == "Best overall: cnn with R 0.980 (95% interval 0.970 to 0.990), on 600 held-out examples in 40 groups."
    )


def test_verdict_says_yes_and_harm_and_not_known():
    sentences = said({"cnn": 0.7, "gpt-vocab4": 0.8, "gpt-random": 0.9}, 0.02)
    assert sentences[0].startswith("Yes: the best language model (gpt-vocab4) beats the CNN")
    assert sentences[2].startswith("Pretraining did harm")
    unknown = said({"cnn": 0.7, "gpt-vocab4": 0.71}, 0.02)
    assert unknown[0].startswith("No difference shown")
    assert "−0.010 to 0.030" in unknown[0]
    assert any("no untrained backbone" in sentence for sentence in unknown)


def test_verdict_names_the_best_kmer_baseline_too():
    networks = {"kmer": {"network": "kmer"}, "phased": {"network": "kmer", "phases": 3}, "codon": {"network": "codon"}}
    config = made_up.CONFIG | {"models": made_up.CONFIG["models"] | networks}
    values = {"cnn": 0.4, "gpt-vocab4": 0.5, "kmer": 0.45, "phased": 0.55, "codon": 0.57}
    first, second = said(values, 0.02, "accuracy", config)[:2]
    assert first.startswith("Yes: the best language model (gpt-vocab4) beats the CNN: accuracy 0.500 against 0.400")
    assert second.startswith("It does worse than the k-mer baseline phased: accuracy 0.500 against 0.550")
    alone = said({"gpt-vocab4": 0.5, "kmer": 0.45}, 0.02, "accuracy", config)
    assert alone[0].startswith("Yes: the best language model (gpt-vocab4) beats the k-mer baseline kmer")
    assert not any(sentence.startswith("It ") for sentence in alone)


def test_verdict_knows_that_lower_errors_are_better():
    sentences = said({"cnn": 0.2, "gpt-vocab4": 0.5, "gpt-random": 0.8}, 0.02, "mse")
    assert sentences[0].startswith("No: ")
    assert sentences[2].startswith("Pretraining helped")
    assert sentences[-1].startswith("Best overall: cnn")


def test_verdict_of_a_lone_network_names_it_only():
    assert len(said({"cnn": 0.7}, 0.02)) == 1


def test_numbers_and_durations_read_well():
    assert number(-0.25) == "−0.250"
    assert number(float("nan")) == "n/a"
    assert [duration(s) for s in (4.25, 42, 200, 7500)] == ["4.2 s", "42 s", "3 min 20 s", "2 h 5 min"]
