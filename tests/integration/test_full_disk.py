"""A results folder on a disk that is full: one clear line, and nothing half-written that a later run would read."""

import os
import subprocess
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from studies import Workflow, small_study

from seqlm import load_model
from seqlm.common.errors import one_line_errors
from seqlm.common.tables import write_arrays, write_json, write_parquet, write_table
from seqlm.models.bundle import save_bundle
from seqlm.models.language.backbone import BackboneModel
from seqlm.models.language.backbone_config import BackboneConfig
from seqlm.models.networks.cnn import CNN, CNNConfig
from seqlm.training.features import cached_features

pytestmark = pytest.mark.slow


@pytest.fixture
def disk(tmp_path):
    """A disk of so many KB, made larger with another call."""
    place = tmp_path / "results"
    place.mkdir()

    def mounted(kilobytes):
        how = ["-o", f"{'remount,' if os.path.ismount(place) else ''}size={kilobytes}k"]
        done = subprocess.run(["mount", "-t", "tmpfs", *how, "tmpfs", str(place)], capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"a small disk wants root: {done.stderr.strip()}")
        return place

    yield mounted
    if os.path.ismount(place):
        subprocess.run(["umount", "-l", str(place)], check=True)


def write_features(folder):
    """Of a frozen backbone, on a disk that another job fills after its free space was looked at."""
    core = {"model_type": "seqlm-gpt", "vocab_size": 4, "block_size": 24, "n_layer": 1, "n_head": 2, "n_embd": 16}
    config = BackboneConfig(core, head="conv", target="track", hidden=8, complement=[3, 2, 1, 0])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=10**9))
        cached_features(BackboneModel(config).eval(), torch.zeros((1000, 24), dtype=torch.uint8), folder / "cache")


WRITERS = {
    "bundle": lambda folder: save_bundle(CNN(CNNConfig(target="track")), folder / "model"),
    "parquet": lambda folder: write_parquet(pd.DataFrame({"x": np.random.rand(10**5)}), folder / "x.parquet"),
    "npz": lambda folder: write_arrays({"x": np.random.rand(10**5)}, folder / "x.npz"),
    "tsv": lambda folder: write_table(pd.DataFrame({"x": np.random.rand(10**5)}), folder / "x.tsv"),
    "features": write_features,
    "json": lambda folder: write_json({"x": ["ACGT" * 100] * 1000}, folder / "x.json"),
}


@pytest.mark.parametrize("what", WRITERS)
def test_every_writer_says_so_in_one_line(disk, tmp_path, capfd, what):
    folder = disk(200)
    with pytest.raises(SystemExit) as ended, one_line_errors(folder / "log"):
        WRITERS[what](folder)
    *bars, said = filter(None, capfd.readouterr().err.splitlines())
    assert ended.value.code == 1 and all("shards" in bar for bar in bars), bars
    assert said.startswith("seqlm: ") and "No space left on device" in said and "free disk space" in said
    assert not [path for path in folder.rglob("*") if path.is_file() and path.stat().st_size and path.name != "log"]


def test_a_study_on_a_full_disk_says_so_and_goes_on_when_there_is_room(disk, tmp_path):
    study = small_study()
    study["runs"]["tf_binding"] = {"models": ["cnn"], "bootstrap": 100}
    disk(1100)  # room for the data, not for the network beside
    workflow = Workflow(tmp_path, study)
    failed = workflow("models", check=False)
    said = failed.stdout + failed.stderr
    assert failed.returncode and "No space left on device" in said and "Traceback" not in said, said[-3000:]
    model = workflow.results / "models/tf_binding/cnn/fold0/seed1"
    assert not model.exists()
    disk(100_000)
    workflow("models")
    assert load_model(model)
    assert not list(workflow.results.rglob(".tmp-*"))
