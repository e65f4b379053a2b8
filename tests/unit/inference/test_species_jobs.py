"""The jobs around embeddings, called as the workflow calls them."""

import importlib.util
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from small_models import save, small_model

from seqlm.datasets import write_dataset, write_folds
from seqlm.inference.embedding import embed
from seqlm.inference.projection import read_embeddings

SCRIPTS = Path(__file__).parents[3] / "workflow" / "scripts"


def run(name, **parts):
    spec = importlib.util.spec_from_file_location(name, SCRIPTS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    parts = {key: SimpleNamespace(**value) for key, value in parts.items()}
    module.main(SimpleNamespace(log=[], **parts))


@pytest.fixture
def dataset(tmp_path):
    rng = np.random.default_rng(0)
    examples = pd.DataFrame({"id": [f"e{i}" for i in range(12)]})
    examples["sequence"] = ["".join(rng.choice(list("ACGT"), 30)) for _ in range(12)]
    examples = examples.assign(target=["fly", "yeast"] * 6, group=None, weight=1.0, chrom=None, start=None, end=None)
    write_dataset(tmp_path / "data", examples, {"dataset": "d", "target": "class", "classes": ["fly", "yeast"]})
    parts = ["train"] * 6 + ["test"] * 6
    write_folds(tmp_path / "data" / "folds.tsv", pd.DataFrame({"id": examples["id"], "fold": 0, "part": parts}))
    return tmp_path / "data" / "examples.parquet"


def test_from_a_folder_to_a_map(tmp_path, dataset, monkeypatch):
    model = small_model("esm")
    backbone = {"hub": str(save(model, tmp_path / "saved")), "revision": None}
    run("fetch_backbone", params={"backbone": backbone, "name": "nt"}, output={"folder": tmp_path / "nt"})
    run(
        "embed_sequences",
        input={"examples": dataset, "model": tmp_path / "nt"},
        output={"embeddings": tmp_path / "nt.npz"},
        params={"embedding": {"pooling": "max", "layer": 2}},
        resources={"torch_threads": 1, "device": "cpu"},
    )
    ids, X = read_embeddings(tmp_path / "nt.npz")
    sequences = pd.read_parquet(dataset)["sequence"].tolist()
    np.testing.assert_allclose(X, embed(model, sequences, "max", 2), atol=1e-6)
    assert ids.tolist() == [f"e{i}" for i in range(12)]
    run(
        "embed_sequences",
        input={"examples": dataset, "model": tmp_path / "nt"},
        output={"embeddings": tmp_path / "bases.npz"},
        params={"embedding": {"pooling": "bases", "layer": -1}},
        resources={"torch_threads": 1, "device": "cpu"},
    )
    by_base = np.load(tmp_path / "bases.npz")
    np.testing.assert_allclose(by_base["embedding"], np.concatenate(embed(model, sequences, "bases")), atol=1e-5)
    assert by_base["length"].tolist() == [30] * 12
    monkeypatch.setattr("seqlm.inference.projection.project", lambda X, seed: X[:, :2])
    run(
        "project_embeddings",
        input={"examples": dataset, "embeddings": [tmp_path / "nt.npz"]},
        output={"table": tmp_path / "map.tsv", "page": tmp_path / "map.html"},
        params={"panels": ["pretrained"], "fold": 0, "part": "test", "seed": 1, "title": "Species"},
    )
    table = pd.read_csv(tmp_path / "map.tsv", sep="\t")
    assert table.columns.tolist() == ["id", "label", "panel", "x", "y"]
    assert table["id"].tolist() == [f"e{i}" for i in range(6, 12)]
    np.testing.assert_allclose(table["x"], X[6:, 0], rtol=1e-4)
    assert "Species" in (tmp_path / "map.html").read_text()


def test_a_mistake_is_one_line(tmp_path, capsys):
    params = {"backbone": {"hub": str(tmp_path / "nothing")}, "name": "nt"}
    with pytest.raises(SystemExit) as stopped:
        run("fetch_backbone", params=params, output={"folder": tmp_path / "nt"})
    assert stopped.value.code == 1
    assert capsys.readouterr().err.startswith(f"seqlm: {tmp_path / 'nothing'}: no such folder")
    assert not (tmp_path / "nt").exists()


def test_a_job_takes_the_gpus_it_asks_for(dataset, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(SystemExit):
        run(
            "embed_sequences",
            input={"examples": dataset, "model": tmp_path / "nt"},
            output={"embeddings": tmp_path / "nt.npz"},
            params={"embedding": {}},
            resources={"torch_threads": 1, "device": "cuda", "gpu": 1},
        )
    assert "1 GPU(s) asked for, 0 visible" in capsys.readouterr().err
