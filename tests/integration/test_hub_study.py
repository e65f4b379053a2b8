"""A whole study of published models, fetched from a hub on 127.0.0.1; then the same models without it."""

import json

import numpy as np
import pandas as pd
import pytest
from hub_layouts import FAMILIES, PACKAGE
from local_hub import LocalHub

import seqlm
from conftest import ROOT, Workflow
from seqlm.common.errors import InputError

pytestmark = pytest.mark.slow

NAMES = {"nt": "nucleotide-transformer-v2", "letters": "splicebert", "hyena": "hyenadna"}


def study(commits):
    backbones = {
        short: {"hub": f"authors/{name}", "revision": commits[name], "trust_remote_code": short == "hyena"}
        for short, name in NAMES.items()
    }
    backbones["mine"] = {"hub": "authors/grover", "classes": "package_of_mine"}
    heads = {"nt": "linear"}
    return {
        "study": "published",
        "seeds": [1],
        "threads": 1,
        "precision": "fp32",
        "sources": {
            "fly": {"fasta": str(ROOT / "resources/demo/dmel_chr4.fa.gz")},
            "yeast": {"fasta": str(ROOT / "resources/demo/scer_chrI.fa.gz")},
        },
        "datasets": {
            "species": {
                "target": "class",
                "windows": {"sources": {"fly": "fly", "yeast": "yeast"}, "length": 60, "per_class": 40},
                "folds": {"scheme": "ratio", "train": 60, "validation": 20, "test": 20, "group": "position"},
            }
        },
        "backbones": backbones,
        "models": {"cnn": {"network": "cnn"}}
        | {name: {"backbone": name, "head": heads.get(name, "pooled")} for name in backbones},
        "training": {"epochs": 1},
        "runs": {
            "species": {
                "models": ["cnn", *backbones],
                "loo": {"edit": "replace", "examples": 1, "models": list(backbones)},
                "embeddings": {"models": ["hyena"]},
                "bootstrap": 100,
            }
        },
    }


def test_from_a_name_on_the_hub_to_a_report(tmp_path, monkeypatch):
    hub, commits = LocalHub(), {}
    for name in [*NAMES.values(), "grover"]:
        (tmp_path / "hub" / name).mkdir(parents=True)
        FAMILIES[name](tmp_path / "hub" / name)
        if name == "grover":
            path = tmp_path / "hub" / name / "config.json"
            path.write_text(json.dumps(json.loads(path.read_text()) | {"model_type": "mine"}))
        commits[name] = hub.add(f"authors/{name}", tmp_path / "hub" / name)
    (tmp_path / "site").mkdir()
    (tmp_path / "site/package_of_mine.py").write_text(PACKAGE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    (tmp_path / "work").mkdir()
    workflow = Workflow(tmp_path / "work", study(commits))
    with hub.serving():
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        workflow(timeout=1800)
        asked = len(hub.requests)
    results = workflow.results
    metrics = pd.read_csv(results / "tables/metrics.tsv", sep="\t")
    assert set(metrics["model"]) == {"cnn", "mine", *NAMES}
    for name in ["mine", *NAMES]:
        scores = pd.read_parquet(results / f"attributions/species/{name}.parquet")["loo"]
        assert np.isfinite(scores).all() and scores.abs().max() > 0, name
    assert list((results / "embeddings").glob("species/hyena.npz"))
    assert (results / "report.html").exists()

    # What a job predicted is what its bundle predicts here, where there is no hub.
    examples = pd.read_parquet(results / "datasets/species/examples.parquet").set_index("id")
    monkeypatch.syspath_prepend(tmp_path / "site")
    for name in ["mine", *NAMES]:
        bundle = results / f"models/species/{name}/fold0/seed1"
        predicted = pd.read_parquet(results / f"predictions/species/{name}/fold0/seed1.parquet")
        if name == "hyena":
            with pytest.raises(InputError, match="own code, from authors/hyenadna"):
                seqlm.load_model(bundle)
        model = seqlm.load_model(bundle, trust_remote_code=name == "hyena")
        logits = seqlm.predict(model, list(examples.loc[predicted["id"], "sequence"])).double()
        assert np.isfinite(np.stack(predicted["prediction"])).all()
        found = logits.softmax(1).argmax(1).numpy()
        assert (np.array(model.config.classes)[found] == predicted["label"]).mean() == 1
    assert "license: cc-by-nc-sa-4.0" in (results / "models/species/nt/fold0/seed1/README.md").read_text()

    # The hub is gone: models come from the cache, and are the same.
    before = (results / "backbones/hyena/model.safetensors").read_bytes()
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    workflow("-f", "results/published/backbones/hyena", "results/published/backbones/nt")
    assert (results / "backbones/hyena/model.safetensors").read_bytes() == before
    assert len(hub.requests) == asked
