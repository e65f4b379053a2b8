"""Made-up but plausible tables of a study, for the tests of tables, figures and report."""

import json

import numpy as np
import pandas as pd

from seqlm.evaluation.contest.comparison import compare
from seqlm.report.figure_arrays import prediction_arrays
from seqlm.study import model_kinds

MODELS = ["cnn", "gpt-full", "gpt-vocab4", "gpt-random"]
NOISE = {"cnn": 0.2, "gpt-full": 1.0, "gpt-vocab4": 0.8, "gpt-random": 1.4}
GPT = {"architecture": "gpt", "tokenizer": "vocab4", "corpus": ["fly"], "width": 128, "steps": 300}
CONFIG = {
    "study": "made-up",
    "note": "The networks are smaller than DNA-LLM's.",
    "seeds": [1, 2],
    "precision": "auto",
    "threads": 2,
    "sources": {"fly": {"fasta": "fly.fa.gz", "licence": "public domain"}},
    "datasets": {"tf_binding": {"target": "track", "label": {"motif": "resources/motifs/MA0446.1.jaspar"}}},
    "tokenizers": {"full": {"kind": "character"}, "vocab4": {"kind": "character"}},
    "backbones": {"gpt-full": {**GPT, "tokenizer": "full"}, "gpt-vocab4": GPT, "gpt-random": {**GPT, "steps": 0}},
    "models": {
        "cnn": {"network": "cnn"},
        "gpt-full": {"backbone": "gpt-full", "head": "conv", "train": "head"},
        "gpt-vocab4": {"backbone": "gpt-vocab4", "head": "conv", "train": "head"},
        "gpt-random": {"backbone": "gpt-random", "head": "conv", "train": "head"},
    },
    "runs": {"tf_binding": {"models": MODELS}},
}
FORKHEAD = [3, 0, 0, 0, 1, 0, 0, 0]  # TAAACAAA, close to the consensus of MA0446.1
COSTS = {"cnn": (40.0, 0.0), "gpt-full": (12.0, 9.0), "gpt-vocab4": (11.0, 9.0), "gpt-random": (12.0, 9.0)}


def windows(rng, n=80, length=120):
    """Codes, labels and known bases of random windows, two in three with a motif."""
    codes = rng.integers(0, 4, (n, length)).astype(np.uint8)
    track = np.zeros((n, length), np.float32)
    for i in range(n):
        if i % 3:
            start = rng.integers(25, length - 40)
            codes[i, start : start + 8] = FORKHEAD
            track[i, start - 1 : start + 10] = 7 + rng.random()
    return codes, track, track != 0


def example_table(rng, target="track", n=80):
    codes, track, _ = windows(rng, n)
    values = {
        "track": list(track),
        "scalar": rng.normal(size=n),
        "class": np.array(["ant", "bee", "cow"])[rng.integers(0, 3, n)],
    }[target]
    return pd.DataFrame({
        "id": [f"chr4_{1000 * i}_{1000 * i + 119}" for i in range(n)],
        "sequence": ["".join("ACGT"[c] for c in row) for row in codes],
        "target": values,
        "group": [f"block{i // 2}" for i in range(n)],
    })  # fmt: skip


def fold_table(examples, k=1):
    rows = []
    for fold in range(k):
        part = np.array(["train"] * len(examples), dtype=object)
        part[(np.arange(len(examples)) // 4) % 5 == fold] = "test"
        part[(np.arange(len(examples)) // 4) % 5 == (fold + 1) % 5] = "validation"
        rows.append(pd.DataFrame({"id": examples["id"], "fold": fold, "part": part}))
    return pd.concat(rows, ignore_index=True)


def predictions(rng, examples, folds, target="track", classes=("ant", "bee", "cow"), models=MODELS, seeds=(1, 2)):
    """(model, fold, seed, frame) of every cell: the truth with each model's noise."""
    cells = []
    table = examples.set_index("id")
    for model in models:
        for fold, own in folds[folds["part"] != "train"].groupby("fold"):
            for seed in seeds:
                truth = table["target"].loc[own["id"]]
                if target == "track":
                    value = [
                        np.float32(row * 0.9 + NOISE[model] * rng.normal(size=len(row)) * (1 + (row != 0) * 2))
                        for row in truth
                    ]
                elif target == "scalar":
                    value = truth.to_numpy() + NOISE[model] * rng.normal(size=len(truth))
                else:
                    score = 3 * (truth.to_numpy()[:, None] == np.array(classes)) + 2 * NOISE[model] * rng.normal(
                        size=(len(truth), len(classes))
                    )
                    value = list(np.exp(score) / np.exp(score).sum(1, keepdims=True))
                frame = pd.DataFrame({"id": own["id"].to_numpy(), "part": own["part"].to_numpy(), "prediction": value})
                cells.append((model, fold, seed, frame))
    return cells


def history_table(rng, models=MODELS, backbones=("gpt-full", "gpt-vocab4"), folds=(0,), dataset="tf_binding"):
    rows = []
    for backbone in backbones:
        floor = 1.25 if backbone == "gpt-full" else 1.34
        for step in range(0, 301, 50):
            for part in ("train", "validation"):
                value = floor + np.exp(-step / 60) * 1.2 + (part == "validation") * 0.01
                rows.append(["pretraining", backbone, pd.NA, pd.NA, step / 300, step, part, "loss", value])
    for model in models:
        for fold in folds:
            for seed in (1, 2):
                top = 1 - NOISE[model] / 2.2
                for epoch in range(1, 16):
                    for part in ("train", "validation"):
                        r = top * (1 - np.exp(-epoch / 4)) - (part == "validation") * 0.02 + 0.01 * rng.normal()
                        rows.append([dataset, model, fold, seed, epoch, epoch * 30, part, "pearson", r])
                        rows.append([dataset, model, fold, seed, epoch, epoch * 30, part, "loss", 1.1 - r])
    columns = ["dataset", "model", "fold", "seed", "epoch", "step", "part", "metric", "value"]
    return pd.DataFrame(rows, columns=columns).astype({"fold": "Int64", "seed": "Int64"})


def cost_table(dataset="tf_binding"):
    rows = []
    for backbone, seconds in (("gpt-full", 95.0), ("gpt-vocab4", 90.5)):
        stage = {"seconds": seconds, "samples": 9600, "tokens": 2880000, "samples_per_second": 9600 / seconds,
                 "tokens_per_second": 2880000 / seconds, "peak_memory_bytes": 1.3e9}  # fmt: skip
        rows += [["pretraining", backbone, None, None, "pretrain", k, v, "", "2-core CPU"] for k, v in stage.items()]
    for model, (fit, features) in COSTS.items():
        for seed in (1, 2):
            stage = {"seconds": fit + seed, "samples_per_second": 3e4 / fit, "peak_memory_bytes": 6e8}
            rows += [[dataset, model, 0, seed, "fit", k, v, "", "2-core CPU"] for k, v in stage.items()]
            if features:
                rows.append([dataset, model, 0, seed, "features", "seconds", features, "s", "2-core CPU"])
    columns = ["dataset", "model", "fold", "seed", "stage", "quantity", "value", "unit", "device"]
    return pd.DataFrame(rows, columns=columns).astype({"fold": "Int64", "seed": "Int64"})


def language_table():
    rows = []
    for backbone, bits in (("gpt-full", 1.931), ("gpt-vocab4", 1.912)):
        rows += [[backbone, "bits_per_base", bits], [backbone, "markov_bits_per_base", 1.923]]
        rows += [[backbone, "markov_order", 5], [backbone, "bases", 250000]]
    return pd.DataFrame(rows, columns=["backbone", "measure", "value"])


def metric_table(cells, examples, dataset="tf_binding", target="track", classes=None):
    from seqlm.evaluation.metrics import evaluate

    truth, rows = examples.set_index("id")["target"], []
    for model, fold, seed, frame in cells:
        for part, own in frame.groupby("part"):
            values = evaluate(target, list(truth.loc[own["id"]]), list(own["prediction"]), classes)
            rows += [[dataset, model, fold, seed, part, name, value] for name, value in values.items()]
    return pd.DataFrame(rows, columns=["dataset", "model", "fold", "seed", "part", "metric", "value"])


def loo_files(rng, folder, dataset="tf_binding", models=MODELS, n=12):
    """Leave-one-out arrays of every model in a study's folder; less noise reads the motif better."""
    codes, _, known = windows(rng, n)
    folder = folder / "attributions" / dataset
    folder.mkdir(parents=True)
    for model in models:
        noise = 0.03 * NOISE[model] * rng.normal(size=known.shape)
        scores = np.float32(noise - 0.1 * known * (0.5 + rng.random(known.shape)))
        ids = np.array([f"w{i}" for i in range(n)])
        np.savez(folder / f"{model}.npz", id=ids, codes=codes, known=known, scores=scores)
    return [folder / f"{model}.npz" for model in models]


def dataset_tables(rng, target="track", k=1, classes=("ant", "bee", "cow"), dataset="tf_binding"):
    """Everything about one dataset: metrics, intervals, comparisons and the arrays of its figures."""
    examples = example_table(rng, target)
    folds = fold_table(examples, k)
    cells = predictions(rng, examples, folds, target, classes)
    names = list(classes) if target == "class" else None
    kinds = model_kinds(CONFIG)
    intervals, comparisons = compare(examples, folds, cells, target, names, replicates=300, kinds=kinds)
    return {
        "examples": examples,
        "folds": folds,
        "metrics": metric_table(cells, examples, dataset, target, names),
        "intervals": intervals.assign(dataset=dataset),
        "comparisons": comparisons.assign(dataset=dataset),
        "arrays": prediction_arrays(examples, folds, cells, target, names),
    }


def classifier(n, models=("cnn", "gpt"), examples=2000):
    """Arrays of models of `n` classes that take class 1 for class 0 in one case of three, and how often they do."""
    rng = np.random.default_rng(0)
    observed = rng.integers(0, n, examples)
    prediction = np.zeros((len(models), examples, n), np.float32)
    prediction[:, np.arange(examples), observed] = 0.6
    wrong = np.flatnonzero(observed == 0)[::3]
    prediction[:, wrong, 1] = 0.9
    names = [f"class {i}" for i in range(n)]
    return {"classes": names, "observed": observed, "models": list(models), "prediction": prediction}, len(wrong)


def write_json(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path
