"""One training in several processes is the training of one: the same batches, losses and decisions."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from test_training import Toy, settings

from seqlm.training import ArrayData, fit

HERE = Path(__file__).parent
JOB = """
import sys
from types import SimpleNamespace
sys.path[:0] = {path!r}
from seqlm.common.runtime import network_job
with network_job(SimpleNamespace(torch_threads=1, gpu=0, devices={devices}), {log!r}) as device:
    import test_devices as t
    getattr(t, {what!r})({folder!r}, **{options!r})
"""


def examples(n, seed, weighted=True):
    """Vectors with values of which some are not known, and weights that differ: no two batches weigh the same."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 12)).astype("float32")
    y = np.where(rng.random((n, 12)) < 0.3, np.nan, np.roll(X, 1, 1)).astype("float32")
    return ArrayData(X, y, rng.uniform(0.1, 3, n) if weighted else None)


def train(folder, fault=None, slow=0.0, checkpoints=None, **options):
    """97 examples in batches of 16: the last batch of an epoch is one example, so that some process has none."""
    folder = Path(folder)
    torch.manual_seed(0)
    model, data = Toy(dropout=0.0), examples(97, 0)
    if slow:
        plain = model.forward
        model.forward = lambda X: (time.sleep(slow), plain(X))[1]
    if fault is not None:
        data.y[fault] = torch.inf
    where = {"checkpoints": checkpoints, "output": folder}
    fit(model, data, examples(41, 1), settings=settings(epochs=3, patience=0, **options), **where)
    torch.save(model.state_dict(), folder / "weights.pt")
    (folder / "done").write_text(str(os.getpid()))


def pretrain_masked(folder):
    """A masked language model, whose loss takes single layers of the network, of a corpus beside the folder."""
    from seqlm.pretraining.pretrain import pretrain

    sizes = {"layers": 1, "heads": 2, "width": 16, "block": 20, "dropout": 0.0, "batch_size": 5}
    steps = {"architecture": "esm", "steps": 6, "evaluate_every": 3, "evaluate_batches": 3, "warmup": 1}
    corpus, tokenizer = (str(Path(folder).parent / name) for name in ("corpus", "tokenizer"))
    pretrain(corpus, tokenizer, sizes | steps, folder, precision="fp32", device="cpu")


def job(folder, devices, what="train", **options):
    folder.mkdir(exist_ok=True)
    script = folder / f"job{devices}.py"
    path = [str(HERE), str(HERE.parents[2] / "workflow" / "scripts")]
    log = str(folder / "log")
    script.write_text(JOB.format(path=path, devices=devices, folder=str(folder), options=options, log=log, what=what))
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen([sys.executable, str(script)], stderr=subprocess.PIPE, text=True, env=environment)


def ended(process, status=0):
    said = process.communicate(timeout=900)[1]
    assert process.returncode == status, said
    return said


def history(folder):
    return pd.read_csv(folder / "history.tsv", sep="\t", index_col=["epoch", "step", "part", "metric"])["value"]


def assert_same_training(folder, other):
    found, expected = history(folder), history(other)
    assert found.index.equals(expected.index) and len(found) == 12
    np.testing.assert_allclose(found, expected, atol=1e-5)
    found, expected = (torch.load(place / "weights.pt") for place in (folder, other))
    assert all(torch.allclose(found[key], expected[key], atol=1e-5) for key in expected)
    costs = [json.loads((place / "cost.json").read_text()) for place in (folder, other)]
    assert costs[0]["samples"] == costs[1]["samples"] == 3 * 97 and costs[0]["tokens"] == costs[1]["tokens"]


def test_two_processes_train_as_one_does(tmp_path):
    (tmp_path / "one").mkdir()
    train(tmp_path / "one")
    said = ended(job(tmp_path / "two", 2))
    assert_same_training(tmp_path / "two", tmp_path / "one")
    assert said.count("fit: 100%") == 1 and "Warning" not in said and "W1" not in said, said


@pytest.mark.slow
def test_four_processes_in_pieces_train_as_one_does(tmp_path):
    (tmp_path / "one").mkdir()
    train(tmp_path / "one")
    ended(job(tmp_path / "four", 4))
    assert_same_training(tmp_path / "four", tmp_path / "one")
    ended(job(tmp_path / "pieces", 2, micro_batch=2))
    assert_same_training(tmp_path / "pieces", tmp_path / "one")


@pytest.mark.slow
def test_a_masked_language_model_is_the_same_of_two_processes(tmp_path):
    """Batches of 5: shares of 3 and 2, in which other numbers of tokens are hidden."""
    from seqlm.pretraining.corpus import tokenize_corpus
    from seqlm.tokenization import learn_tokenizer, save_tokenizer

    sequence = "".join(np.random.default_rng(0).choice(list("ACGT"), 2000))
    (tmp_path / "x.fa").write_text(f">x\n{sequence}\n")
    save_tokenizer(learn_tokenizer("kmer", k=3), tmp_path / "tokenizer")
    tokenize_corpus([tmp_path / "x.fa"], tmp_path / "tokenizer", tmp_path / "corpus", validation=0.3)
    (tmp_path / "one").mkdir()
    pretrain_masked(tmp_path / "one")
    ended(job(tmp_path / "two", 2, "pretrain_masked"))
    found, expected = history(tmp_path / "two"), history(tmp_path / "one")
    assert found.index.equals(expected.index) and len(found) == 12
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("before, after", [(2, 1), (1, 2)])
def test_sigterm_stops_all_at_one_step_and_another_number_goes_on(tmp_path, before, after):
    folder, checkpoints = tmp_path / "several", str(tmp_path / "c")
    warned = job(folder, before, slow=0.2, checkpoints=checkpoints, checkpoint_seconds=1000)
    assert warned.stderr.read(10)  # the progress bar: it trains
    time.sleep(1)
    warned.terminate()
    said = ended(warned, 128 + signal.SIGTERM)
    assert said.count("asked to end (SIGTERM) after step") == 1 and "Traceback" not in said, said
    (kept,) = (tmp_path / "c").glob("step-*")
    said = ended(job(folder, after, checkpoints=checkpoints))
    assert said.count(f"continuing from {kept}") == 1, said
    (tmp_path / "one").mkdir()
    train(tmp_path / "one")
    assert_same_training(folder, tmp_path / "one")


@pytest.mark.slow
def test_an_error_in_one_process_ends_the_job_with_one_line(tmp_path):
    said = ended(job(tmp_path / "bad", 2, fault=5), 1)
    lines = [line for line in said.splitlines() if "seqlm:" in line]
    assert len(lines) == 1 and "the loss became" in lines[0] and "Traceback" not in said, said
    assert (tmp_path / "bad/log").read_text().count("the loss became") == 1
    assert not list((tmp_path / "bad").glob("*.tsv"))
