"""A whole study of published models of all families, fetched from a hub on 127.0.0.1; then again without it."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from hub_layouts import FAMILIES, PACKAGE
from local_hub import LocalHub
from studies import ROOT, Workflow
from warm_jobs import warm

import seqlm
from seqlm.common.errors import InputError
from seqlm.inference.projection import read_embeddings

pytestmark = pytest.mark.slow

# Beside the families: a class that a package brings (as gpn does), and those of multimolecule, which is AGPL.
PACKAGED = {"gpn-like": "package_of_mine"}
CONVERTED = {"rnafm": "multimolecule", "calm": "multimolecule"}
TRUSTED = ("own-code", "generator")


def study(commits, packages, table):
    backbones = {
        name: {"hub": f"authors/{name}", "revision": commit, "trust_remote_code": name in TRUSTED}
        for name, commit in commits.items()
    }
    for name, package in packages.items():
        backbones[name]["classes"] = package
    return {
        "study": "published",
        "seeds": [1],
        "threads": 1,
        "precision": "fp32",
        "sources": {"windows": {"table": str(table)}},
        "datasets": {
            "species": {
                "target": "class",
                "table": {"source": "windows", "id": "id"},
                "folds": {"scheme": "ratio", "train": 60, "validation": 20, "test": 20},
            }
        },
        "backbones": backbones,
        "models": {name: {"backbone": name, "head": "linear"} for name in backbones},
        "training": {"epochs": 1},
        "runs": {
            "species": {
                "models": list(backbones),
                "loo": {"edit": "mask", "examples": 2},
                "embeddings": {"models": list(backbones)},
                "bootstrap": 100,
            }
        },
    }


def windows(path, n=60, length=60):
    """Windows of two species that differ in G+C."""
    rng = np.random.default_rng(0)
    rows = ["id\tsequence\tlabel"]
    for i in range(n):
        gc = (0.3, 0.6)[i % 2]
        text = "".join(rng.choice(list("ACGT"), length, p=[(1 - gc) / 2, gc / 2, gc / 2, (1 - gc) / 2]))
        rows.append(f"w{i}\t{text}\t{('fly', 'yeast')[i % 2]}")
    path.write_text("\n".join(rows) + "\n")


def publish(hub, folder):
    """All models in their published layouts; their commits, and the packages that some need."""
    makers, packages = dict(FAMILIES), dict(PACKAGED)

    def packaged(folder):
        FAMILIES["grover"](folder)
        path = folder / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"model_type": "mine"}))

    makers["gpn-like"] = packaged
    try:
        import multimolecule  # noqa: F401
        from test_multimolecule import published

        packages |= CONVERTED
        makers |= {name: lambda folder, name=name: published(folder, name) for name in CONVERTED}
    except ImportError:
        pass
    commits = {}
    for name, make in makers.items():
        (folder / name).mkdir(parents=True)
        make(folder / name)
        commits[name] = hub.add(f"authors/{name}", folder / name)
    return commits, packages


def predicted(results, name):
    return pd.read_parquet(results / f"predictions/species/{name}/fold0/seed1.parquet")


def found(results, name):
    """What a study says of a model: predictions, leave-one-out scores, embeddings."""
    scores = pd.read_parquet(results / f"attributions/species/{name}.parquet")
    return predicted(results, name), scores, read_embeddings(results / f"embeddings/species/{name}.npz")[1]


def test_every_family_from_a_name_on_the_hub_to_a_report(tmp_path, monkeypatch):
    hub = LocalHub()
    monkeypatch.syspath_prepend(ROOT / "tests/unit/models")
    commits, packages = publish(hub, tmp_path / "hub")
    assert len(commits) >= 12
    (tmp_path / "site").mkdir()
    (tmp_path / "site/package_of_mine.py").write_text(PACKAGE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    (tmp_path / "work").mkdir()
    windows(tmp_path / "windows.tsv")
    workflow = Workflow(tmp_path / "work", study(commits, packages, tmp_path / "windows.tsv"))
    results = workflow.results
    with hub.serving():
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        with warm(tmp_path, workflow.environment()) as snakemake:
            workflow(timeout=1800, snakemake=snakemake)
        asked = len(hub.requests)

    metrics = pd.read_csv(results / "tables/metrics.tsv", sep="\t")
    report = (results / "report.html").read_text()
    examples = pd.read_parquet(results / "datasets/species/examples.parquet").set_index("id")
    monkeypatch.syspath_prepend(tmp_path / "site")
    first = {name: predicted(results, name) for name in commits}
    for name in commits:
        predictions, scores, embeddings = found(results, name)
        assert np.isfinite(np.stack(predictions["prediction"])).all(), name
        assert len(set(scores["sequence"])) == 2 and len(scores) == 120, name
        assert np.isfinite(scores["loo"]).all() and scores["loo"].abs().max() > 0, name
        assert len(embeddings) == len(examples) and np.isfinite(embeddings).all(), name
        own = metrics[(metrics["model"] == name) & (metrics["part"] == "test")]
        assert len(own) and np.isfinite(own["value"]).all(), name
        assert name in report

        # What a job predicted is what its bundle predicts here, where there is no hub.
        bundle = results / f"models/species/{name}/fold0/seed1"
        if name == "own-code":
            with pytest.raises(InputError, match="own code, from authors/own-code"):
                seqlm.load_model(bundle)
        model = seqlm.load_model(bundle, trust_remote_code=name in TRUSTED)
        logits = seqlm.predict(model, list(examples.loc[predictions["id"], "sequence"])).double()
        labels = np.array(model.config.classes)[logits.softmax(1).argmax(1).numpy()]
        assert (labels == predictions["label"]).all(), name
    assert (
        "license: cc-by-nc-sa-4.0"
        in (results / "models/species/nucleotide-transformer-v2/fold0/seed1/README.md").read_text()
    )

    # The hub is gone, and so is all that was made: models come from the cache, and predict the same.
    shutil.rmtree(results)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with warm(tmp_path, workflow.environment()) as snakemake:
        workflow("predictions", timeout=1800, snakemake=snakemake)
    assert len(hub.requests) == asked
    for name, predictions in first.items():
        pd.testing.assert_frame_equal(predicted(results, name), predictions)
