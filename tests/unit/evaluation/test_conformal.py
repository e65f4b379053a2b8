"""Intervals that hold what they promise; probabilities calibrated in the predictions of new files."""

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

from seqlm.common.errors import InputError
from seqlm.datasets import Dataset
from seqlm.evaluation.conformal import conformal_interval
from seqlm.evaluation.validation import read_folds, write_validation
from seqlm.inference.prediction import predict_targets
from seqlm.models.bundle import save_bundle
from seqlm.models.networks.cnn import CNN, CNNConfig
from seqlm.models.solved.kmer import fit_kmer
from seqlm.streaming.command import predict_command
from seqlm.streaming.files import predict_file
from seqlm.training.fitting import fit_dataset_model


def by_definition(predictions, errors, level):
    """CV+ written out: order statistics of all sums and differences."""
    up = np.sort(np.concatenate([p[:, None] + e for p, e in zip(predictions, errors, strict=True)], 1), axis=1)
    down = np.sort(np.concatenate([p[:, None] - e for p, e in zip(predictions, errors, strict=True)], 1), axis=1)
    count = up.shape[1]
    rank = int(np.ceil(round(level * (count + 1), 9)))
    return down[:, count - rank], up[:, rank - 1]


@pytest.mark.parametrize("sizes", [[50], [30, 41], [7, 80, 5, 20]])
@pytest.mark.parametrize("level", [0.5, 0.8, 0.9])
def test_intervals_are_the_order_statistics(sizes, level):
    rng = np.random.default_rng(len(sizes))
    predictions, errors = [rng.normal(size=12) for _ in sizes], [rng.exponential(size=m) for m in sizes]
    low, high = conformal_interval(predictions, errors, level)
    expected = by_definition(predictions, errors, level)
    np.testing.assert_allclose(low, expected[0], atol=1e-12)
    np.testing.assert_allclose(high, expected[1], atol=1e-12)


def test_nine_errors_are_just_enough_for_nine_tenths():
    errors = np.arange(1.0, 10)
    assert [end.item() for end in conformal_interval([np.zeros(1)], [errors])] == [-9, 9]
    assert [end.item() for end in conformal_interval([np.zeros(1)], [errors[:8]])] == [-np.inf, np.inf]


@pytest.mark.parametrize("folds", [1, 5])
@pytest.mark.parametrize("level", [0.8, 0.95])
def test_new_examples_lie_inside_as_often_as_promised(folds, level):
    """Linear regression with skewed noise, 400 times anew: split (one fold) and CV+ (five)."""
    rng = np.random.default_rng(0)
    inside = []
    for _ in range(400):
        x, noise = rng.normal(size=(160, 8)), rng.exponential(size=160) - 1
        y = x @ np.arange(8) + noise
        fold = np.arange(100) % (folds if folds > 1 else 2)
        predictions, errors = [], []
        for k in range(folds):
            out = np.flatnonzero(fold == k)
            solved = np.linalg.lstsq(x[np.flatnonzero(fold != k)], y[np.flatnonzero(fold != k)], rcond=None)[0]
            errors.append(np.abs(y[out] - x[out] @ solved))
            predictions.append(x[100:] @ solved)
        low, high = conformal_interval(predictions, errors, level)
        inside.append(np.mean((low <= y[100:]) & (y[100:] <= high)))
    # The mean of 400 runs has a standard error of about 0.003.
    assert level - 0.01 < np.mean(inside) < level + 0.03


# In files -------------------------------------------------------------------------------------------------------------


def sequences_of(n, seed, length=30):
    rng = np.random.default_rng(seed)
    return ["".join(rng.choice(list("ACGT"), length)) for _ in range(n)]


def write_fasta(path, sequences):
    path.write_text("".join(f">s{i}\n{s}\n" for i, s in enumerate(sequences)))
    return path


@pytest.fixture(scope="module")
def scalars(tmp_path_factory):
    """Bundles of two folds with two seeds each, and their validation errors by hand."""
    folder = tmp_path_factory.mktemp("scalars")
    rng = np.random.default_rng(5)
    bundles, errors = [], []
    for fold in range(2):
        labels, ids = rng.normal(size=40), [f"v{fold}-{i}" for i in range(40)]
        predicted = []
        for seed in range(2):
            torch.manual_seed(2 * fold + seed)
            model = CNN(CNNConfig(target="scalar", filters=4, hidden=4, kernel=5))
            bundles.append(folder / f"{fold}{seed}")
            save_bundle(model, bundles[-1])
            predicted.append(labels + rng.normal(size=40))
            order = rng.permutation(40)  # whatever the order of the rows
            write_validation(bundles[-1], np.array(ids)[order], labels[order], predicted[-1][order])
        errors.append(np.abs(labels - np.mean(predicted, axis=0)))
    return bundles, errors


def test_files_hold_mean_deviation_and_interval(scalars, tmp_path):
    bundles, errors = scalars
    sequences = sequences_of(9, 0)
    fasta = write_fasta(tmp_path / "x.fa", sequences)
    each = np.stack([predict_targets(bundle, sequences, device="cpu") for bundle in bundles])
    by_fold = [each[:2].mean(0), each[2:].mean(0)]
    arguments = ["--model", *bundles, "--input", fasta, "--output", tmp_path / "o.parquet", "--level", 0.8]
    predict_command([*map(str, arguments), "--device", "cpu"])
    table = pq.read_table(tmp_path / "o.parquet").to_pandas()
    assert list(table) == ["id", "prediction", "low", "high", "sd"]
    low, high = by_definition(by_fold, errors, 0.8)
    for name, expected in {"prediction": each.mean(0), "sd": each.std(0, ddof=1), "low": low, "high": high}.items():
        np.testing.assert_allclose(table[name], expected, atol=1e-6)
    # One model by itself: plus or minus the quantile of its own errors.
    predict_file(bundles[:1], fasta, tmp_path / "one.parquet", device="cpu")
    own = read_folds(bundles[:1])[0].errors
    table = pq.read_table(tmp_path / "one.parquet").to_pandas()
    np.testing.assert_allclose(table["high"] - table["prediction"], np.sort(own)[36], atol=1e-9)  # 0.9 * 41 = 36.9
    np.testing.assert_allclose(table["prediction"] - table["low"], np.sort(own)[36], atol=1e-9)


def test_without_validation_there_are_no_intervals_and_it_is_said(scalars, tmp_path, capsys):
    bundles, _ = scalars
    save_bundle(CNN(CNNConfig(target="scalar", filters=4, hidden=4, kernel=5)), tmp_path / "bare")
    fasta = write_fasta(tmp_path / "x.fa", sequences_of(3, 0))
    predict_file([bundles[0], tmp_path / "bare"], fasta, tmp_path / "o.parquet", device="cpu")
    assert pq.read_schema(tmp_path / "o.parquet").names == ["id", "prediction", "sd"]
    assert "intervals are not given" in capsys.readouterr().err


def test_misuse_is_one_line(scalars, tmp_path):
    bundles, _ = scalars
    fasta = write_fasta(tmp_path / "x.fa", sequences_of(3, 0))
    with pytest.raises(InputError, match="level"):
        predict_file(bundles[:1], fasta, tmp_path / "o.parquet", level=90, device="cpu")
    save_bundle(CNN(CNNConfig(target="scalar", filters=4, hidden=4, kernel=5)), tmp_path / "bundle")
    (tmp_path / "bundle/validation.parquet").write_bytes(b"cut short")
    with pytest.raises(InputError, match="validation.parquet.*damaged"):
        predict_file([tmp_path / "bundle"], fasta, tmp_path / "o.parquet", device="cpu")


def test_probabilities_are_calibrated_on_validation(tmp_path):
    """Two overconfident models on one validation part: the temperature is that of their mean, by another optimiser."""
    sequences = sequences_of(300, 1)
    rng = np.random.default_rng(2)
    chance = [1 / (1 + np.exp(-(s.count("G") + s.count("C") - 15) / 4)) for s in sequences]
    target = np.where(rng.random(300) < chance, "gc", "at")
    bundles = []
    for seed in range(2):
        chosen = np.random.default_rng(seed).permutation(200)[:150]
        y = (target[chosen] == "gc").astype(int)
        model = fit_kmer([sequences[i] for i in chosen], y, classes=["at", "gc"])
        model.linear.weight.data *= 4
        bundles.append(tmp_path / str(seed))
        save_bundle(model, bundles[-1])
        validation = predict_targets(model, sequences[200:], device="cpu")
        write_validation(bundles[-1], [str(i) for i in range(200, 300)], target[200:], validation)
    fasta = write_fasta(tmp_path / "x.fa", sequences[:20])
    predict_file(bundles, fasta, tmp_path / "o.parquet", device="cpu")
    table = pq.read_table(tmp_path / "o.parquet").to_pandas()

    mean = np.mean([predict_targets(bundle, sequences, device="cpu") for bundle in bundles], axis=0)
    y = (target[200:] == "gc").astype(int)

    def loss(log_temperature):
        return -log_softmax(np.log(mean[200:]) / np.exp(log_temperature), axis=1)[np.arange(100), y].mean()

    temperature = np.exp(minimize(loss, [0.0], method="Nelder-Mead", options={"xatol": 1e-8}).x[0])
    assert temperature > 1.5
    expected = softmax(np.log(mean[:20]) / temperature, axis=1)
    found = np.stack(table["prediction"])
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert table["label"].tolist() == [("at", "gc")[i] for i in expected.argmax(1)]
    np.testing.assert_allclose(table["max_probability"], expected.max(1), atol=1e-4)
    np.testing.assert_allclose(table["margin"], np.abs(expected[:, 0] - expected[:, 1]), atol=1e-4)
    np.testing.assert_allclose(table["entropy"], -(expected * np.log(expected)).sum(1), atol=1e-4)


@pytest.mark.parametrize("target", ["scalar", "class"])
@pytest.mark.parametrize("model", [{"network": "cnn", "pooling": "max"}, {"network": "kmer"}])
def test_training_leaves_the_validation_part_in_the_bundle(target, model, tmp_path):
    sequences = sequences_of(60, 3)
    y = [s.count("G") + 100.0 for s in sequences] if target == "scalar" else [s[0] for s in sequences]
    examples = pd.DataFrame({"id": [f"e{i}" for i in range(60)], "sequence": sequences, "target": y})
    examples = examples.assign(group=examples["id"], weight=1.0)
    folds = pd.DataFrame({"id": examples["id"], "fold": 0, "part": np.repeat(["train", "validation", "test"], 20)})
    classes = sorted(set(y)) if target == "class" else None
    data = Dataset(examples, folds, {"target": target, "classes": classes})
    network, _ = fit_dataset_model(data, 0, model, {"epochs": 1, "batch_size": 8}, 1, tmp_path, device="cpu")
    table = pq.read_table(tmp_path / "validation.parquet").to_pandas()
    assert table["id"].tolist() == [f"e{i}" for i in range(20, 40)]
    assert table["label"].tolist() == y[20:40]
    expected = predict_targets(network, sequences[20:40], device="cpu")
    np.testing.assert_allclose(np.stack(table["prediction"]), expected, atol=1e-6)
