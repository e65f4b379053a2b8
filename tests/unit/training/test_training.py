"""The training engine: it learns, repeats itself, stops early, and survives a kill."""

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
from scipy.stats import pearsonr
from torch import nn

from seqlm.common.errors import InputError
from seqlm.models.base import SequenceConfig
from seqlm.training import ArrayData, FitSettings, SeededOrder, evaluate, fit
from seqlm.training.objectives import ClassObjective, Meter, ValueObjective


class Toy(nn.Module):
    """Two layers with dropout on (N, 12) -> (N, 12), (N,) or (N, 3)."""

    def __init__(self, target="track", dropout=0.1):
        super().__init__()
        self.config = SequenceConfig(target=target)
        out = {"track": 12, "scalar": 1, "class": 3}[target]
        self.layers = nn.Sequential(nn.Linear(12, 32), nn.GELU(), nn.Dropout(dropout), nn.Linear(32, out))

    def forward(self, X):
        y = self.layers(X.float())
        return y.squeeze(-1) if self.config.target == "scalar" else y


def data(target="track", n=96, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 12)).astype("float32")
    y = {"track": np.roll(X, 1, 1), "scalar": X[:, 0] - X[:, 1], "class": X[:, :3].argmax(1)}[target]
    return ArrayData(X, y)


def settings(**options):
    return FitSettings(
        **{"epochs": 4, "batch_size": 16, "learning_rate": 1e-2, "device": "cpu", "precision": "fp32"} | options
    )


def trained(target="track", **options):
    torch.manual_seed(0)
    model = Toy(target)
    return model, fit(model, data(target), data(target, 40, 1), settings=settings(**options))


def weights(model):
    return torch.cat([p.detach().flatten() for p in model.parameters()])


@pytest.mark.parametrize("target, metric", [("track", "pearson"), ("scalar", "pearson"), ("class", "loss")])
def test_learns_every_kind_of_target(target, metric):
    _, result = trained(target, epochs=30)
    assert result.metric == metric
    history = result.history[result.history["part"] == "validation"].set_index("metric")["value"]
    assert history["accuracy" if target == "class" else metric].max() > 0.7
    assert set(result.history.columns) == {"epoch", "step", "part", "metric", "value"}
    assert set(result.history.part) == {"train", "validation"}


def test_same_seed_gives_identical_numbers_and_another_seed_does_not():
    (a, first), (b, second), (c, _) = trained(seed=3), trained(seed=3), trained(seed=4)
    assert torch.equal(weights(a), weights(b))
    pd.testing.assert_frame_equal(first.history, second.history, check_exact=True)
    assert not torch.equal(weights(a), weights(c))


def test_bf16_trains_and_leaves_a_plain_float32_model():
    model, result = trained(precision="bf16", epochs=20)
    assert result.cost["precision"] == "bf16" and result.best > 0.5
    assert not model.training and all(p.dtype == torch.float32 for p in model.parameters())


def test_best_weights_are_restored():
    torch.manual_seed(0)
    model, wrong = Toy(), ArrayData(data().X, -data().y)  # validation gets worse from epoch to epoch
    result = fit(model, wrong, data("track", 40, 1), settings=settings(epochs=5, patience=0))
    validation = result.history.query("part == 'validation' and metric == 'pearson'")
    assert result.best == validation.value.max()
    assert result.best_epoch == validation.epoch[validation.value.idxmax()] < 5
    again = evaluate(model, data("track", 40, 1), ValueObjective(), batch_size=7)
    assert again["pearson"] == pytest.approx(result.best, abs=1e-6)


def test_early_stopping_counts_evaluations_without_improvement():
    model = Toy()
    constant = ArrayData(np.zeros((20, 12), "float32"), np.zeros((20, 12), "float32"))  # R is never a number
    result = fit(model, data(), constant, settings=settings(epochs=50, patience=3, metric="pearson"))
    assert result.history.epoch.max() == 3
    result = fit(Toy(), ArrayData(data().X, -data().y), data(), settings=settings(epochs=50, patience=4))  # gets worse
    assert result.history.epoch.max() == result.best_epoch + 4 < 20


def test_evaluation_is_one_number_over_everything():
    model, validation = Toy().eval(), data("track", 33, 2)
    found = evaluate(model, validation, ValueObjective(), batch_size=8)
    with torch.no_grad():
        predicted = model(torch.from_numpy(validation.X)).numpy().ravel()
    true = validation.y.numpy().ravel()
    assert found["pearson"] == pytest.approx(pearsonr(predicted, true).statistic, abs=1e-6)
    assert found["loss"] == pytest.approx(np.mean((predicted - true) ** 2), rel=1e-6)


def test_pearson_keeps_its_digits_far_from_zero():
    rng = np.random.default_rng(0)
    x = rng.normal(size=5000) + 1e6
    y = x + rng.normal(size=5000)
    meter = Meter()
    for part in np.array_split(np.arange(5000), 7):
        meter.add_pairs(torch.from_numpy(x[part]), torch.from_numpy(y[part]))
    assert meter.pearson() == pytest.approx(pearsonr(x, y).statistic, abs=1e-9)


def test_unknown_values_and_weights_count_as_they_should():
    y = np.array([[1.0, np.nan], [3.0, 4.0]], "float32")
    X = np.zeros((2, 2), "float32")
    zero = nn.Identity()
    plain = evaluate(zero, ArrayData(X, y), ValueObjective())
    assert plain["loss"] == pytest.approx((1 + 9 + 16) / 3)
    weighted = evaluate(zero, ArrayData(X, y, weight=np.array([1.0, 0.5])), ValueObjective())
    assert weighted["loss"] == pytest.approx((1 + 0.5 * 25) / 2)
    logits = np.log(np.array([[0.7, 0.3], [0.4, 0.6]], "float32"))
    classes = evaluate(zero, ArrayData(logits, np.array([0, 0]), np.array([3.0, 1.0])), ClassObjective())
    assert classes["loss"] == pytest.approx(-(3 * np.log(0.7) + np.log(0.4)) / 4, rel=1e-5)
    assert classes["accuracy"] == 0.5


def test_micro_batches_change_only_rounding():
    torch.manual_seed(0)
    plain = Toy(dropout=0.0)
    torch.manual_seed(0)
    split = Toy(dropout=0.0)
    fit(plain, data(), data("track", 40, 1), settings=settings(epochs=2))
    result = fit(split, data(), data("track", 40, 1), settings=settings(epochs=2, micro_batch=4))
    assert torch.allclose(weights(plain), weights(split), atol=1e-5)
    assert result.history.step.max() == 12


def test_order_depends_on_seed_and_epoch_alone():
    order = SeededOrder(10, 5)
    first = list(order)
    order.set_epoch(1)
    assert sorted(first) == list(range(10)) and list(order) != first
    order.set_epoch(0)
    assert list(order) == first


def test_schedules():
    cosine = FitSettings(learning_rate=1e-3, final_learning_rate=1e-4, schedule="cosine", warmup=10)
    assert cosine.rate(0, 110) == pytest.approx(1 / 11)
    assert cosine.rate(10, 110) == 1.0
    assert cosine.rate(60, 110) == pytest.approx(0.55)
    assert cosine.rate(110, 110) == pytest.approx(0.1)
    assert FitSettings(schedule="linear").rate(5, 10) == 0.5


def test_costs_and_history_are_written(tmp_path):
    fit(Toy(), data(), data("track", 40, 1), settings=settings(epochs=2), output=tmp_path)
    cost = json.loads((tmp_path / "cost.json").read_text())
    assert cost["samples"] == 192 and cost["tokens"] == 192 * 12
    assert cost["parameters"] == cost["trainable_parameters"] == sum(p.numel() for p in Toy().parameters())
    assert cost["seconds"] > 0 and cost["peak_memory_bytes"] > 1e7
    history = pd.read_csv(tmp_path / "history.tsv", sep="\t")
    assert list(history.columns) == ["epoch", "step", "part", "metric", "value"]
    assert sorted(set(history.step)) == [6, 12]


def test_tensorboard_logs_on_request(tmp_path):
    fit(Toy(), data(), data("track", 40, 1), settings=settings(epochs=1, tensorboard=str(tmp_path / "tb")))
    assert list((tmp_path / "tb").glob("events*"))


@pytest.mark.parametrize(
    "options, place",
    [
        ({"schedule": "staircase"}, "schedule"),
        ({"learning_rate": 0}, "learning_rate"),
        ({"micro_batch": 5}, "micro_batch"),
        ({"metric": "beauty"}, "metric"),
    ],
)
def test_wrong_settings_are_one_line(options, place):
    with pytest.raises(InputError, match=place):
        fit(Toy(), data(), data(), settings=settings(**options))


def test_empty_parts_and_infinite_losses_stop_clearly():
    with pytest.raises(InputError, match="holds no examples"):
        fit(Toy(), data(n=0), data(), settings=settings())
    bad = data()
    bad.y[5] = torch.inf
    with pytest.raises(InputError, match="loss became .* at step"):
        fit(Toy(), bad, data(), settings=settings())


JOB = """
import json, sys
sys.path[:0] = {path!r}
import torch
torch.set_num_threads(1)
import test_training as t
torch.manual_seed(0)
model = t.Toy()
if {slow}:
    plain = model.forward
    import time
    model.forward = lambda X: (time.sleep(0.02), plain(X))[1]
result = t.fit(model, t.data(), t.data("track", 40, 1), checkpoints={folder!r}, fingerprint={fingerprint!r},
               settings=t.settings(epochs=6, patience=0, checkpoint_seconds={seconds}, seed=2))
torch.save(dict(weights=t.weights(model), history=result.history.values.tolist(), best=result.best), {out!r})
"""


def job(tmp_path, folder, name, slow=False, fingerprint="a", seconds=0.0):
    out = str(tmp_path / f"{name}.pt")
    here = Path(__file__).parent
    path = [str(here), str(here.parents[2] / "workflow" / "scripts")]
    code = JOB.format(path=path, folder=str(folder), out=out, slow=slow, fingerprint=fingerprint, seconds=seconds)
    process = subprocess.Popen(
        [sys.executable, "-c", code], stderr=subprocess.PIPE, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )
    return process, Path(out)


def test_a_killed_run_continues_and_ends_as_if_nothing_had_happened(tmp_path):
    straight, expected = job(tmp_path, tmp_path / "one", "straight")
    killed, _ = job(tmp_path, tmp_path / "two", "killed", slow=True)
    # In the middle of the third epoch, while checkpoints are written after every step.
    deadline = time.time() + 60
    while not list((tmp_path / "two").glob("step-0000000[1-2]*")) and time.time() < deadline:
        time.sleep(0.01)
    os.kill(killed.pid, signal.SIGKILL)
    killed.communicate()
    assert killed.returncode == -signal.SIGKILL
    (tmp_path / "two" / ".tmp-step-000000099").mkdir()  # and one that a kill left half-written
    damaged = tmp_path / "two" / "step-000000098"
    damaged.mkdir()
    (damaged / "complete.json").write_text('{"weights.safetensors": 10}')
    resumed, found = job(tmp_path, tmp_path / "two", "resumed")
    message = resumed.communicate()[1]
    assert resumed.returncode == 0, message
    assert "half-written checkpoint skipped" in message and "incomplete or damaged checkpoint skipped" in message
    assert "continuing from" in message
    assert straight.communicate() and straight.returncode == 0
    a, b = torch.load(expected), torch.load(found)
    assert torch.equal(a["weights"], b["weights"])
    assert a["history"] == b["history"] and a["best"] == b["best"]


def test_sigterm_writes_a_checkpoint_at_once_and_the_next_run_goes_on_from_it(tmp_path):
    straight, expected = job(tmp_path, tmp_path / "one", "straight")
    warned, _ = job(tmp_path, tmp_path / "two", "warned", slow=True, seconds=1000)
    assert warned.stderr.read(10)  # the progress bar: it trains
    time.sleep(0.5)
    warned.terminate()
    message = warned.communicate()[1]
    assert warned.returncode == 143 and "asked to end (SIGTERM) after step" in message, message
    (kept,) = (tmp_path / "two").glob("step-*")
    assert f"after step {int(kept.name[5:])}:" in message
    resumed, found = job(tmp_path, tmp_path / "two", "resumed")
    message = resumed.communicate()[1]
    assert f"continuing from {kept}" in message
    assert straight.communicate() and straight.returncode == 0
    a, b = torch.load(expected), torch.load(found)
    assert torch.equal(a["weights"], b["weights"])
    assert a["history"] == b["history"] and a["best"] == b["best"]


@pytest.mark.parametrize("name", ["weights.safetensors", "optimizer.pt", "progress.json", "complete.json"])
def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(tmp_path, capfd, name):
    """A changed byte, with the size as it was."""
    options = {"settings": settings(epochs=3, checkpoint_seconds=0.0), "checkpoints": tmp_path / "c"}
    straight = Toy()
    fit(straight, data(), data(), **options)
    before, last = sorted((tmp_path / "c").glob("step-*"))
    content = bytearray((last / name).read_bytes())
    content[len(content) // 2] ^= 1
    (last / name).write_bytes(content)
    again = Toy()
    fit(again, data(), data(), **options)
    said = capfd.readouterr().err
    assert f"{last}: incomplete or damaged checkpoint skipped" in said and f"continuing from {before}" in said
    assert torch.equal(weights(straight), weights(again))


def test_a_full_disk_costs_a_checkpoint_and_not_the_training(tmp_path, capfd, monkeypatch):
    plain, expected = Toy(), Toy()
    plain.load_state_dict(expected.state_dict())
    fit(expected, data(), data(), settings=settings(epochs=2))

    def full(tensors, path):
        Path(path).write_bytes(b"half")
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr("seqlm.training.engine.trainer.save_file", full)
    options = {"settings": settings(epochs=2, checkpoint_seconds=0.0), "checkpoints": tmp_path / "c"}
    fit(plain, data(), data(), **options)
    said = capfd.readouterr().err
    assert "checkpoint not written" in said and "No space left on device" in said and "free disk space" in said
    assert not list((tmp_path / "c").glob("step-*")) and not list((tmp_path / "c").glob(".tmp-*"))
    assert torch.equal(weights(plain), weights(expected))


def test_checkpoints_of_another_training_are_discarded(tmp_path, capfd):
    options = {"settings": settings(epochs=2), "checkpoints": tmp_path / "c"}
    fit(Toy(), data(), data(), fingerprint={"data": 1}, **options)
    fit(Toy(), data(), data(), fingerprint={"data": 1}, **options)
    assert "training had already finished" in capfd.readouterr().err
    fit(Toy(), data(), data(), fingerprint={"data": 2}, **options)
    assert "are discarded" in capfd.readouterr().err
