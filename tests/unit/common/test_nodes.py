"""Processes on several nodes: what a stand-in for srun starts, and what is told when one fails."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import seqlm

# Runs its command once a task, with the place that SLURM would tell, and ends with the largest status.
SRUN = """#!{python}
import os, subprocess, sys
options = dict(word[2:].split("=") for word in sys.argv[1:] if word.startswith("--") and "=" in word)
command = sys.argv[sys.argv.index(sys.executable):]
tasks, each = int(options["ntasks"]), int(options["ntasks-per-node"])
place = lambda rank: {{"SLURM_PROCID": str(rank), "SLURM_LOCALID": str(rank % each), "SLURM_NTASKS": str(tasks)}}
running = [subprocess.Popen(command, env=os.environ | place(rank)) for rank in range(tasks)]
sys.exit(max(process.wait() for process in running))
"""

JOB = """
import os, sys
from seqlm.common import nodes, processes
from seqlm.common.errors import InputError, one_line_errors
if processes.launched():
    with processes.failures_told():
        place = [os.environ[name] for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE")]
        open(f"{FOLDER}/{place[0]}.place", "w").write(" ".join(place))
        if FAILS == place[0]:
            raise InputError("training", "loss is not a number", "lower learning_rate")
        sys.exit(STATUS)
with one_line_errors():
    nodes.launch(__file__, 4, 2, 1)
"""


def run(folder, fails="none", status=0, slurm=True):
    (folder / "bin").mkdir(exist_ok=True)
    srun, job = folder / "bin/srun", folder / "job.py"
    srun.write_text(SRUN.format(python=sys.executable))
    srun.chmod(0o755)
    job.write_text(f"FOLDER, FAILS, STATUS = {str(folder)!r}, {fails!r}, {status}\n{JOB}")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SLURM_")}
    environment |= {"PYTHONPATH": str(Path(seqlm.__file__).parents[1]), "PATH": f"{folder}/bin:{os.environ['PATH']}"}
    environment |= {"SLURM_JOB_ID": "7"} if slurm else {}
    return subprocess.run([sys.executable, job], env=environment, capture_output=True, text=True, timeout=120)


def test_every_process_knows_its_place(tmp_path):
    done = run(tmp_path)
    assert done.returncode == 0, done.stderr
    places = sorted(path.read_text() for path in tmp_path.glob("*.place"))
    assert places == ["0 0 4 2", "1 1 4 2", "2 0 4 2", "3 1 4 2"]
    assert not list(tmp_path.glob("nodes-*"))


def test_the_line_of_the_process_that_failed_is_the_jobs(tmp_path):
    done = run(tmp_path, fails="2")
    assert done.returncode == 1
    assert done.stderr.strip() == "seqlm: training: loss is not a number; lower learning_rate"


@pytest.mark.parametrize(("status", "expected"), [(143, 143), (9, 1)])
def test_a_warning_is_passed_on_and_a_death_is_told(tmp_path, status, expected):
    done = run(tmp_path, status=status)
    assert done.returncode == expected
    assert (status == 143) == (done.stderr == "")
    assert status == 143 or "a process of 4 on 2 nodes ended with status 9" in done.stderr


def test_elsewhere_than_on_a_cluster(tmp_path):
    done = run(tmp_path, slurm=False)
    assert done.returncode == 1 and "a training on 2 nodes runs as a SLURM job, and this is none" in done.stderr
