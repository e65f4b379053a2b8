"""What a job costs: seconds, samples, tokens, energy and peak memory, written beside its result as cost.json."""

import json
import os
import subprocess
import sys
import time
from contextlib import suppress
from datetime import datetime
from functools import cache
from pathlib import Path

from seqlm.common.energy import EnergyMeter
from seqlm.common.files import atomic_path
from seqlm.common.runtime import device_name

ONCE_A_JOB = ("pretrain", "fit", "predict", "loo")  # stages of which a job has one


class CostLog:
    """Measure a stage: wall time, work done, peak memory; written as ``cost.json``.

    Use as a context manager; call `add` as work is done. Time and work of an
    interrupted run are passed as `previous`, and the two add up.

    Parameters
    ----------
    stage : {"pretrain", "features", "fit", "predict", "loo"}
    device : torch.device or str
    precision : str
    parameters, trainable_parameters : int, optional
    previous : dict, optional
        What an earlier, interrupted part of the same stage cost (its `totals`); ``wall_seconds``, ``energy_joules`` and
        ``attempts`` in it may be later than the rest (`spent`): they count work that was lost and done again, too.

    Notes
    -----
    Peak memory is the high-water mark of this process *during the stage* (resident set on the CPU, allocated memory on
    a GPU), in bytes. What other processes of the stage did and used, their `own`, is added from `elsewhere`.
    ``seconds`` are those of work that was kept; after an interruption ``wall_seconds`` are those of all ``attempts``.
    """

    def __init__(
        self, stage, device="cpu", precision="fp32", parameters=None, trainable_parameters=None, previous=None
    ):
        self.stage, self.device, self.precision = stage, str(device), precision
        self.parameters, self.trainable_parameters = parameters, trainable_parameters
        previous = previous or {}
        self.seconds_before = float(previous.get("seconds", 0.0))
        self.peak_before = int(previous.get("peak_memory_bytes", 0))
        self.work = {key: int(previous.get(key, 0)) for key in ("samples", "tokens")}
        self.extra, self.elsewhere = {}, []
        self.wall_before = float(previous.get("wall_seconds", self.seconds_before))
        self.attempts = int(previous.get("attempts", 1)) + 1 if previous else 1
        self.joules_before, self.energy = float(previous.get("energy_joules", 0.0)), EnergyMeter(self.device)
        self.started = self.stopped = None

    def __enter__(self):
        reset_peak_memory(self.device)
        self.energy.start()
        self.started = time.perf_counter()
        return self

    def __exit__(self, *exception):
        self.stopped = time.perf_counter()
        self.peak = peak_memory(self.device)
        self.energy.total()

    def add(self, samples=0, tokens=0):
        """Count work done: examples and tokens (or bases) passed through the network."""
        self.work["samples"] += int(samples)
        self.work["tokens"] += int(tokens)
        self.energy.update()

    @property
    def seconds(self):
        """Wall seconds so far, interrupted parts included."""
        if self.started is None:
            return self.seconds_before
        return self.seconds_before + (self.stopped or time.perf_counter()) - self.started

    def own(self):
        """What this process alone did and used, for another's `elsewhere`."""
        return self.work | {"peak_memory_bytes": self._peak(), "energy_joules": self._joules()}

    def spent(self):
        """What has been spent whatever becomes of the work: for `previous`, where later than its totals."""
        wall = self.wall_before + self.seconds - self.seconds_before
        return {"wall_seconds": wall, "attempts": self.attempts} | self._all_joules()

    def _joules(self):
        """Of this process; None where nothing counts them."""
        now = self.energy.joules if self.stopped else self.energy.total()
        return None if self.energy.last is None else self.joules_before + now

    def _all_joules(self):
        # Processors are counted whole, whatever processes run on them; each process has a GPU of its own.
        others = self.elsewhere if self.device.startswith("cuda") else []
        found = [joules for joules in (self._joules(), *(o["energy_joules"] for o in others)) if joules is not None]
        return {"energy_joules": sum(found)} if found else {}

    def _peak(self):
        return max(self.peak_before, peak_memory(self.device) if self.stopped is None else self.peak)

    def totals(self):
        """Everything known so far, as a flat dict (also what `previous` takes)."""
        import torch

        seconds = self.seconds
        work = {key: value + sum(other[key] for other in self.elsewhere) for key, value in self.work.items()}
        result = {"stage": self.stage, "seconds": seconds, **{k: v for k, v in work.items() if v}}
        for key, value in work.items():
            if value and seconds > 0:
                result[f"{key}_per_second"] = value / seconds
        result["peak_memory_bytes"] = self._peak() + sum(other["peak_memory_bytes"] for other in self.elsewhere)
        if self.device.startswith("cuda"):
            result["peak_host_memory_bytes"] = peak_memory("cpu")
        result |= self.spent() if self.attempts > 1 else self._all_joules()
        if self.elsewhere:
            result["devices"] = 1 + len(self.elsewhere)
        if self.stage in ONCE_A_JOB and (waited := queue_seconds()) is not None:
            result["queue_seconds"] = waited
        result["device"] = device_name(self.device)
        result["precision"] = self.precision
        result["threads"] = torch.get_num_threads()
        for key in ("parameters", "trainable_parameters"):
            if getattr(self, key) is not None:
                result[key] = int(getattr(self, key))
        return result | self.extra

    def write(self, folder):
        """Write ``cost.json`` into `folder`."""
        with atomic_path(Path(folder) / "cost.json") as path:
            path.write_text(json.dumps(self.totals(), indent=1) + "\n")


@cache
def queue_seconds():
    """Seconds that this SLURM job waited before it started, None outside of SLURM or where it does not tell."""
    job = os.environ.get("SLURM_JOB_ID")
    if not job:
        return None
    command = ["squeue", "-h", "-j", job, "-o", "%V|%S"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
        submitted, started = map(datetime.fromisoformat, found.strip().split("|"))
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    return max(0.0, (started - submitted).total_seconds())


def reset_peak_memory(device):
    if device.startswith("cuda"):
        import torch

        torch.cuda.reset_peak_memory_stats(device)
        return
    # Linux: 5 resets the high-water mark of the resident set, so a stage sees its own peak only.
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak_memory(device):
    """High-water mark in bytes since the last reset."""
    if device.startswith("cuda"):
        import torch

        return torch.cuda.max_memory_allocated(device)
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
