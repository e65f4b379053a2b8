"""A study that trains on more and more labels, with a language model that read the training sequences alone."""

import gzip

import numpy as np
import pandas as pd
import pytest
from studies import Workflow

pytestmark = pytest.mark.slow


def sequences_and_labels():
    """300 sequences of 30 bases; a class has TATA in the middle, and a tenth of the labels are wrong."""
    rng = np.random.default_rng(1)
    letters = rng.choice(list("ACGT"), (300, 30))
    positive = rng.random(300) < 0.5
    letters[positive, 12:16] = list("TATA")
    return ["".join(row) for row in letters], np.where(positive ^ (rng.random(300) < 0.1), "yes", "no")


def test_more_labels(tmp_path):
    rows = pd.DataFrame(dict(zip(("sequence", "label"), sequences_and_labels(), strict=True)))
    rows.to_csv(tmp_path / "rows.tsv", sep="\t", index=False)
    folds = {"scheme": "ratio", "train": 60, "validation": 20, "test": 20}
    backbone = {
        "tokenizer": "bases", "corpus_of": "tata", "layers": 1, "heads": 2, "width": 16, "block": 30, "steps": 4,
        "batch_size": 4, "warmup": 1, "evaluate_every": 2, "evaluate_batches": 2,
    }  # fmt: skip
    run = Workflow(tmp_path, {
        "study": "sizes", "seeds": [1], "threads": 1, "precision": "fp32",
        "sources": {"rows": {"table": str(tmp_path / "rows.tsv")}},
        "datasets": {"tata": {"target": "class", "table": {"source": "rows"}, "folds": folds}},
        "tokenizers": {"bases": {"kind": "character"}},
        "backbones": {"gpt": backbone},
        "models": {"onehot": {"network": "onehot"}, "gpt": {"backbone": "gpt", "head": "linear"}},
        "runs": {"tata": {"models": ["onehot", "gpt"], "training_sizes": [20, 60, "all"], "bootstrap": 100}},
    })  # fmt: skip
    run()
    data = run.results / "datasets/tata"
    parts = pd.read_csv(data / "folds.tsv", sep="\t", dtype={"id": str}).set_index("id")["part"]
    examples = pd.read_parquet(data / "examples.parquet").set_index("id")

    text = gzip.decompress((data / "training_text.fa.gz").read_bytes()).decode().split("\n")[1::2]
    assert text == [sequence for name, sequence in examples["sequence"].items() if parts[name] == "train"]

    sizes = pd.read_csv(run.results / "tables/datasets/tata/sizes.tsv", sep="\t")
    assert sorted(sizes["labels"].unique()) == [20, 60, (parts == "train").sum()]
    value = sizes.query("model == 'onehot' and metric == 'accuracy' and labels == 20")["value"].item()
    predicted = pd.read_parquet(run.results / "training_sizes/tata/onehot/n20/fold0/seed1.parquet")
    predicted = predicted[predicted["part"] == "test"].set_index("id")["prediction"]
    classes = np.array(sorted(examples["target"].unique()))
    called = classes[[np.argmax(row) for row in predicted]]
    assert value == pytest.approx((called == examples.loc[predicted.index, "target"]).mean(), abs=1e-6)

    assert (run.results / "figures/learning_curve-tata.png").exists()
    assert "By number of labels" in (run.results / "report.html").read_text()
