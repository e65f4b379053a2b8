"""Which GPU a job on this machine may use: a slot taken by a file lock, so that two jobs never share a device."""

import os
import random
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

from seqlm.common.errors import InputError


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
