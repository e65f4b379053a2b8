"""Estimates: how they grow with what is asked for, and what the last run says."""

import json

import pytest

from seqlm.planning.estimating import Estimate
from seqlm.planning.jobs import PlannedJob, study_jobs
from seqlm.planning.measuring import Machine
from seqlm.planning.plan import duration, plan_lines, size
from seqlm.study import Study, load_schema


@pytest.fixture
def made(root, tmp_path, monkeypatch):
    """Estimate of a study of two classes, by made-up rates: 1 ms an example, 10 us a token."""
    monkeypatch.chdir(tmp_path)
    schema = load_schema(root / "workflow/schemas/config.schema.yaml")

    def make(examples=1000, cores=2, seeds=(1,), **backbone):
        study = Study({
            "study": "x", "seeds": list(seeds), "threads": 1,
            "sources": {"t": {"table": "t.tsv"}, "g": {"fasta": "https://somewhere.org/g.fa.gz"}},
            "datasets": {"d": {"target": "class", "table": {"source": "t"}}},
            "tokenizers": {"b": {"kind": "character"}},
            "backbones": {"gpt": {"tokenizer": "b", "corpus": ["g"], **backbone}},
            "models": {"cnn": {"network": "cnn"}, "gpt": {"backbone": "gpt"}},
            "runs": {"d": {"models": ["cnn", "gpt"], "loo": {"examples": 10}}},
        }, schema)  # fmt: skip
        rates = {"gpt": {"train": 1e-5, "predict": 3e-6, "memory": 10**9, "parameters": 10**6}}
        for name in ("cnn", "gpt"):
            rates["d", name] = {"train": 1e-3, "predict": 3e-4, "memory": 10**9, "parameters": 10**5}
        machine = Machine(cores, 16 * 10**9, None, 4.0, 1.0, rates)
        figures = {"d": {"examples": examples, "length": 200, "classes": ["a", "b"]}}
        return study, Estimate(study, figures, {"t": 10**6}, machine)

    return make


def test_time_follows_steps_examples_and_cores(made):
    job = PlannedJob("pretrain_backbone", {"backbone": "gpt"}, 1)
    start = 4.0 * 2.4 + 1
    short = made(steps=1000)[1].seconds(job) - start
    assert short == pytest.approx(1000 * 32 * 300 * 1e-5, rel=0.1)  # and a little for evaluation
    assert made(steps=10_000)[1].seconds(job) - start == pytest.approx(10 * short, rel=0.1)
    train = PlannedJob("train_model", {"dataset": "d", "model": "gpt", "fold": "0", "seed": "1"}, 1)
    few, many = (made(examples=n)[1].seconds(train) - start for n in (1000, 4000))
    assert many == pytest.approx(4 * few, rel=0.05)
    study, one = made(cores=1)
    _, two = made(cores=2)
    jobs = study_jobs(study)
    assert two.total(jobs) == pytest.approx(max(one.total(jobs) / 2, two.seconds(job)), rel=0.05)
    assert two.total([job] * 1) == two.seconds(job)  # no job is divided among cores


def test_the_last_run_says_better(made, tmp_path):
    study, _ = made(steps=500)
    for path in ("models/d/cnn/fold0/seed1", "backbones/gpt"):
        file = tmp_path / "results/x/benchmarks" / f"{path}.tsv"
        file.parent.mkdir(parents=True)
        file.write_text("s\th:m:s\tmax_rss\n77.5\t0:01:17\t700.0\n")
    cost = tmp_path / "results/x/backbones/gpt/cost.json"
    cost.parent.mkdir(parents=True)
    cost.write_text(json.dumps({"samples": 500 * 32}))
    train = PlannedJob("train_model", {"dataset": "d", "model": "cnn", "fold": "0", "seed": "1"}, 1)
    pretrain = PlannedJob("pretrain_backbone", {"backbone": "gpt"}, 1)
    same, longer = made(steps=500)[1], made(steps=5000)[1]
    assert (same.seconds(train), same.memory(train)) == (77.5, 700_000_000)
    assert same.seconds(pretrain) == 77.5
    assert longer.seconds(pretrain) > 400  # that run was ten times shorter


def test_what_is_printed(made):
    study, estimate = made(size="dna-llm")
    lines = "\n".join(plan_lines(study, study_jobs(study), estimate))
    assert "WARNING: more than an hour" not in lines or "h on 2 cores" in lines
    assert "fetched from the internet: g (https://somewhere.org/g.fa.gz)" in lines
    assert "the longest job: pretrain_backbone gpt" in lines and "none is seen here" in lines
    study, estimate = made(size="dna-llm", steps=40_000)
    assert "WARNING: more than an hour" in "\n".join(plan_lines(study, study_jobs(study), estimate))
    assert [duration(s) for s in (0.2, 59, 300, 7200)] == ["1 s", "59 s", "5 min", "2.0 h"]
    assert [size(n) for n in (10, 5e6, 2.5e9)] == ["1 MB", "5 MB", "2.5 GB"]
