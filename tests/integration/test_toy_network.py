"""Adding a network needs one new file and one line: a toy goes through a whole study."""

import os
import shutil
import subprocess
import sys

import pandas as pd
import pytest
import yaml
from studies import small_study

pytestmark = pytest.mark.slow

TOY = '''"""A toy: one linear map of each base."""

import torch
from torch import nn

from seqlm.models.base import SequenceConfig, SequenceModel
from seqlm.models.layers import Conv1d
from seqlm.sequences import base_codes

NETWORK = {
    "class": "Toy",
    "words": "toy network",
    "about": "a linear map of a few bases",
    "family": "network",
    "options": {"kernel": {"type": "integer", "minimum": 1, "description": "bases that it reads (3)."}},
}


class ToyConfig(SequenceConfig):
    model_type = "seqlm-toy"

    def __init__(self, kernel=3, **kwargs):
        super().__init__(**kwargs)
        self.kernel = kernel


class Toy(SequenceModel):
    config_class = ToyConfig
    reads_bases = True

    def __init__(self, config):
        super().__init__(config)
        self.map = Conv1d(4, 1, config.kernel, padding="same")
        self.post_init()

    def encode(self, sequences):
        return torch.from_numpy(base_codes(sequences))

    def forward(self, X):
        return self.map(nn.functional.one_hot(X.long(), 5)[..., :4].float().transpose(1, 2)).squeeze(1)
'''


def test_a_new_network_is_a_file_and_a_line(root, tmp_path):
    shutil.copytree(root / "workflow", tmp_path / "workflow")
    shutil.copytree(root / "envs", tmp_path / "envs")
    shutil.copy2(root / "Snakefile", tmp_path / "Snakefile")
    models = tmp_path / "workflow/scripts/seqlm/models"
    (models / "networks/toy.py").write_text(TOY)
    registry = models / "registry.py"
    line = '    "cnn": "networks.cnn",\n'
    registry.write_text(registry.read_text().replace(line, line + '    "toy": "networks.toy",\n'))
    study = small_study()
    study["models"] = {"toy": {"network": "toy", "kernel": 5}}
    study["runs"]["tf_binding"] |= {"models": ["toy"], "loo": {"edit": "mask", "examples": 2}}
    study["backbones"] = {}
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(study))
    command = [sys.executable, "-m", "snakemake", "--cores", "2", "--configfile", "study.yaml"]
    command += ["--workflow-profile", str(root / "profiles/default")]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    assert done.returncode == 0, done.stderr[-5000:]
    metrics = pd.read_csv(tmp_path / "results/small/tables/metrics.tsv", sep="\t")
    assert set(metrics["model"]) == {"toy"}
    assert "toy network" in (tmp_path / "results/small/report.html").read_text()

    study["models"]["toy"]["filters"] = 8
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(study))
    done = subprocess.run([*command, "-n"], cwd=tmp_path, capture_output=True, text=True)
    assert "models.toy: the network toy has no 'filters'" in done.stdout + done.stderr
