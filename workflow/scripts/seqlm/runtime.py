"""What a job runs on and what it costs: seeds, device, precision, threads, GPU slot, cost log.

Nothing heavy is imported here at module level (``torch`` costs seconds), so that
rules and light jobs may import this module freely.
"""

import ctypes
import json
import os
import random
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path

from seqlm.errors import InputError, one_line_errors
from seqlm.files import atomic_path


def seed_everything(seed):
    """Seed Python, NumPy and torch (all devices) and ask cuDNN for repeatable algorithms."""
    import numpy as np
    import torch

    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False


def set_threads(count):
    """Fix the number of threads of this process, in torch and for libraries loaded later.

    A job's thread count is part of its numbers: a sum split over other threads
    rounds differently. So it comes from the rule or profile, never from what is free.
    """
    import torch

    count = int(count)
    if count < 1:
        raise InputError("threads", f"{count} is not a number of threads", "give 1 or more")
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS"):
        os.environ[name] = str(count)
    torch.set_num_threads(count)


def reuse_memory():
    """Ask the C library to keep freed memory for the next tensor.

    glibc gives every large block back to the system, so each large tensor of a
    training step is mapped, zeroed and faulted in anew: about a fifth of a GPT
    step on the CPU. Elsewhere than on glibc nothing happens.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt:
        trim_threshold, mmap_threshold, arenas = -1, -3, -8  # names of the settings in malloc.h
        for setting, value in ((mmap_threshold, 2**30), (trim_threshold, 2**31 - 1), (arenas, 1)):
            mallopt(setting, value)


def pick_device(wish="auto"):
    """The device to compute on.

    Parameters
    ----------
    wish : {"auto", "cpu", "cuda"} or a torch device name
        "auto" takes a GPU when there is one.

    Returns
    -------
    torch.device

    Raises
    ------
    InputError
        A GPU was asked for and none is visible: better than a silent week on the CPU.
    """
    import torch

    if wish == "auto":
        wish = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(wish)
    except RuntimeError:
        raise InputError("device", f"'{wish}' is not a device", "use auto, cpu or cuda") from None
    if device.type == "cuda" and not torch.cuda.is_available():
        raise InputError(
            "device",
            "a GPU was asked for and none is visible",
            "use device: cpu, or check the driver and CUDA_VISIBLE_DEVICES",
        )
    return device


def pick_precision(wish="auto", device="cpu"):
    """Arithmetic of forward and backward passes; weights and optimizer stay in float32.

    Parameters
    ----------
    wish : {"auto", "fp32", "bf16"}
        "auto" takes bfloat16 autocast where the hardware multiplies it natively
        (AVX512-BF16 or AMX on a CPU, compute capability 8 on a GPU).
    device : torch.device or str

    Returns
    -------
    {"fp32", "bf16"}
    """
    import torch

    if wish in ("fp32", "bf16"):
        return wish
    if wish != "auto":
        raise InputError("precision", f"'{wish}' is not a precision", "use auto, fp32 or bf16")
    if torch.device(device).type == "cuda":
        return "bf16" if torch.cuda.get_device_capability() >= (8, 0) else "fp32"
    return "bf16" if _cpu_flags() & {"avx512_bf16", "amx_bf16"} else "fp32"


def _cpu_flags():
    """Instruction sets of the CPU (empty where the system does not tell)."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return set()
    return set(next((line.split(":", 1)[1].split() for line in lines if line.startswith("flags")), []))


def device_name(device):
    """Name of the processor behind a torch device, for the cost tables."""
    import torch

    device = torch.device(device)
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "CPU")


@contextmanager
def network_job(resources, log=None):
    """Around a job that runs a network: errors are told in one line, it has a GPU of its own and its number of threads.

    Parameters
    ----------
    resources : object
        With the attribute torch_threads, and gpu where GPUs are counted.
    log : path, optional
        As for `seqlm.errors.one_line_errors`.
    """
    with one_line_errors(log), gpu_slot(getattr(resources, "gpu", 0)):
        set_threads(resources.torch_threads)
        yield


@contextmanager
def gpu_slot(count=1, folder=None):
    """Hold `count` GPUs for this process and set ``CUDA_VISIBLE_DEVICES`` to them.

    Snakemake counts GPUs on a local machine but does not say which one a job
    may use; a lock file per GPU does. Enter before torch first touches CUDA.
    Under SLURM the scheduler has already chosen, and its choice is kept.

    Parameters
    ----------
    count : int
        Number of GPUs; 0 does nothing.
    folder : path, optional
        Where the lock files live; one folder per user in the temporary folder by default.

    Yields
    ------
    list of str
        Device ids.
    """
    if not count:
        yield []
        return
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    devices = _gpu_ids() if visible is None else [d for d in visible.split(",") if d.strip() not in ("", "-1")]
    if len(devices) < count:
        raise InputError(
            "gpu", f"{count} GPU(s) asked for, {len(devices)} visible", "lower the number or use device: cpu"
        )
    if os.environ.get("SLURM_JOB_ID") and visible is not None:
        yield devices
        return
    from filelock import FileLock, Timeout

    folder = Path(folder or Path(tempfile.gettempdir()) / f"seqlm-gpu-{os.getuid()}")
    folder.mkdir(parents=True, exist_ok=True)
    held = {}
    try:
        while len(held) < count:
            for device in devices:
                if device in held or len(held) == count:
                    continue
                lock = FileLock(folder / f"gpu-{device}.lock")
                try:
                    lock.acquire(timeout=0)
                    held[device] = lock
                except Timeout:
                    pass
            if len(held) < count:
                # Give back what is held while waiting, or two jobs of two GPUs each could wait for each other.
                for lock in held.values():
                    lock.release()
                held.clear()
                time.sleep(1 + random.random())
        os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(held)
        yield list(held)
    finally:
        for lock in held.values():
            lock.release()
        if visible is None:
            os.environ.pop("CUDA_VISIBLE_DEVICES", None)
        else:
            os.environ["CUDA_VISIBLE_DEVICES"] = visible


def _gpu_ids():
    import torch

    return [str(i) for i in range(torch.cuda.device_count())]


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
        What an earlier, interrupted part of the same stage cost (its `totals`).

    Notes
    -----
    Peak memory is the high-water mark of this process *during the stage*
    (resident set on the CPU, allocated memory on a GPU), in bytes.
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
        self.extra = {}
        self.started = self.stopped = None

    def __enter__(self):
        _reset_peak_memory(self.device)
        self.started = time.perf_counter()
        return self

    def __exit__(self, *exception):
        self.stopped = time.perf_counter()
        self.peak = _peak_memory(self.device)

    def add(self, samples=0, tokens=0):
        """Count work done: examples and tokens (or bases) passed through the network."""
        self.work["samples"] += int(samples)
        self.work["tokens"] += int(tokens)

    @property
    def seconds(self):
        """Wall seconds so far, interrupted parts included."""
        if self.started is None:
            return self.seconds_before
        return self.seconds_before + (self.stopped or time.perf_counter()) - self.started

    def totals(self):
        """Everything known so far, as a flat dict (also what `previous` takes)."""
        import torch

        seconds = self.seconds
        result = {"stage": self.stage, "seconds": seconds, **{k: v for k, v in self.work.items() if v}}
        for key, value in self.work.items():
            if value and seconds > 0:
                result[f"{key}_per_second"] = value / seconds
        result["peak_memory_bytes"] = max(
            self.peak_before, _peak_memory(self.device) if self.stopped is None else self.peak
        )
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


def _reset_peak_memory(device):
    if device.startswith("cuda"):
        import torch

        torch.cuda.reset_peak_memory_stats(device)
        return
    # Linux: 5 resets the high-water mark of the resident set, so a stage sees its own peak only.
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _peak_memory(device):
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
