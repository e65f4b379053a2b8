"""Metrics against scipy and scikit-learn."""

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as sk

from seqlm.common.errors import InputError
from seqlm.evaluation.metrics import METRICS, evaluate, expected_calibration_error, reliability

CLASSES = ["ant", "bee", "cow"]


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def test_scalar_metrics_are_those_of_scipy_and_sklearn(rng):
    y = rng.normal(size=200).round(1)  # rounded, so that ranks are tied
    p = 0.6 * y + rng.normal(size=200)
    found = evaluate("scalar", y, p)
    assert list(found) == list(METRICS["scalar"])
    assert found["pearson"] == pytest.approx(stats.pearsonr(y, p).statistic)
    assert found["spearman"] == pytest.approx(stats.spearmanr(y, p).statistic)
    assert found["mse"] == pytest.approx(sk.mean_squared_error(y, p))
    assert found["r2"] == pytest.approx(sk.r2_score(y, p))


def test_a_track_has_one_correlation_over_all_bases_not_a_mean_of_windows(rng):
    y = [np.where(rng.random(n) < 0.2, 8.0 + i, 0.0) for i, n in enumerate((50, 30, 70))]
    p = [row + rng.normal(size=len(row)) for row in y]
    flat_y, flat_p = np.concatenate(y), np.concatenate(p)
    found = evaluate("track", y, p)
    assert found["pearson"] == pytest.approx(stats.pearsonr(flat_y, flat_p).statistic)
    mean_of_windows = np.mean([stats.pearsonr(a, b).statistic for a, b in zip(y, p, strict=True)])
    assert found["pearson"] != pytest.approx(mean_of_windows, abs=1e-4)
    assert found["auprc"] == pytest.approx(sk.average_precision_score(flat_y != 0, flat_p))
    assert found["spearman"] == pytest.approx(stats.spearmanr(flat_y, flat_p).statistic)


def test_a_track_given_as_one_array_is_the_same(rng):
    y = np.where(rng.random((5, 40)) < 0.2, 8.0, 0.0)
    p = y + rng.normal(size=y.shape)
    assert evaluate("track", y, p) == evaluate("track", list(y), list(p))


@pytest.mark.parametrize("n_classes", [2, 3])
def test_class_metrics_are_those_of_sklearn(rng, n_classes):
    classes = CLASSES[:n_classes]
    codes = rng.integers(0, n_classes, 300)
    p = rng.dirichlet(np.ones(n_classes), 300) + 0.5 * np.eye(n_classes)[codes]
    p /= p.sum(1, keepdims=True)
    found = evaluate("class", np.array(classes)[codes], p, classes)
    called = p.argmax(1)
    assert found["accuracy"] == pytest.approx(sk.accuracy_score(codes, called))
    assert found["f1_macro"] == pytest.approx(sk.f1_score(codes, called, average="macro"))
    assert found["mcc"] == pytest.approx(sk.matthews_corrcoef(codes, called))
    assert found["log_loss"] == pytest.approx(sk.log_loss(codes, p))
    if n_classes == 2:
        assert found["auroc"] == pytest.approx(sk.roc_auc_score(codes, p[:, 1]))
        assert found["auprc"] == pytest.approx(sk.average_precision_score(codes, p[:, 1]))
    else:
        assert found["auroc"] == pytest.approx(sk.roc_auc_score(codes, p, multi_class="ovr", average="macro"))
        assert found["auprc"] == pytest.approx(sk.average_precision_score(np.eye(3)[codes], p, average="macro"))


def test_weights_count_like_repeated_examples(rng):
    y, p = rng.normal(size=30), rng.normal(size=30)
    weight = rng.integers(1, 4, 30)
    twice = {"y": np.repeat(y, weight), "prediction": np.repeat(p, weight)}
    for name in ("pearson", "mse", "r2"):
        expected = evaluate("scalar", **twice)[name]
        assert evaluate("scalar", y, p, weight=weight)[name] == pytest.approx(expected), name
    codes = rng.integers(0, 3, 30)
    q = rng.dirichlet(np.ones(3), 30)
    labels = np.array(CLASSES)[codes]
    expected = evaluate("class", np.repeat(labels, weight), np.repeat(q, weight, axis=0), CLASSES)
    assert evaluate("class", labels, q, CLASSES, weight) == pytest.approx(expected)


def test_calibration_error_equals_its_definition(rng):
    y = rng.integers(0, 3, 500)
    p = rng.dirichlet(np.ones(3), 500)
    top, right = p.max(1), p.argmax(1) == y
    total = 0.0
    for low in np.arange(15) / 15:
        inside = (top > low) & (top <= low + 1 / 15)
        if inside.any():
            total += inside.mean() * abs(right[inside].mean() - top[inside].mean())
    assert expected_calibration_error(y, p) == pytest.approx(total)
    confidence, accuracy, share = reliability(y, p, bins=10)
    assert share.sum() == pytest.approx(1)
    assert len(confidence) == len(accuracy) == 10


def test_sure_and_right_is_perfectly_calibrated():
    assert expected_calibration_error(np.array([0, 1, 2]), np.eye(3)) == 0


def test_unlabelled_examples_are_left_out(rng):
    y, p = rng.normal(size=20), rng.normal(size=20)
    assert evaluate("scalar", np.append(y, np.nan), np.append(p, 99.0)) == evaluate("scalar", y, p)
    q = rng.dirichlet(np.ones(3), 4)
    labels = ["ant", "cow", None, "bee"]
    assert evaluate("class", labels, q, CLASSES) == evaluate("class", ["ant", "cow", "bee"], q[[0, 1, 3]], CLASSES)


@pytest.mark.parametrize(
    ("target", "y", "p"),
    [
        ("scalar", [1.0, 1.0, 1.0], [1.0, 2.0, 3.0]),
        ("scalar", [1.0, 2.0, 3.0], [2.0, 2.0, 2.0]),
        ("scalar", [], []),
        ("track", [[0.0, 0.0]], [[0.1, 0.2]]),
        ("class", ["ant", "ant"], [[0.9, 0.1, 0.0], [0.5, 0.2, 0.3]]),
        ("class", [], np.zeros((0, 3))),
    ],
)
def test_what_is_undefined_is_nan_with_one_warning_line(caplog, target, y, p):
    found = evaluate(target, y, p, CLASSES if target == "class" else None)
    assert any(np.isnan(value) for value in found.values())
    assert len(caplog.records) == 1
    assert "\n" not in caplog.text.strip()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("scalar", [1.0, 2.0], [1.0]), "2 observed and 1 predicted"),
        (("word", [1.0], [1.0]), "unknown target"),
        (("track", [[1.0, 2.0]], [[1.0]]), "as long as"),
        (("class", ["dog"], [[1.0, 0.0, 0.0]], CLASSES), "'dog' is not one of the classes"),
        (("class", ["ant"], [[1.0, 0.0]], CLASSES), "one column per class"),
        (("scalar", [1.0, 2.0], [1.0, 3.0], None, [1.0]), "one weight per example"),
    ],
)
def test_wrong_input_is_one_clear_line(arguments, message):
    with pytest.raises(InputError, match=message) as error:
        evaluate(*arguments)
    assert "\n" not in str(error.value)
