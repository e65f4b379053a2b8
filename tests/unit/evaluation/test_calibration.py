"""Temperature scaling on probabilities whose true temperature is known; confidence against formulas."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax
from scipy.stats import entropy

from seqlm.datasets import write_dataset, write_folds
from seqlm.evaluation.calibration import calibration_rows, fit_temperature, log_loss, rescale
from seqlm.evaluation.confidence import confidence
from seqlm.evaluation.metrics import expected_calibration_error
from seqlm.inference.dataset_predictions import predict_dataset
from seqlm.models.bundle import save_bundle
from seqlm.models.solved.kmer import fit_kmer


@pytest.fixture(scope="module")
def overconfident():
    """Labels drawn from calibrated probabilities, and the same logits made 2.5 times too large."""
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(8000, 4)) * 1.5
    honest = softmax(logits, axis=1)
    y = (honest.cumsum(1) > rng.random((8000, 1))).argmax(1)
    return softmax(2.5 * logits, axis=1), honest, y


def test_finds_the_temperature(overconfident):
    p, honest, y = overconfident
    assert fit_temperature(p, y) == pytest.approx(2.5, rel=0.05)
    assert fit_temperature(honest, y) == pytest.approx(1.0, rel=0.05)
    np.testing.assert_allclose(rescale(p, 2.5), honest, atol=1e-6)


def test_better_on_data_it_was_not_fitted_on(overconfident):
    p, _, y = overconfident
    rows = calibration_rows((p[:4000], y[:4000]), (p[4000:], y[4000:]))
    value = {(part, metric): value for part, metric, value in rows}
    temperature = value["validation", "temperature"]
    assert expected_calibration_error(y[4000:], p[4000:]) > 0.15 and value["test", "ece_calibrated"] < 0.03
    assert value["test", "log_loss_calibrated"] < log_loss(p[4000:], y[4000:])
    assert (rescale(p, temperature).argmax(1) == p.argmax(1)).all()


def test_certain_and_wrong_stays_finite():
    p, y = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]), np.array([0, 1, 1])
    assert np.isfinite(log_loss(p, y)) and 1 < fit_temperature(p, y) <= 20.1


def test_predictions_carry_confidence_and_calibration(tmp_path):
    """An overconfident k-mer model (its logits made five times as large): predictions and metrics of a dataset."""
    rng = np.random.default_rng(1)
    target = rng.choice(["at", "gc"], 400)
    letters = {"at": [0.3, 0.2, 0.2, 0.3], "gc": [0.2, 0.3, 0.3, 0.2]}
    sequences = ["".join(rng.choice(list("ACGT"), 30, p=letters[name])) for name in target]
    examples = pd.DataFrame({"id": [f"e{i}" for i in range(400)], "sequence": sequences, "target": target})
    part = np.repeat(["train", "validation", "test"], [200, 100, 100])
    examples = examples.assign(group=None, weight=1.0, chrom=None, start=None, end=None, strand="+")
    write_dataset(tmp_path / "data", examples, {"dataset": "d", "target": "class", "classes": ["at", "gc"]})
    write_folds(tmp_path / "data" / "folds.tsv", pd.DataFrame({"id": examples["id"], "fold": 0, "part": part}))
    model = fit_kmer(sequences[:200], (target[:200] == "gc").astype(int), classes=["at", "gc"])
    model.linear.weight.data *= 5
    model.linear.bias.data *= 5
    save_bundle(model, tmp_path / "model")
    table, metrics, _ = predict_dataset(tmp_path / "model", tmp_path / "data", 0, device="cpu")
    probabilities = np.stack(table["prediction"].to_pylist())
    np.testing.assert_allclose(table["max_probability"], probabilities.max(1), rtol=1e-6)
    np.testing.assert_allclose(table["entropy"], entropy(probabilities, axis=1), atol=1e-5)
    assert set(table["label"].to_pylist()) == {"at", "gc"}
    value = metrics.set_index(["part", "metric"])["value"]
    assert value["validation", "temperature"] > 1.5
    assert value["test", "ece_calibrated"] < value["test", "ece"]
    assert value["test", "log_loss_calibrated"] < value["test", "log_loss"]


def test_confidence_measures():
    p = np.array([[0.7, 0.2, 0.1], [1.0, 0.0, 0.0], [1 / 3, 1 / 3, 1 / 3]])
    table = confidence(p, ["a", "b", "c"])
    assert table["predicted"].tolist() == ["a", "a", "a"]
    np.testing.assert_allclose(table["max_probability"], p.max(1))
    np.testing.assert_allclose(table["entropy"], entropy(p, axis=1))
    np.testing.assert_allclose(table["margin"], [0.5, 1.0, 0.0], atol=1e-12)
    assert confidence(p)["predicted"].tolist() == [0, 0, 0]
