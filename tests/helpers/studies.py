"""A small study to run the workflow on, and a workflow run in a folder of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent.parent


def small_study():
    """A study of well under a minute of training: real fly sequence, toy networks, every kind of job of the demo."""
    gpt = {
        "architecture": "gpt", "tokenizer": "vocab4", "corpus": ["fly"], "validation": 0.2, "layers": 1, "heads": 2,
        "width": 16, "block": 100, "steps": 4, "batch_size": 4, "warmup": 1, "evaluate_every": 2, "evaluate_batches": 2,
    }  # fmt: skip
    return {
        "study": "small",
        "seeds": [1],
        "threads": 1,
        "precision": "fp32",
        "sources": {"fly": {"fasta": str(ROOT / "resources/demo/dmel_chr4.fa.gz")}},
        "datasets": {
            "tf_binding": {
                "target": "track",
                "windows": {"source": "fly", "length": 100, "subsample": 200},
                "label": {"motif": str(ROOT / "resources/motifs/MA0446.1.jaspar"), "p_value": 1e-3},
                "folds": {"scheme": "ratio", "train": 60, "validation": 20, "test": 20, "group": "position"},
            }
        },
        "tokenizers": {"full": {"kind": "character", "alphabet": "text"}, "vocab4": {"kind": "character"}},
        "backbones": {"gpt-full": {**gpt, "tokenizer": "full"}, "gpt-vocab4": gpt, "gpt-random": {**gpt, "steps": 0}},
        "models": {
            "cnn": {"network": "cnn"},
            "gpt-full": {"backbone": "gpt-full"},
            "gpt-vocab4": {"backbone": "gpt-vocab4"},
            "gpt-random": {"backbone": "gpt-random"},
        },
        "training": {"epochs": 2, "patience": 1},
        "runs": {
            "tf_binding": {
                "models": ["cnn", "gpt-full", "gpt-vocab4", "gpt-random"],
                "loo": {"edit": "mask", "examples": 4},
                "bootstrap": 100,
            }
        },
    }


class Workflow:
    """Runs snakemake on a study in a folder of its own, as a user would."""

    def __init__(self, folder, study):
        self.folder = Path(folder)
        self.study = study
        self.config = self.folder / "study.yaml"
        self.results = self.folder / "results" / study["study"]
        self.write()

    def write(self):
        self.config.write_text(yaml.safe_dump(self.study, sort_keys=False))

    def environment(self):
        return {**os.environ, "XDG_CACHE_HOME": str(self.folder / ".cache"), "OMP_NUM_THREADS": "1"}

    def __call__(self, *arguments, snakefile="Snakefile", cores=2, check=True, timeout=1800, snakemake=None):
        command = [
            *(snakemake or [sys.executable, "-m", "snakemake"]), "-s", str(ROOT / snakefile),
            "--directory", str(self.folder), "--configfile", str(self.config), "--cores", str(cores),
            "--profile", "none", "--workflow-profile", str(ROOT / "profiles/default"), *arguments,
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, env=self.environment())
        if check and done.returncode:
            pytest.fail(f"{' '.join(command)}\n{done.stdout[-6000:]}\n{done.stderr[-6000:]}", pytrace=False)
        return done
