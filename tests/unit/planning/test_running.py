"""What is told of a run, from the lines that Snakemake prints."""

from seqlm.planning.jobs import parse_jobs
from seqlm.planning.running import Progress

STARTED = """Building DAG of jobs...
Job stats:
job                  count
-----------------  -------
all                      1
train_model              3
pretrain_backbone        1
total                    5

Select jobs to execute...
[Thu Nov 26 15:00:00 2026]
rule pretrain_backbone:
    input: results/x/corpora/gpt, results/x/tokenizers/bases
    output: results/x/backbones/gpt
    jobid: 7
    reason: Missing output files: results/x/backbones/gpt
    wildcards: backbone=gpt
    threads: 2
    resources: tmpdir=/tmp, mem_mb=8000

[Thu Nov 26 15:00:00 2026]
rule train_model:
    input: results/x/datasets/d/examples.parquet
    output: results/x/models/d/cnn/fold0/seed1
    jobid: 3
    wildcards: dataset=d, model=cnn, fold=0, seed=1
    threads: 1
    resources: tmpdir=/tmp

"""
ENDED = """[Thu Nov 26 15:01:40 2026]
Finished jobid: 3 (Rule: train_model)
1 of 5 steps (20%) done
"""


def test_jobs_of_a_dry_run():
    jobs = parse_jobs(STARTED)
    assert [(job.rule, job.threads) for job in jobs] == [("pretrain_backbone", 2), ("train_model", 1)]
    assert jobs[0].wildcards == {"backbone": "gpt"}
    assert jobs[1].wildcards == {"dataset": "d", "model": "cnn", "fold": "0", "seed": "1"}


def read(progress, text, now):
    return [line for line in text.splitlines(keepends=True) if progress.read(line, now)]


def test_a_line_says_what_is_done_what_runs_and_how_much_is_left():
    progress = Progress()
    assert not read(progress, STARTED, now=0.0)
    assert progress.left(10.0) is None
    assert progress.line(0.0, 60.0) == "60 s: 0 of 5 jobs done; running pretrain_backbone gpt, train_model d cnn"
    read(progress, ENDED, now=100.0)
    line = progress.line(0.0, 100.0)
    assert line.startswith("2 min: 1 of 5 jobs done; running pretrain_backbone gpt; about ") and line.endswith(" left")
    # Two trainings of 100 s, as the one that has ended, the rest of pretraining, and the last rule.
    assert 200 < progress.left(100.0) < 300


def test_a_plan_says_better_how_much_is_left():
    plan = [["pretrain_backbone", {"backbone": "gpt"}, 500.0]]
    plan += [["train_model", {"dataset": "d", "model": "cnn", "fold": str(k), "seed": "1"}, 50.0] for k in range(3)]
    progress = Progress(plan)
    read(progress, STARTED + ENDED, now=0.0)
    progress.ended["train_model"] = [(100.0, 50.0)]  # all is twice as slow as was planned
    # What has ended is a thirteenth of the plan, and counts for less than the plan yet.
    assert 1.2 * (500 + 2 * 50) - 100 < progress.left(100.0) < 2 * (500 + 2 * 50) - 100
    progress.ended["predict_targets"] = [(100.0, 50.0)] * 20
    assert 1.8 * (500 + 2 * 50) - 100 < progress.left(100.0) < 2 * (500 + 2 * 50) - 100


def test_a_small_job_that_was_slow_does_not_make_the_whole_study_slow():
    plan = [["download_source", {"source": "x"}, 1.0]] + [
        ["train_model", {"dataset": "d", "model": "cnn", "fold": str(k), "seed": "1"}, 100.0] for k in range(3)
    ]
    progress = Progress(plan)
    read(progress, "Provided cores: 2\n" + STARTED, now=0.0)
    progress.ended["download_source"] = [(10.0, 1.0)]
    # Two cores are there for the trainings, though one may have nothing to run at the moment.
    progress.running = {3: progress.running[3]}
    assert 150 < progress.left(0.0) < 350  # not ten times as much


def test_errors_are_seen():
    progress = Progress()
    assert read(progress, "Error in rule train_model:\n    message: None\n", 0.0) == ["Error in rule train_model:\n"]
    assert read(progress, "seqlm: x.fa: there is no such file; check the path\n", 0.0)
