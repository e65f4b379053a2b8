"""Estimates: how they grow with what is asked for, and what the last run says."""

import json
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
from local_hub import LocalHub

from seqlm.planning.estimating import Estimate
from seqlm.planning.jobs import PlannedJob, study_jobs
from seqlm.planning.measuring import Machine
from seqlm.planning.plan import duration, plan_lines, size, source_bases
from seqlm.planning.remote import file_size, model_size
from seqlm.study import Study, load_schema


@pytest.fixture
def made(root, tmp_path, monkeypatch):
    """Estimate of a study of two classes, by made-up rates: 1 ms an example, 10 us a token."""
    monkeypatch.chdir(tmp_path)
    schema = load_schema(root / "workflow/schemas/config.schema.yaml")

    monkeypatch.setattr("seqlm.planning.plan.file_size", lambda address: 3_000_000)

    def make(examples=1000, cores=2, seeds=(1,), predict=None, **backbone):
        own = {"tokenizer": "b", **({} if "corpus_of" in backbone else {"corpus": ["g"]}), **backbone}
        study = Study({
            "predict": predict or {},
            "study": "x", "seeds": list(seeds), "threads": 1,
            "sources": {"t": {"table": "t.tsv"}, "g": {"fasta": "https://somewhere.org/g.fa.gz"}},
            "datasets": {"d": {"target": "class", "table": {"source": "t"}}},
            "tokenizers": {"b": {"kind": "character"}},
            "backbones": {"gpt": own},
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
    start = 4.0 * 1.5 + 1
    short = made(steps=1000)[1].seconds(job) - start
    assert short == pytest.approx(1000 * 32 * 300 * 1e-5, rel=0.1)  # and a little for evaluation
    assert made(steps=10_000)[1].seconds(job) - start == pytest.approx(10 * short, rel=0.1)
    train = PlannedJob("train_model", {"dataset": "d", "model": "gpt", "fold": "0", "seed": "1"}, 1)
    few, many = (made(examples=n)[1].seconds(train) - start for n in (100_000, 400_000))  # six epochs each
    assert many == pytest.approx(4 * few, rel=0.05)
    study, one = made(cores=1)
    _, two = made(cores=2)
    jobs = study_jobs(study)
    assert two.total(jobs) == pytest.approx(max(one.total(jobs) / 2, two.seconds(job)), rel=0.05)
    assert two.total([job] * 1) == two.seconds(job)  # no job is divided among cores


def test_the_choice_of_pooling_is_counted_up_to_so_many_examples(made):
    job = PlannedJob("choose_pooling", {"dataset": "d", "fold": "0"}, 1)
    start = 4.0 * 1.5 + 1
    few, many, more = (made(examples=n)[1].seconds(job) - start for n in (1000, 100_000, 10**6))
    assert 0 < few < many == pytest.approx(more)
    study, without = made(examples=1000)
    study["runs"]["d"]["models"].remove("cnn")
    assert without.seconds(job) - start == pytest.approx(few)  # as quick as the network that is there


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
    assert "fetched from the internet, unless it is here already: g (https://somewhere.org/g.fa.gz" in lines
    assert "the longest job: pretrain_backbone gpt" in lines and "none is seen here" in lines
    study, estimate = made(size="dna-llm", steps=40_000)
    assert "WARNING: more than an hour" in "\n".join(plan_lines(study, study_jobs(study), estimate))
    assert [duration(s) for s in (0.2, 59, 300, 7200)] == ["1 s", "59 s", "5 min", "2.0 h"]
    assert [size(n) for n in (10, 5e6, 2.5e9)] == ["1 MB", "5 MB", "2.5 GB"]


def test_downloads_are_told_with_their_size(made):
    study, estimate = made()
    lines = "\n".join(plan_lines(study, study_jobs(study), estimate))
    assert "g (https://somewhere.org/g.fa.gz, 3 MB)" in lines
    assert source_bases(study)["g"] == 12_000_000  # packed


def test_servers_say_how_large_a_file_is(tmp_path):
    (tmp_path / "g.fa.gz").write_bytes(b"x" * 12345)
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        place = f"http://127.0.0.1:{server.server_port}"
        assert file_size(f"{place}/g.fa.gz") == 12345
        assert file_size(f"{place}/none.fa") is None and file_size("ftp://somewhere/g.fa") is None
    finally:
        server.shutdown()
        server.server_close()
    assert file_size(f"{place}/g.fa.gz") is None


def test_a_hub_says_how_large_a_model_is(tmp_path, monkeypatch):
    folder, hub = tmp_path / "model", LocalHub()
    folder.mkdir()
    for name, count in (("model.safetensors", 5000), ("config.json", 70), ("pytorch_model.bin", 9999)):
        (folder / name).write_bytes(b"x" * count)
    hub.add("authors/model", folder)
    with hub.serving():
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", hub.url)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        assert model_size("authors/model") == 5070
        assert model_size("authors/none") is None


def test_a_corpus_out_of_the_training_part_is_as_large_as_that(made):
    _, estimate = made(examples=1000, corpus_of="d")
    assert estimate.disk(PlannedJob("tokenize_corpus", {"backbone": "gpt"}, 1)) == pytest.approx(1000 * 200 * 0.7)


def test_new_files_take_time_and_space_by_their_size(made, tmp_path):
    def job_of(records):
        (tmp_path / "new.fa").write_text("".join(f">{i:08d}\n{'ACGT' * 50}\n" for i in range(records)))
        entry = {"fasta": "new.fa", "dataset": "d", "models": ["cnn"], "shards": 2}
        _, estimate = made(predict={"more": entry})
        job = PlannedJob("predict_files", {"files": "more", "scatteritem": "1-of-2"}, 1)
        return estimate.seconds(job), estimate.disk(job)

    (few, small), (many, large) = job_of(100), job_of(20_100)
    assert many - few == pytest.approx(20_000 * 3e-4 / 2, rel=0.1)
    assert large - small == pytest.approx(20_000 * 8 / 2, rel=0.1)
