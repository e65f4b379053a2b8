"""GPU slots of one machine, held by processes of their own, as jobs are."""

import os
import signal
import subprocess
import sys
import time
from collections import defaultdict

import pytest

from seqlm.common.gpu_slot import gpu_slot

# A job: it says when it has its GPUs, works, and says when it is about to give them back.
JOB = """
import random, sys, time
from seqlm.common.gpu_slot import gpu_slot

random.random = lambda: -0.95  # it asks again at once
name, count, seconds, folder = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), sys.argv[4]
with gpu_slot(count, folder) as devices, open(folder + "/told", "a", buffering=1) as told:
    told.write(f"{name} {','.join(devices)} starts {time.monotonic()}\\n")
    time.sleep(seconds)
    told.write(f"{name} {','.join(devices)} ends {time.monotonic()}\\n")
"""


def told(folder):
    """What jobs said: (name, GPUs, what, when)."""
    path = folder / "told"
    lines = path.read_text().splitlines() if path.exists() else []
    return [(name, devices.split(","), what, float(when)) for name, devices, what, when in map(str.split, lines)]


def test_eight_jobs_on_two_gpus_never_meet_and_killed_ones_leave_nothing_held(monkeypatch, root, tmp_path):
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    environment = os.environ | {"PYTHONPATH": str(root / "workflow/scripts")}
    jobs = {}
    for k in range(8):
        # The last wants both; three would keep theirs for a minute, and are killed.
        arguments = [f"job{k}", "2" if k == 7 else "1", "60" if k < 3 else "0.3", str(tmp_path)]
        jobs[f"job{k}"] = subprocess.Popen([sys.executable, "-c", JOB, *arguments], env=environment)
    killed, deadline = {}, time.monotonic() + 60
    while any(job.poll() is None for job in jobs.values()):
        assert time.monotonic() < deadline, told(tmp_path)
        for name, *_ in told(tmp_path):
            if name in ("job0", "job1", "job2") and name not in killed:
                time.sleep(0.3)  # time for others to take what is not theirs
                killed[name] = time.monotonic()
                os.kill(jobs[name].pid, signal.SIGKILL)
        time.sleep(0.02)
    assert [job.returncode for job in jobs.values()] == [-signal.SIGKILL] * 3 + [0] * 5
    held = defaultdict(list)  # GPU -> intervals in which a job had it
    ends = {name: when for name, _, what, when in told(tmp_path) if what == "ends"} | killed
    for name, devices, what, when in told(tmp_path):
        if what == "starts":
            assert len(devices) == (2 if name == "job7" else 1)
            for device in devices:
                held[device].append((when, ends[name]))
    assert sorted(held) == ["0", "1"] and sum(map(len, held.values())) == 9
    for intervals in map(sorted, held.values()):
        for (_, end), (start, _) in zip(intervals, intervals[1:], strict=False):
            assert end <= start
    monkeypatch.setattr(time, "sleep", lambda seconds: pytest.fail("a GPU is still held"))
    with gpu_slot(2, tmp_path) as devices:
        assert devices == ["0", "1"]
