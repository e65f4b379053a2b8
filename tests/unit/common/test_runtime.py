"""Device, precision, GPU slots and the cost log."""

import json
import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from seqlm.common import gpu_slot, runtime
from seqlm.common.costs import CostLog
from seqlm.common.errors import InputError


def test_seeding_repeats_every_generator():
    def draw():
        runtime.seed_everything(7)
        return np.random.random(), torch.rand(1).item()

    assert draw() == draw()


def test_asking_for_a_missing_gpu_is_an_error(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert runtime.pick_device("auto").type == "cpu"
    with pytest.raises(InputError, match="none is visible"):
        runtime.pick_device("cuda")
    with pytest.raises(InputError, match="not a device"):
        runtime.pick_device("abacus")


def test_precision_follows_the_hardware(monkeypatch):
    monkeypatch.setattr(runtime, "_cpu_flags", lambda: {"avx512f", "avx512_bf16"})
    assert runtime.pick_precision("auto") == "bf16"
    assert runtime.pick_precision("fp32") == "fp32"
    monkeypatch.setattr(runtime, "_cpu_flags", lambda: {"avx2"})
    assert runtime.pick_precision("auto") == "fp32"
    with pytest.raises(InputError, match="fp16"):
        runtime.pick_precision("fp16")


def test_threads_are_fixed(monkeypatch):
    before = torch.get_num_threads()
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS"):
        monkeypatch.setenv(name, "9")
    runtime.set_threads(1)
    assert torch.get_num_threads() == 1 and os.environ["OMP_NUM_THREADS"] == "1"
    torch.set_num_threads(before)
    with pytest.raises(InputError):
        runtime.set_threads(0)


def test_a_gpu_is_held_by_one_job_at_a_time(monkeypatch, tmp_path):
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5")
    with gpu_slot.gpu_slot(1, tmp_path) as first:
        assert first == ["2"] and os.environ["CUDA_VISIBLE_DEVICES"] == "2"
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5")  # what another job on this machine would see
        with gpu_slot.gpu_slot(1, tmp_path) as second:
            assert second == ["5"]
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "2,5"


def test_every_rule_that_asks_for_a_gpu_holds_it(root):
    """Snakemake counts GPUs; the rule's script has to take one, or two jobs meet on the first."""
    rules = "".join(path.read_text() for path in sorted((root / "workflow/rules").glob("*.smk")))
    asking = set()
    for own in re.findall(r"^rule \w+:.*?(?=^\S|\Z)", rules, re.M | re.S):
        if "**NETWORK" in own or "**on_devices(" in own:
            asking.add(re.search(r'"\.\./scripts/(\w+\.py)"', own)[1])
    scripts = (root / "workflow/scripts").glob("*.py")
    assert asking == {script.name for script in scripts if "with network_job(" in script.read_text()}
    assert {"train_model.py", "score_files.py", "score_variants.py"} <= asking


def test_a_network_job_has_its_gpu_and_its_threads(monkeypatch, tmp_path):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(gpu_slot, "_gpu_ids", lambda: ["0", "1"])
    monkeypatch.setattr(gpu_slot.tempfile, "gettempdir", lambda: str(tmp_path))
    with runtime.network_job(SimpleNamespace(torch_threads=1, gpu=1)) as device:
        assert device == "cuda"
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "0" and torch.get_num_threads() == 1
    with runtime.network_job(SimpleNamespace(torch_threads=1, gpu=0)) as device:
        assert device == "cpu"
        assert "CUDA_VISIBLE_DEVICES" not in os.environ
    with pytest.raises(SystemExit), runtime.network_job(SimpleNamespace(torch_threads=1, gpu=3), tmp_path / "log"):
        pass
    assert "3 GPU(s) asked for, 2 visible" in (tmp_path / "log").read_text()


def test_a_job_waits_for_its_gpu(monkeypatch, tmp_path):
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    monkeypatch.setattr(gpu_slot.random, "random", lambda: -0.95)
    holder = gpu_slot.gpu_slot(1, tmp_path)
    holder.__enter__()
    got = []

    def wait():
        with gpu_slot.gpu_slot(1, tmp_path) as mine:
            got.append((mine, time.time()))

    thread = threading.Thread(target=wait)
    thread.start()
    time.sleep(0.2)
    assert not got
    released = time.time()
    holder.__exit__(None, None, None)
    thread.join(5)
    assert got[0][0] == ["0"] and got[0][1] >= released


def test_a_schedulers_choice_is_kept_and_too_few_gpus_are_an_error(monkeypatch, tmp_path):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    monkeypatch.setenv("SLURM_JOB_ID", "1")
    with gpu_slot.gpu_slot(1, tmp_path) as devices:
        assert devices == ["3"] and not list(tmp_path.iterdir())
    with pytest.raises(InputError, match="2 GPU"), gpu_slot.gpu_slot(2, tmp_path):
        pass
    with gpu_slot.gpu_slot(0, tmp_path) as none:
        assert none == []


def test_costs_of_a_continued_job_add_up(tmp_path):
    with CostLog("fit", parameters=10) as cost:
        cost.add(samples=64, tokens=640)
        time.sleep(0.05)
    first = cost.totals()
    with CostLog("fit", previous=first) as cost:
        cost.add(samples=36)
        time.sleep(0.05)
    cost.write(tmp_path)
    total = json.loads((tmp_path / "cost.json").read_text())
    assert total["samples"] == 100 and total["tokens"] == 640
    assert total["seconds"] >= first["seconds"] + 0.05
    assert total["samples_per_second"] == pytest.approx(100 / total["seconds"])
    assert {"stage", "device", "precision", "threads", "peak_memory_bytes"} <= set(total)


PEAKS = """
import numpy as np
from seqlm.common.costs import CostLog
big = np.ones(60_000_000 // 8)
del big
with CostLog("fit") as small:
    pass
with CostLog("fit") as large:
    big = np.ones(200_000_000 // 8)
    assert big[-1] == 1
print(large.totals()["peak_memory_bytes"] - small.totals()["peak_memory_bytes"])
"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux's own counter")
def test_peak_memory_is_that_of_the_stage_alone():
    """In a process of its own: memory that other tests have freed would be used again and not count."""
    environment = {**os.environ, "PYTHONPATH": str(Path(runtime.__file__).parents[2])}
    done = subprocess.run([sys.executable, "-c", PEAKS], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) > 150e6
