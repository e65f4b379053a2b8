"""Per-fold files, arrays for motif discovery, shap explanations, and ensembles."""

import json
import pickle

import numpy as np
import pandas as pd
import pytest
import shap
from scipy.stats import spearmanr

from seqlm.attribution.result import LeaveOneOut
from seqlm.common.errors import InputError
from seqlm.evaluation.part_metrics import part_metrics
from seqlm.inference.ensemble import combine, fit_weights
from seqlm.report.fold_results import (
    NO_HISTORY,
    motif_arrays,
    rank_deltas,
    scores_by_base,
    write_explanation,
    write_fold_results,
    write_motif_arrays,
    write_scores,
)

IDS = ["a", "b", "c", "d"]


def test_rank_deltas_are_ranks_of_values_not_rows():
    table = rank_deltas(IDS, [5.0, 1.0, 3.0, np.nan], [0.1, 0.9, 0.9, 0.5])
    assert table["id"].tolist() == ["a", "b", "c"]
    assert table["label_rank"].tolist() == [3, 1, 2]
    assert table["prediction_rank"].tolist() == [1, 2.5, 2.5]
    assert table["delta"].tolist() == [-2, 1.5, 0.5]


def test_rank_deltas_give_spearman():
    rng = np.random.default_rng(0)
    y, p = rng.permutation(50.0 + np.arange(50)), rng.normal(size=50)
    delta = rank_deltas(range(50), y, p)["delta"]
    assert 1 - 6 * (delta**2).sum() / (50 * (50**2 - 1)) == pytest.approx(spearmanr(y, p).statistic)


def fold(prediction):
    predictions = pd.DataFrame(
        {"id": ["d", "v", "a"], "part": ["test", "validation", "test"], "prediction": prediction}
    )
    metrics = pd.DataFrame([["validation", "r2", 0.5], ["test", "r2", 0.25]], columns=["part", "metric", "value"])
    history = pd.DataFrame(
        [[0, 0, "train", "loss", 2.0], [1, 9, "train", "loss", 1.5], [1, 9, "validation", "loss", 3.0]],
        columns=["epoch", "step", "part", "metric", "value"],
    )
    return predictions, metrics, history, {"stage": "fit", "seconds": 3.5, "samples": 20}


def test_files_of_a_fold(tmp_path):
    examples = pd.DataFrame({"id": ["a", "d"], "target": [1.0, 2.0]})
    write_fold_results(tmp_path, examples, *fold([0.5, 7.0, 0.25]))
    assert pd.read_csv(tmp_path / "test_predictions.csv").values.tolist() == [["a", 1.0, 0.25], ["d", 2.0, 0.5]]
    assert pd.read_csv(tmp_path / "rank_deltas.csv")["delta"].tolist() == [0, 0]
    results = {name: json.loads((tmp_path / f"{name}_results.json").read_text()) for name in ("train", "eval", "test")}
    assert results["train"] == {"train_loss": 1.5, "train_runtime": 3.5, "train_samples": 20, "epoch": 1}
    assert results["eval"] == {"eval_r2": 0.5}
    assert results["test"] == {"test_r2": 0.25}
    assert (
        json.loads((tmp_path / "all_results.json").read_text()) == results["train"] | results["eval"] | results["test"]
    )


def test_files_of_a_fold_with_classes(tmp_path):
    examples = pd.DataFrame({"id": ["a", "d"], "target": ["x", "y"]})
    write_fold_results(tmp_path, examples, *fold([[0.75, 0.25], [0.5, 0.5], [0.25, 0.75]]), "class", ["x", "y"])
    table = pd.read_csv(tmp_path / "test_predictions.csv")
    assert table.values.tolist() == [["a", "x", "y", 0.25, 0.75], ["d", "y", "x", 0.75, 0.25]]
    assert not (tmp_path / "rank_deltas.csv").exists()


def test_tracks_and_ensembles_leave_their_metrics(tmp_path):
    examples = pd.DataFrame({"id": ["a", "d"], "target": [[1.0, 0.0], [2.0]]})
    predictions, metrics, *_ = fold([[0.5, 1.0], [7.0], [0.25]])
    write_fold_results(tmp_path, examples, predictions, metrics, NO_HISTORY, {}, "track")
    assert not list(tmp_path.glob("*.csv"))
    assert json.loads((tmp_path / "all_results.json").read_text()) == {"eval_r2": 0.5, "test_r2": 0.25}


def test_motif_arrays_of_masking(tmp_path):
    codes = np.array([[0, 3, 4], [2, 4, 4]], np.uint8)
    scores = np.array([[-0.5, 2.0, 1.0], [1.0, np.nan, np.nan]], np.float32)
    write_motif_arrays(tmp_path, codes, scores)
    one_hot, contributions = (np.load(tmp_path / f"{name}.npz")["arr_0"] for name in ("one_hot", "contributions"))
    assert one_hot.shape == contributions.shape == (2, 4, 3)
    assert contributions[0, :, 0].tolist() == [0.5, 0, 0, 0]
    assert contributions[0, :, 1].tolist() == [0, 0, 0, -2]
    assert contributions[1, :, 0].tolist() == [0, 0, -1, 0]
    assert not contributions[:, :, 2].any()
    assert one_hot.sum() == 3


def test_motif_arrays_of_replacing_are_hypothetical():
    codes = np.array([[1, 4]], np.uint8)
    scores = np.array([[[-1.0, 0.0, -2.0, 3.0], [1.0, 1.0, 1.0, 5.0]]], np.float32)
    _, contributions = motif_arrays(codes, scores)
    assert contributions[0, :, 0].tolist() == [-1, 0, -2, 3]
    assert not contributions[0, :, 1].any()


def test_replacement_scores_by_base():
    nan = np.nan
    scores = np.array([[[1, nan, 2, 3, nan], [nan, 4, nan, nan, 5], [nan] * 5]], np.float32)
    by_base = scores_by_base(scores, ["c", "A", "g", "t", "GEJ"])
    assert by_base[0, :2].tolist() == [[0, 1, 2, 3], [4, 0, 5, 0]]
    assert np.isnan(by_base[0, 2]).all()


def test_explanation_holds_what_the_arrays_hold(tmp_path):
    scores = np.array([[0.5, -1.0, 2.0], [0.25, np.nan, np.nan]], np.float32)
    loo = LeaveOneOut(scores, np.array([3.0, 4.0], np.float32), [["a", "Gej", "c"], ["T"]], [])
    write_explanation(tmp_path, loo.to_table(["x", "y"]), ["x", "y"], loo.prediction)
    explanation = pickle.loads((tmp_path / "explanation.pkl").read_bytes())
    assert isinstance(explanation, shap.Explanation)
    assert explanation.values[0].tolist() == [-0.5, 1, -2]
    assert explanation[1].data.tolist() == ["T"]
    assert explanation.base_values.tolist() == [3, 4]
    arrays = np.load(tmp_path / "explanation.npz")
    assert arrays["id"].tolist() == ["x", "y"]
    assert arrays["length"].tolist() == [3, 1]
    assert arrays["values"].tolist() == [-0.5, 1, -2, -0.25]
    assert arrays["tokens"].tolist() == ["a", "Gej", "c", "T"]


def test_scores_of_all_classes_are_explained_for_the_predicted_one(tmp_path):
    """Also where a sequence has no token that is replaced."""
    nan = np.nan
    scores = np.array([[[[1.0, -1]], [[nan, nan]]], [[[nan, nan]], [[nan, nan]]], [[[2, -2]], [[3, -3]]]], np.float32)
    loo = LeaveOneOut(
        scores, np.array([[0.5, 0.1], [0, 1], [0, 4]], np.float32), [["a", "c"], ["g"], ["a", "a"]], ["t"],
        predicted=["no", "yes", "yes"], classes=["no", "yes"], own=np.zeros((3, 2, 1), bool),
    )  # fmt: skip
    chosen = loo.of_predicted()
    arrays = {"id": np.array(["x", "y", "z"]), "prediction": chosen.prediction, "scores": chosen.scores[:, :, 0]}
    arrays |= {"codes": np.zeros((3, 2), np.uint8), "replaced": chosen.scores, "replacements": np.array(["t"])}
    write_scores(tmp_path, loo.to_table(["x", "y", "z"]), arrays)
    found = np.load(tmp_path / "explanation.npz")
    assert found["id"].tolist() == ["x", "z"]
    assert found["prediction"].tolist() == [0.5, 4.0]
    assert found["values"].tolist() == [-1, 2, 3]
    assert pd.read_csv(tmp_path / "scores.csv")["class"].tolist() == ["no", "yes"] * 3
    assert np.load(tmp_path / "contributions.npz")["arr_0"].shape == (3, 4, 2)


def test_ensemble_weights_come_from_the_validation_part():
    rng = np.random.default_rng(1)
    ids = [str(i) for i in range(60)]
    part = ["validation"] * 30 + ["test"] * 30
    x, noise = rng.normal(size=60), rng.normal(size=60)
    members = [pd.DataFrame({"id": ids, "part": part, "prediction": p}) for p in (x, noise)]
    labels = pd.Series(2 * x + 1, index=ids)
    table, weight = combine([members[0], members[1].sample(frac=1, random_state=0)], labels)
    assert weight == pytest.approx([2, 0], abs=1e-6)
    np.testing.assert_allclose(table["prediction"], 2 * x + 1, atol=1e-6)
    hidden = labels.copy()
    hidden.iloc[30:] = np.nan
    pd.testing.assert_frame_equal(combine(members, hidden)[0], combine(members, labels)[0])
    np.testing.assert_allclose(combine(members, labels, "equal")[0]["prediction"], (x + noise) / 2)


def test_ensemble_of_probabilities_is_their_mean():
    members = [pd.DataFrame({"id": ["a"], "part": ["test"], "prediction": [p]}) for p in ([0.2, 0.8], [0.6, 0.4])]
    assert combine(members, pd.Series(dtype=str), target="class")[0]["prediction"][0].tolist() == pytest.approx(
        [0.4, 0.6]
    )


def test_metrics_by_part():
    ids, part = list("abcdef"), ["validation"] * 3 + ["test"] * 3
    table = pd.DataFrame({"id": ids, "part": part, "prediction": [1.0, 2, 3, 3, 2, 9]})
    metrics = part_metrics(table, pd.Series([2.0, 4, 6, 1, 2, np.nan], index=ids), "scalar")
    r = metrics[metrics["metric"] == "pearson"].set_index("part")["value"]
    assert r.to_dict() == pytest.approx({"validation": 1.0, "test": -1.0})


def test_an_ensemble_of_classifiers_is_calibrated_too():
    rng = np.random.default_rng(0)
    ids, part = [str(i) for i in range(400)], ["validation"] * 200 + ["test"] * 200
    right = rng.random(400) < 0.7
    labels = pd.Series(rng.choice(["a", "b"], 400), index=ids)
    sure = [[0.99, 0.01] if (label == "a") == hit else [0.01, 0.99] for label, hit in zip(labels, right, strict=True)]
    value = part_metrics(pd.DataFrame({"id": ids, "part": part, "prediction": sure}), labels, "class", ["a", "b"])
    value = value.set_index(["part", "metric"])["value"]
    # 70% are right: the temperature that makes 0.99 into 0.7.
    share = right[:200].mean()
    expected = np.log(99) / np.log(share / (1 - share))
    assert value["validation", "temperature"] == pytest.approx(expected, rel=1e-3)
    assert value["test", "ece_calibrated"] == pytest.approx(abs(right[200:].mean() - share), abs=1e-3)
    assert value["test", "ece"] == pytest.approx(0.99 - right[200:].mean(), abs=1e-6)


def test_what_an_ensemble_refuses():
    member = pd.DataFrame({"id": ["a"], "part": ["test"], "prediction": [1.0]})
    with pytest.raises(InputError, match="no prediction for 'a'"):
        combine([member, member.assign(id="b")], pd.Series(dtype=float))
    with pytest.raises(InputError, match="2 validation labels"):
        fit_weights(np.zeros((2, 2)), [1.0, 2.0])
    with pytest.raises(InputError, match="unknown"):
        fit_weights(np.zeros((2, 9)), np.zeros(9), "mean")
