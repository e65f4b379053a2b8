"""Leave-one-out scores from any number of jobs are those of one job."""

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from gather_loo import main as gather_job
from score_loo import main as score_job
from seqlm.attribution import pieces as cutting
from seqlm.attribution.pieces import pieces, share
from seqlm.datasets import write_dataset, write_folds
from seqlm.models.bundle import save_bundle
from seqlm.models.networks.cnn import CNN, CNNConfig

CLASSES = ["x", "y"]


@pytest.mark.parametrize("lengths", [[5], [300] * 50, [10**5, 1, 1], [1, 10**5, 1]])
@pytest.mark.parametrize("shards", [1, 2, 3, 7])
def test_every_sequence_is_in_one_share(lengths, shards):
    cuts = pieces(lengths)
    shares = [share(cuts, (k, shards)) for k in range(1, shards + 1)]
    assert sum(shares, []) == cuts
    assert [i for cut in cuts for i in range(len(lengths))[cut]] == list(range(len(lengths)))
    assert all(len(range(len(lengths))[cut]) == 1 or sum(lengths[cut]) <= cutting.PIECE for cut in cuts)


@pytest.fixture(scope="module", params=["track", "scalar", "class"])
def study(request, tmp_path_factory):
    """Test examples of different lengths, one without a label, and a model."""
    folder, target = tmp_path_factory.mktemp(request.param), request.param
    rng = np.random.default_rng(0)
    sequences = ["".join(rng.choice(list("ACGT"), length)) for length in (20, 12, 31, 25, 9)]
    labels = {
        "track": [(np.arange(len(s)) > 8) * (i % 2.0) for i, s in enumerate(sequences)],
        "scalar": [1.0, np.nan, 3.0, 4.0, 5.0],
        "class": ["x", None, "y", "y", "x"],
    }[target]
    examples = pd.DataFrame({"id": list("abcde"), "sequence": sequences, "target": labels})
    classes = CLASSES if target == "class" else None
    write_dataset(folder / "data", examples, {"dataset": "toy", "target": target, "classes": classes})
    write_folds(folder / "data/folds.tsv", pd.DataFrame({"id": list("abcde"), "fold": 0, "part": "test"}))
    torch.manual_seed(0)
    more = {"n_outputs": 2, "classes": CLASSES} if target == "class" else {}
    save_bundle(CNN(CNNConfig(target=target, filters=4, hidden=4, kernel=5, **more)), folder / "bundle")
    return folder


def files(folder, name=""):
    return {part: folder / f"{name}{part}" for part in ("table", "arrays", "cost")}


def score(study, outputs, shard, loo):
    inputs = {"model": study / "bundle", "examples": study / "data/examples.parquet"}
    params = {"loo": {"examples": 5, **loo}, "fold": 0, "shard": shard}
    job(score_job, inputs, outputs, params)


def job(main, inputs, outputs, params=()):
    content = {"input": inputs, "output": outputs, "params": dict(params)}
    content["resources"] = {"torch_threads": 1, "device": "cpu"}
    main(SimpleNamespace(log=None, **{name: SimpleNamespace(**values) for name, values in content.items()}))


@pytest.mark.parametrize("shards", [2, 3, 6])  # of 4 pieces: also shards without any
@pytest.mark.parametrize("loo", [{"edit": "remove"}, {"edit": "replace"}, {"edit": "mask", "class_index": "all"}])
def test_shards_gathered_are_one_job(shards, loo, study, tmp_path, monkeypatch):
    if "class_index" in loo and not study.name.startswith("class"):
        pytest.skip("classes only")
    monkeypatch.setattr(cutting, "PIECE", 32)
    score(study, files(tmp_path, "whole-"), [1, 1], loo)
    parts = [files(tmp_path, f"{k}-") for k in range(1, shards + 1)]
    for k, part in enumerate(parts, 1):
        score(study, part, [k, shards], loo)
    names = {"tables": "table", "arrays": "arrays", "costs": "cost"}
    gathered = {name: [part[own] for part in parts] for name, own in names.items()}
    job(gather_job, gathered, files(tmp_path))
    whole = files(tmp_path, "whole-")
    assert (tmp_path / "table").read_bytes() == whole["table"].read_bytes()
    one, several = np.load(whole["arrays"]), np.load(tmp_path / "arrays")
    assert one.files == several.files
    for name in one.files:
        assert one[name].dtype == several[name].dtype
        np.testing.assert_array_equal(several[name], one[name])
    costs = [json.loads(path.read_text()) for path in (whole["cost"], tmp_path / "cost")]
    assert set(costs[0]) == set(costs[1])
    assert [costs[1][key] for key in ("samples", "tokens")] == [costs[0][key] for key in ("samples", "tokens")]
