"""An mRNA task through the training and prediction jobs: every kind of model, and labels that must not leak."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml

from seqlm.attribution.dataset_scores import score_dataset
from seqlm.datasets import build_dataset, load_dataset, write_dataset, write_folds
from seqlm.datasets.examples import summarise
from seqlm.datasets.separation.folds import make_folds
from seqlm.inference.dataset_predictions import predict_dataset
from seqlm.inference.prediction import predict_targets
from seqlm.models.bundle import load_model, save_bundle
from seqlm.models.language.gpt import GPTConfig, GPTForCausalLM
from seqlm.sequences.transcripts.transcript import Transcript
from seqlm.study import Study, load_schema
from seqlm.tokenization import learn_tokenizer
from seqlm.training.fitting import fit_dataset_model

MODELS = {
    "linear": {"network": "linear"},
    "kmer": {"network": "kmer"},
    "cnn": {"network": "cnn"},
    "saluki": {"network": "saluki", "length": 120, "filters": 6, "blocks": 2, "dropout": 0.0, "max_shift": 0},
}
SCHEMA = load_schema(Path(__file__).parents[3] / "workflow/schemas/config.schema.yaml")
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


def test_a_language_model_reads_the_bases_of_an_mrna(tmp_path):
    torch.manual_seed(0)
    backbone = GPTForCausalLM(GPTConfig(vocab_size=4, block_size=128, n_layer=1, n_head=2, n_embd=16))
    save_bundle(backbone, tmp_path / "backbone", learn_tokenizer("character", alphabet="ACGT"))
    folder = write(tmp_path / "data", examples())
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    entry = {"backbone": "b", "head": "pooled"}
    fit_dataset_model(
        folder, 0, entry, TRAINING, 1, bundle, backbone=tmp_path / "backbone", device="cpu", precision="fp32"
    )
    found = predict_dataset(bundle, folder, 0, ["test"])[0].to_pandas()
    tests = load_dataset(folder).part(0, "test")
    bases = ["".join(token[0] for token in tokens.split()).upper() for tokens in tests["sequence"]]
    expected = predict_targets(bundle, bases, device="cpu")
    np.testing.assert_allclose(found["prediction"], expected, rtol=1e-5)
    scores, *_ = score_dataset(bundle, folder, 0, examples=1)
    assert "".join(scores["token"]) == bases[0]


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


MARKS = """
study: marks
sources: {tokens: {table: tokens.txt}}
datasets:
  marks:
    target: class
    table:
      {source: tokens, header: false, separator: ";", sequence: 1, label: 2, weight: 3, tokens: " ", specifiers: "#"}
    folds: {train: 50, validation: 25, test: 25}
models:
  saluki: {network: saluki, length: 8, filters: 4, blocks: 1, samplesize: 10, left_tailing: true}
  centred: {network: saluki, length: 8, filters: 4, blocks: 1, center_token: g}
runs:
  marks:
    models: [saluki, centred]
    loo: {edit: replacespecifier, class_index: all, examples: 3, replacements: {a: [c]}}
"""


@pytest.mark.parametrize("name", ["saluki", "centred"])
def test_classes_of_tokens_with_specifiers(tmp_path, name):
    """From a study's config to predictions and scores."""
    study = Study(yaml.safe_load(MARKS), SCHEMA)
    rng, lines = np.random.default_rng(0), []
    for _ in range(40):
        tokens = ["g", *rng.choice(list("acg"), int(rng.integers(4, 14)))]
        label = "many" if tokens.count("g") > 3 else "few"
        marked = [f"{token}#{rng.uniform():.2f}" if rng.uniform() < 0.5 else token for token in tokens]
        lines.append(f"{' '.join(marked)};{label};{rng.choice(['strong', 'Weak'])}\n")
    (tmp_path / "tokens.txt").write_text("".join(lines))
    config = study["datasets"]["marks"]
    table, summary = build_dataset("marks", config, {"tokens": tmp_path / "tokens.txt"})
    assert set(table["weight"]) == {1.0, 0.5}
    write_dataset(tmp_path, table, summary)
    write_folds(tmp_path / "folds.tsv", make_folds(table, **config["folds"]))
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    fit_dataset_model(tmp_path, 0, study.model(name), TRAINING, 1, bundle, device="cpu", precision="fp32")
    layout = load_model(bundle).layout
    assert (set(layout.tokens), layout.specifiers) == ({"a", "c", "g"}, 1)

    found = predict_dataset(bundle, tmp_path, 0, ["test"])[0].to_pandas()
    np.testing.assert_allclose(np.stack(found["prediction"]).sum(1), 1, atol=1e-6)
    assert set(found["label"]) <= {"few", "many"}
    settings = {key: value for key, value in study["runs"]["marks"]["loo"].items() if key != "shards"}
    scores, arrays, _ = score_dataset(bundle, tmp_path, 0, **settings)
    assert set(scores["class"]) == {"few", "many"}
    texts = load_dataset(tmp_path).examples.set_index("id")["sequence"]
    for sequence, own in scores.groupby("sequence"):
        tokens = texts[sequence].split()
        first = max(0, len(tokens) - 8) if name == "saluki" else 0  # the centre token comes first
        expected = set()
        for i, token in enumerate(tokens[first : first + 8], first):
            bare, _, value = token.partition("#")
            if bare == "a":
                expected.add((i, token, f"c#{value}" if value else "c"))
            if value:
                expected.add((i, token, bare))
        assert set(own[["start_offset", "token", "replacement"]].itertuples(index=False, name=None)) == expected
        assert len(own) == 2 * len(expected)
    assert arrays["by_class"].shape == (*arrays["replaced"].shape, 2)
    edited = scores[(scores["class"] == scores["pred"]) & scores["replacement"].str.startswith("c")]
    replaced = edited[edited["token"].str.startswith("a")].set_index(["sequence", "start_offset"])["loo"]
    mean = pd.DataFrame(arrays["scores"], index=arrays["id"]).stack().dropna()
    np.testing.assert_allclose(mean.sort_index(), replaced.sort_index(), atol=1e-6)  # dropped specifiers left out
