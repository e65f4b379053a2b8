"""A plan lists the jobs that Snakemake would run, and a run tells how far it is."""

import subprocess
import sys

import pytest
from test_dry_runs import job_counts

from seqlm.common.errors import InputError
from seqlm.planning.jobs import planned_jobs, study_jobs
from seqlm.planning.plan import load_study
from seqlm.planning.running import run


def test_planned_jobs_are_those_of_a_dry_run(root, workflow, monkeypatch):
    monkeypatch.chdir(workflow.folder)
    counts = job_counts(workflow("-n", "all").stdout)
    jobs = planned_jobs(workflow.config, root / "workflow", 2)
    planned = {rule: sum(job.rule == rule for job in jobs) for rule in {job.rule for job in jobs}}
    assert planned == {rule: count for rule, count in counts.items() if rule not in ("all", "total")}
    trained = {job.wildcards["model"] for job in jobs if job.rule == "train_model"}
    assert trained == {"cnn", "gpt-full", "gpt-vocab4", "gpt-random"}
    # What the choice of a first study goes by has the same jobs that take long.
    about = study_jobs(load_study(workflow.config, root / "workflow"))
    for rule in ("pretrain_backbone", "train_model", "predict_targets", "score_loo"):
        assert sum(job.rule == rule for job in about) == planned[rule]


def test_a_study_that_cannot_be_planned_is_one_line(root, workflow, monkeypatch):
    monkeypatch.chdir(workflow.folder)
    workflow.study["sources"]["fly"]["fasta"] = "nowhere.fa"
    workflow.write()
    with pytest.raises(InputError) as error:
        planned_jobs(workflow.config, root / "workflow", 2)
    assert "nowhere.fa" in str(error.value) and "\n" not in str(error.value)


def test_a_run_keeps_snakemakes_lines_in_a_log_and_tells_the_end(root, workflow, monkeypatch, capfd):
    monkeypatch.chdir(workflow.folder)
    status = run(workflow.config, 2, root / "workflow", ["results/small/tokenizers/vocab4"], every=60)
    said = capfd.readouterr()
    assert status == 0 and said.out.splitlines()[-1].startswith("seqlm: ")
    assert "Select jobs" not in said.out and "Select jobs" in (workflow.results / "logs/snakemake.log").read_text()
    assert (workflow.results / "tokenizers/vocab4").exists()


def test_a_run_that_fails_shows_the_error_and_its_status(root, workflow):
    workflow.study["sources"]["fly"]["fasta"] = str(workflow.folder / "x.fa")
    (workflow.folder / "x.fa").write_text("ACGT\n")
    workflow.write()
    command = [sys.executable, "-m", "seqlm.console", "run", str(workflow.config), "--cores", "1"]
    command += ["--workflow", str(root / "workflow"), "results/small/sources/fly.fa.gz"]
    environment = {"PYTHONPATH": str(root / "workflow/scripts"), "PATH": "/usr/bin:/bin", "HOME": str(workflow.folder)}
    done = subprocess.run(command, cwd=workflow.folder, capture_output=True, text=True, env=environment)
    assert done.returncode != 0
    assert "no FASTA header" in done.stderr and "what was done is kept" in done.stderr
