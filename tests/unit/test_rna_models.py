"""An mRNA task through the training and prediction jobs: every kind of model, and labels that must not leak."""

import numpy as np
import pandas as pd
import pytest

from seqlm.datasets import load_dataset, write_dataset, write_folds
from seqlm.datasets.examples import summarise
from seqlm.fitting import fit_dataset_model
from seqlm.models.bundle import load_model
from seqlm.predictions import predict_dataset, score_dataset
from seqlm.transcripts import Transcript

MODELS = {
    "linear": {"network": "linear"},
    "kmer": {"network": "kmer"},
    "cnn": {"network": "cnn"},
    "saluki": {"network": "saluki", "length": 120, "filters": 6, "blocks": 2, "dropout": 0.0, "max_shift": 0},
}
TRAINING = {"epochs": 2, "batch_size": 8, "learning_rate": 1e-3}


def examples(n=40, seed=0):
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(n):
        length = int(rng.integers(60, 120))
        sequence = "".join(rng.choice(list("ACGT"), length))
        transcript = Transcript(str(i), f"g{i // 2}", sequence, (9, 9 + 3 * int(rng.integers(5, 15))), (20,))
        rows.append([str(i), transcript.tokens(), sequence.count("G") / length * 10 + 5, f"g{i // 2}", 1.0])
    return pd.DataFrame(rows, columns=["id", "sequence", "target", "group", "weight"])


def write(folder, table):
    part = np.array(["train"] * 24 + ["validation"] * 8 + ["test"] * 8)
    write_dataset(folder, table, summarise("rna", table, "scalar", {}, {}))
    write_folds(folder / "folds.tsv", pd.DataFrame({"id": table["id"], "fold": 0, "part": part}))
    return folder


def train(folder, name, seed=1, **training):
    output = folder / name
    output.mkdir()
    fit_dataset_model(folder, 0, MODELS[name], TRAINING | training, seed, output, device="cpu", precision="fp32")
    return output


@pytest.mark.parametrize("name", MODELS)
def test_every_kind_of_model(tmp_path, name):
    folder = write(tmp_path / "data", examples())
    bundle = train(folder, name)
    table, metrics, _ = predict_dataset(bundle, folder, 0)
    predictions = table.to_pandas()
    assert predictions["part"].value_counts().to_dict() == {"validation": 8, "test": 8}
    assert predictions["prediction"].between(0, 20).all()  # in the units of the labels, which are near 7.5
    assert set(metrics["metric"]) >= {"pearson", "spearman", "mse", "r2"}
    scores, arrays, _ = score_dataset(bundle, folder, 0, examples=1)
    first = load_dataset(folder).part(0, "test")["sequence"].iloc[0].split()
    assert len(scores) == len(first)
    assert arrays["codes"].shape[1] == len(first)
    assert np.isfinite(scores["loo"]).all()


@pytest.mark.parametrize("scaling", ["standard", "minmax", "log"])
def test_no_model_sees_test_labels(tmp_path, scaling):
    """Labels of the test part are made absurd: scaling and predictions of a fixed training stay."""
    table = examples()
    absurd = table.assign(target=np.where(np.arange(40) < 32, table["target"], 1e6))
    bundles = [train(write(tmp_path / n, t), "saluki", label_scaling=scaling) for n, t in (("a", table), ("b", absurd))]
    models = [load_model(bundle) for bundle in bundles]
    assert models[0].config.label_scaling == models[1].config.label_scaling
    y = table["target"].to_numpy()[:24]
    y = np.log(y) if scaling == "log" else y
    expected = (y.min(), np.ptp(y)) if scaling == "minmax" else (y.mean(), y.std())
    assert models[0].config.label_scaling["offset"] == pytest.approx(expected[0])
    assert models[0].config.label_scaling["scale"] == pytest.approx(expected[1])
    for mine, other in zip(models[0].parameters(), models[1].parameters(), strict=True):
        assert mine.equal(other)


def test_same_seed_same_numbers(tmp_path):
    found = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        folder = write(tmp_path / name, examples())
        found.append(predict_dataset(train(folder, "saluki", seed), folder, 0)[0]["prediction"].to_numpy())
    assert (found[0] == found[1]).all()
    assert (found[0] != found[2]).any()
