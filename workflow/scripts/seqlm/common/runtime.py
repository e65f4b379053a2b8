"""What a job runs on: seeds, device, precision, threads.

Nothing heavy is imported here at module level (``torch`` costs seconds), so that
rules and light jobs may import this module freely.
"""

import ctypes
import gc
import os
import random
import sys
from contextlib import contextmanager
from pathlib import Path

from seqlm.common import nodes, processes
from seqlm.common.errors import InputError, one_line_errors
from seqlm.common.gpu_slot import gpu_slot


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


def release_memory():
    """Give freed memory of Arrow and the C library back to the system: between two steps that need much."""
    import pyarrow

    pyarrow.default_memory_pool().release_unused()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim:
        trim(0)


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


def load_libraries():
    """Import torch and transformers with Python's collector off, and keep what they made out of its later rounds.

    They make half a million objects, all of which stay: to go through them over and over takes a quarter of the time
    in which a job starts.
    """
    gc.disable()
    try:
        import transformers.modeling_utils  # noqa: F401  and torch with it
    finally:
        gc.freeze()
        gc.enable()


@contextmanager
def network_job(resources, log=None):
    """Around a job that runs a network: errors are told in one line, it has a GPU of its own and its number of threads.

    A job of several devices runs its script again in as many processes, one a GPU (on CPUs with `torch_threads` each),
    on its nodes where it has several, and ends with them; in those, and in a job of one device, the block is run.

    Parameters
    ----------
    resources : object
        With the attributes torch_threads, gpu (how many GPUs the job was given) and, where it trains, devices; nodes,
        where it has several.
    log : path, optional
        As for `seqlm.common.errors.one_line_errors`.

    Yields
    ------
    str
        "cuda" where the job was given a GPU, which then must be there, else "cpu".
    """
    machines, devices = getattr(resources, "nodes", 1), getattr(resources, "devices", 1)
    gpus = resources.devices_per_node if machines > 1 else getattr(resources, "gpu", 0)
    # The variable is for clusters whose GPUs are made up, as those of tests are.
    device = os.environ.get("SEQLM_DEVICE") or ("cuda" if gpus else "cpu")
    if processes.launched():
        with processes.failures_told():
            load_libraries()
            set_threads(resources.torch_threads)
            _choose_gpu(device)
            yield device
        return
    processes.end_with_parent()
    if machines > 1:
        with one_line_errors(log):
            nodes.launch(_this_script(), devices, machines, resources.torch_threads, gpus)
    with one_line_errors(log), gpu_slot(gpus):
        load_libraries()
        set_threads(resources.torch_threads)
        # Snakemake gives no more GPUs than there are. The numbers are the same with fewer processes.
        count = min(devices, gpus) if gpus else devices
        if count > 1:
            processes.launch(_this_script(), count)
        yield device


def _choose_gpu(device):
    if device == "cuda":
        import torch

        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))


def _this_script():
    """The file that is run: of a Snakemake script the copy that holds what the job was given."""
    main = sys.modules["__main__"]
    return getattr(main, "__real_file__", None) or main.__file__
