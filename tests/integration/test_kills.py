"""The short form of benchmarks/kills.py: jobs and Snakemake are killed, and nothing is lost or changed."""

import subprocess
import sys

import pytest
from studies import ROOT


@pytest.mark.slow
def test_killed_jobs_and_a_killed_snakemake_end_with_the_same_bytes():
    command = [sys.executable, str(ROOT / "benchmarks/kills.py"), "--kills", "2", "--snakemake", "1", "--seconds", "2"]
    command += ["--stages", "pretraining", "fitting"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=3000)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "jobs killed: 2 of 2 ended with the same bytes" in done.stdout
    assert "Snakemake killed: complete after 1 of 1" in done.stdout
