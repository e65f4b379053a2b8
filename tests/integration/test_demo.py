"""The demo study as it ships, and again with nothing to do."""

import os
import shutil
import subprocess
import sys

import pandas as pd
import pytest

pytestmark = pytest.mark.slow


def test_demo(root, tmp_path):
    for name in ("Snakefile", "config", "envs", "profiles", "resources", "workflow"):
        source = root / name
        copy = shutil.copytree if source.is_dir() else shutil.copy2
        copy(source, tmp_path / name)
    command = [sys.executable, "-m", "snakemake", "--cores", "2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr[-5000:]
    results = tmp_path / "results/demo"
    assert "data:image" in (results / "report.html").read_text()

    metrics = pd.read_csv(results / "tables/metrics.tsv", sep="\t").query("part == 'test'")
    metrics = metrics.set_index(["dataset", "model", "metric"])["value"]
    assert metrics["tf_binding", "cnn", "pearson"] > 0.85
    assert metrics["species", "kmer", "accuracy"] > 0.25  # six species, two pairs of them close relatives
    assert metrics["mrna", "linear", "pearson"] > 0.5
    assert metrics["mrna", "saluki", "pearson"] > 0.4
    loo = pd.read_csv(results / "tables/loo.tsv", sep="\t").set_index(["dataset", "model", "measure"])["value"]
    assert loo["tf_binding", "cnn", "ap_negative"] > 5 * loo["tf_binding", "cnn", "chance"]

    again = subprocess.run([*command, "-n"], cwd=tmp_path, capture_output=True, text=True, env=environment)
    assert "Nothing to be done" in again.stdout + again.stderr
