"""Planted motifs: a study whose model must have read two of JASPAR's and not the decoys, with a shuffled control."""

import numpy as np
import pandas as pd
import pytest
from studies import Workflow

from seqlm.sequences.motif_files import jaspar_motifs

PLANTED, DECOY = ("MA0139", "MA0506"), "MA0106"  # CTCF, NRF1; p53


def planted(n=2000, length=150):
    """Sequences of three classes: nothing, CTCF or NRF1, on either strand; half of each with p53 besides."""
    rng = np.random.default_rng(0)
    known = {motif.matrix_id[:6]: motif for motif in jaspar_motifs("vertebrates")}
    codes, label = rng.integers(0, 4, (n, length)), np.arange(n) % 3
    for row, own in zip(codes, label, strict=True):
        put = ([PLANTED[own - 1]] if own else []) + ([DECOY] if rng.random() < 0.5 else [])
        for slot, name in zip(rng.permutation(3), put, strict=False):
            counts = np.array([known[name].counts[base] for base in "ACGT"]).T
            site = np.array([rng.choice(4, p=column / column.sum()) for column in counts])
            site = site if rng.random() < 0.5 else 3 - site[::-1]
            start = 50 * slot + rng.integers(0, 50 - len(site))
            row[start : start + len(site)] = site
    names = np.array(["none", "first", "second"])
    texts = ["".join("ACGT"[code] for code in row) for row in codes]
    table = pd.DataFrame({"id": [f"s{i}" for i in range(n)], "sequence": texts, "label": names[label]})
    return table, table.assign(label=rng.permutation(table["label"]))


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("motifs")
    for name, table in zip(("real", "shuffled"), planted(), strict=True):
        table.to_csv(folder / f"{name}.tsv", sep="\t", index=False)
    run = {"bootstrap": 100, "motifs": {"jaspar": "vertebrates", "examples": 1000}}
    study = {
        "study": "planted", "seeds": [1, 2], "threads": 1, "precision": "fp32",
        "sources": {name: {"table": str(folder / f"{name}.tsv")} for name in ("real", "shuffled")},
        "datasets": {
            name: {"target": "class", "table": {"source": name, "id": "id"},
                   "folds": {"train": 50, "validation": 10, "test": 40}}
            for name in ("real", "shuffled")
        },
        "models": {"cnn": {"network": "cnn"}, "dilated": {"network": "dilated"}},
        "runs": {
            "real": run | {"models": ["cnn", "dilated"], "checks": {"examples": 50, "control": "shuffled"}},
            "shuffled": run | {"models": ["cnn"]},
        },
    }  # fmt: skip
    workflow = Workflow(folder, study)
    workflow("all", "attributions", timeout=3000)
    return workflow


@pytest.mark.slow
@pytest.mark.parametrize("model", ["cnn", "dilated"])
def test_planted_motifs_are_found_and_named_and_the_decoy_is_not(finished, model):
    found = pd.read_csv(finished.results / f"tables/datasets/real/motifs/{model}/found.tsv", sep="\t")
    assert set(found["match"].unique()[:2]) == {"CTCF", "Nrf1"}  # one may be found in several shapes
    assert "TP53" not in set(found["match"])
    hits = pd.read_csv(finished.results / f"attributions/real/motifs/{model}.bed", sep="\t", header=None)
    examples = pd.read_parquet(finished.results / "datasets/real/examples.parquet").set_index("id")
    for name, label in (("CTCF", "first"), ("Nrf1", "second")):
        own = hits[hits[3].str.endswith(f"_{name}")]
        assert (examples.loc[own[0].unique(), "target"] == label).mean() > 0.8
    assert "CTCF (MA0139" in (finished.results / "report.html").read_text()


@pytest.mark.slow
def test_motifs_anywhere_in_sequences_of_one_length_are_not_read_by_place(finished):
    settings = pd.read_csv(finished.results / "tables/settings.tsv", sep="\t", dtype=str)
    real = settings[settings["dataset"] == "real"]
    assert set(real.loc[real["setting"] == "pooling", "value"]) == {"mean_max"}
    metrics = pd.read_csv(finished.results / "tables/metrics.tsv", sep="\t")
    own = metrics[(metrics["dataset"] == "real") & (metrics["part"] == "test") & (metrics["metric"] == "accuracy")]
    assert (own.groupby("model")["value"].mean() > 0.8).all()  # 0.34 for a dilated network that keeps positions


@pytest.mark.slow
def test_a_model_of_shuffled_labels_has_no_motif_and_its_scores_agree_with_none(finished):
    found = pd.read_csv(finished.results / "tables/datasets/shuffled/motifs/cnn/found.tsv", sep="\t")
    assert not len(found)
    checks = finished.results / "tables/datasets/real/checks/cnn"
    pairs = pd.read_csv(checks / "agreement.tsv", sep="\t").set_index("kind")["mean"]
    assert pairs["seed"] > 0.2 > 0.1 > abs(pairs["shuffled labels"])  # over all bases, of which most matter to none
    areas = pd.read_csv(checks / "areas.tsv", sep="\t").set_index("against")
    assert (areas["low"] > 0).all() and set(areas.index) == {"random", "k-mers"}
