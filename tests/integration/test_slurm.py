"""The small study on a real SLURM of this machine, started for the test: `make test-slurm`."""

import copy
import json
import os
import re
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
import yaml
from slurm_cluster import NotHere, cluster, run
from studies import ROOT, Workflow, small_study

pytestmark = pytest.mark.slurm

STRAIGHT = 1500  # steps that are also made without an end between, to compare
PARTITIONS = {"cpu": {"max_runtime": 60}, "gpu": {"max_runtime": 60, "max_gpu": 2}}


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    """A cluster with two GPUs that are made up: networks compute on the CPU of their node."""
    try:
        with cluster(tmp_path_factory.mktemp("cluster")), pytest.MonkeyPatch.context() as patch:
            patch.setenv("SEQLM_DEVICE", "cpu")
            yield
    except NotHere as reason:
        pytest.skip(str(reason))


class OnCluster(Workflow):
    """Runs a study with profiles/slurm, adapted as a user adapts it: limits and partitions, no account."""

    partitions = PARTITIONS

    def profile(self, **options):
        folder = self.folder / "slurm"
        folder.mkdir(exist_ok=True)
        (folder / "partitions.yaml").write_text(yaml.safe_dump({"partitions": self.partitions}))
        profile = yaml.safe_load((ROOT / "profiles/slurm/profile.yaml").read_text()) | {
            "slurm-partition-config": str(folder / "partitions.yaml"),
            "config": {"longest_runtime": 60, "largest_memory": 3000},
            "slurm-no-account": True,
            "slurm-keep-successful-logs": True,
            "slurm-init-seconds-before-status-checks": 2,
            "seconds-between-status-checks": 2,
            "latency-wait": 10,
            "group-components": {"drawing": 4},
        }
        (folder / "profile.yaml").write_text(yaml.safe_dump(profile | options))
        return folder

    def start(self, *arguments, **options):
        command = [
            sys.executable, "-m", "snakemake", "-s", str(ROOT / "Snakefile"), "--directory", str(self.folder),
            "--configfile", str(self.config), "--profile", "none", "--workflow-profile", str(self.profile(**options)),
        ]  # fmt: skip
        log = open(self.folder / "snakemake.log", "w")  # noqa: SIM115
        return subprocess.Popen(command[:3] + list(arguments) + command[3:], stdout=log, stderr=log)

    def log(self):
        return (self.folder / "snakemake.log").read_text()


def running():
    """GPU jobs that run: id -> GPUs they hold."""
    lines = run("squeue", "-h", "-t", "RUNNING", "-p", "gpu", "-o", "%i %b").splitlines()
    return dict(line.split(None, 1) for line in lines)


def trains(study):
    """Whether a pretraining has made steps, as it notes every few seconds: a busy machine imports for minutes.

    Its progress bar would not do: srun passes on whole lines.
    """
    return any(study.folder.glob("results/small/backbones/.*.checkpoints/spent.json"))


def test_the_study_is_the_same_as_on_this_machine(slurm, tmp_path):
    local, remote = tmp_path / "local", tmp_path / "remote"
    for folder in (local, remote):
        folder.mkdir()
    study = OnCluster(remote, small_study())
    process, most = study.start("all"), 0
    while process.poll() is None:
        most = max(most, len(running()))
        time.sleep(1)
    assert process.returncode == 0, study.log()[-6000:]
    assert 1 <= most <= 2  # two GPUs: further jobs wait
    submitted = len(re.findall("has been submitted with SLURM jobid", study.log()))
    figures = len(list((study.results / "figures").glob("*.png")))
    jobs = int(re.search(r"^total +(\d+)$", study.log(), re.M)[1])
    assert figures > 10 and submitted < jobs - figures // 2  # figures go four at a time
    here = Workflow(local, small_study())
    here("metrics")
    for name in ("metrics", "language", "loo", "comparisons"):
        pd.testing.assert_frame_equal(
            pd.read_csv(here.results / f"tables/{name}.tsv", sep="\t"),
            pd.read_csv(study.results / f"tables/{name}.tsv", sep="\t"),
        )


@pytest.mark.parametrize(
    ("command", "steps"),
    [(["scancel"], STRAIGHT), (["scontrol", "update", "TimeLimit=1"], 6000)],
    ids=["cancelled", "time"],
)
def test_a_job_that_is_ended_is_sent_again_and_goes_on_from_its_checkpoint(slurm, tmp_path, command, steps):
    """Cancelled, or warned of its time limit two minutes before, as the profile asks."""
    config = copy.deepcopy(small_study())
    config["backbones"]["gpt-vocab4"] |= {"steps": steps, "batch_size": 16, "width": 64, "evaluate_every": steps // 2}
    for name in ("straight", "ended"):
        (tmp_path / name).mkdir()
    wanted = "results/small/backbones/gpt-vocab4"
    study = OnCluster(tmp_path / "ended", config)
    process = study.start(wanted)
    deadline = time.monotonic() + 600
    while not trains(study) and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.5)
    assert trains(study), study.log()[-3000:]
    (job,) = running()
    run(*command, job if command == ["scancel"] else f"JobId={job}")
    assert process.wait(1800) == 0, study.log()[-6000:]
    said = "".join(path.read_text() for path in study.folder.rglob("*.log"))
    assert "Trying to restart job" in study.log()
    assert "asked to end (SIGTERM) after step" in said and "continuing from" in said
    if steps == STRAIGHT:
        Workflow(tmp_path / "straight", config)(wanted)
        weights = [(tmp_path / name / wanted / "model.safetensors").read_bytes() for name in ("straight", "ended")]
        assert weights[0] == weights[1]


def test_a_training_of_two_devices_is_one_job_with_two_gpus(slurm, tmp_path):
    config = small_study()
    config["backbones"]["gpt-vocab4"] |= {"steps": 300, "dropout": 0.0, "evaluate_every": 100}
    wanted, curves = "results/small/backbones/gpt-vocab4", []
    for devices in (2, 1):
        folder = tmp_path / str(devices)
        folder.mkdir()
        config["devices"] = devices
        study, held = OnCluster(folder, config), set()
        if devices == 2:
            process = study.start(wanted)
            while process.poll() is None:
                for job in running():
                    held |= set(re.findall(r"GRES=gpu:(\d)", run("scontrol", "-d", "show", "job", job, check=False)))
                time.sleep(0.5)
            assert process.returncode == 0, study.log()[-6000:]
            assert held == {"2"}
            cost = json.loads((folder / wanted / "cost.json").read_text())
            assert cost["devices"] == 2 and cost["queue_seconds"] >= 0
        else:
            Workflow(folder, config)(wanted)
        curves.append(pd.read_csv(folder / wanted / "history.tsv", sep="\t")["value"])
    np.testing.assert_allclose(*curves, atol=1e-3)


def test_a_training_on_two_nodes_gives_the_numbers_of_one_process_and_goes_on_when_it_is_ended(slurm, tmp_path):
    """A device on each of two nodes; the job is asked to end in the midst of it, and sent again."""
    config, wanted = small_study(), "results/small/backbones/gpt-vocab4"
    config["backbones"]["gpt-vocab4"] |= {"steps": 1000, "dropout": 0.0, "evaluate_every": 250, "devices": 2}
    limits = {"longest_runtime": 60, "largest_memory": 3000, "devices_per_node": 1}
    for name in ("wide", "straight"):
        (tmp_path / name).mkdir()
    study = OnCluster(tmp_path / "wide", config)
    study.partitions = PARTITIONS | {"wide": {"max_runtime": 60, "max_gpu": 2}, "gpu": {"max_runtime": 60}}
    process = study.start(wanted, config=limits)
    deadline = time.monotonic() + 600
    while not trains(study) and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.5)
    assert trains(study), study.log()[-3000:]
    (job,) = run("squeue", "-h", "-t", "RUNNING", "-p", "wide", "-o", "%i %D %N").splitlines()
    number, nodes, _ = job.split(None, 2)
    assert nodes == "2"
    run("scancel", number)
    assert process.wait(1800) == 0, study.log()[-6000:]
    said = "".join(path.read_text() for path in study.folder.rglob("*.log"))
    assert "Trying to restart job" in study.log() and "continuing from" in said
    assert json.loads((study.folder / wanted / "cost.json").read_text())["devices"] == 2
    config["backbones"]["gpt-vocab4"]["devices"] = 1
    Workflow(tmp_path / "straight", config)(wanted)
    curves = [pd.read_csv(tmp_path / name / wanted / "history.tsv", sep="\t")["value"] for name in ("wide", "straight")]
    np.testing.assert_allclose(*curves, atol=1e-3)


def test_a_job_that_would_never_start_is_told_before(slurm, tmp_path):
    study = OnCluster(tmp_path, small_study())
    profile = study.profile(config={"longest_runtime": 600, "largest_memory": 3000})
    command = [sys.executable, str(ROOT / "workflow/scripts/check_cluster.py"), str(study.config), str(profile)]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "workflow/scripts")}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT, timeout=300)
    assert done.returncode == 1
    assert "seqlm: train_model: would wait for ever: asks for 600 minutes, 60 are allowed" in done.stdout
    study.profile()
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT, timeout=300)
    assert done.returncode == 0 and "jobs fit a partition" in done.stdout
