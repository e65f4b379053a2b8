"""One training in several processes: started by torchrun's launcher, each with its share of every batch.

`launch` runs the script of a job again in N processes of this machine; they `join` for the training, tell each other
what is not in the gradients, and `leave` when it is done: the first process goes on alone, the others end.
"""

import ctypes
import json
import logging
import os
import signal
import sys
import tempfile
import time
import traceback
from contextlib import contextmanager
from datetime import timedelta

from seqlm.common.errors import InputError, in_one_line

# What torchrun tells a process of its place.
PLACE = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "TORCHELASTIC_RUN_ID")
GRACE = 100  # seconds to write a checkpoint in after SIGTERM, which profiles/slurm has sent two minutes before the end
WAIT = timedelta(hours=12)  # one process may be long at work while others wait; if it dies they are ended

_group = None  # what Python objects are sent over; None in a job of one process


class OtherProcessError(InputError):
    """The line that a process of the job ended with."""

    def __init__(self, line):
        ValueError.__init__(self, line)


def launched():
    """Whether this is one of several processes."""
    return int(os.environ.get("WORLD_SIZE", 1)) > 1


def launch(script, count):
    """Run a Python script in `count` processes of this machine, wait for them, and end.

    Raises
    ------
    OtherProcessError
        With the one line of the process that failed first.
    SystemExit
        0 when all is done; 143 after SIGTERM, when the processes have written a checkpoint.
    """
    from torch.distributed.elastic.multiprocessing.api import DefaultLogsSpecs, SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")  # warnings of each process
    with tempfile.TemporaryDirectory(prefix="seqlm-") as folder:
        config = LaunchConfig(
            min_nodes=1,
            max_nodes=1,
            nproc_per_node=count,
            run_id=str(os.getpid()),
            rdzv_backend="c10d",
            rdzv_endpoint="localhost:0",
            local_addr="localhost",
            max_restarts=0,
            logs_specs=DefaultLogsSpecs(log_dir=folder),
            shutdown_timeout=GRACE,
        )
        try:
            elastic_launch(config, sys.executable)(script)
        except SignalException as error:
            sys.exit(128 + error.sigval)
        except ChildFailedError as error:
            failures = sorted(error.failures.values(), key=lambda it: it.error_file_data.get("time", time.time()))
            failed = next((f for f in failures if "line" in f.error_file_data), failures[0])
            if failed.exitcode in (128 + signal.SIGTERM, -signal.SIGTERM):
                sys.exit(128 + signal.SIGTERM)
            raise OtherProcessError(_last_words(failed, count)) from None
    sys.exit(0)


def _last_words(failure, count):
    if "line" in failure.error_file_data:
        return failure.error_file_data["line"]
    what = f"ended with status {failure.exitcode}"
    if failure.exitcode < 0:
        what = f"was killed by {signal.Signals(-failure.exitcode).name}"
    mend = "it may have run out of memory: set devices lower, or micro_batch"
    return str(InputError("training", f"process {failure.local_rank + 1} of {count} {what}", mend))


@contextmanager
def failures_told():
    """Within a launched process: what it fails with is left for the process that launched it, which tells it once."""
    end_with_parent(signal.SIGKILL)
    try:
        yield
    except Exception as error:
        line = in_one_line(error)
        if line is None:
            line = f"{type(error).__name__} in process {os.environ['RANK']}\n{traceback.format_exc()}"
        told = {"message": line, "timestamp": int(time.time()), "time": time.time(), "line": line}
        if place := os.environ.get("TORCHELASTIC_ERROR_FILE"):
            with open(place, "w") as file:
                json.dump(told, file)
        else:
            print(f"seqlm: {line}", file=sys.stderr)
        sys.stderr.flush()
        os._exit(1)  # nothing is waited for: the others may be waiting for this process


def end_with_parent(how=signal.SIGTERM):
    """Ask the system for a signal when the process that started this one is killed (Linux).

    A job whose Snakemake is no more would go on writing beside the same job of the next Snakemake.
    """
    if sys.platform == "linux":
        parent, set_death_signal = os.getppid(), 1  # PR_SET_PDEATHSIG
        ctypes.CDLL(None).prctl(set_death_signal, int(how))
        if os.getppid() != parent:
            os.kill(os.getpid(), how)


def join(device):
    """Meet the other processes of a training; nothing where there is one.

    Parameters
    ----------
    device : torch.device
        NCCL joins GPUs, gloo CPUs.
    """
    global _group
    if not launched() or _group is not None:
        return
    import torch.distributed as dist

    dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=WAIT)
    # Flags and sums go over CPUs, so that no GPU waits for them.
    _group = dist.new_group(backend="gloo", timeout=WAIT)


def size():
    """How many processes train together."""
    return 1 if _group is None else _group.size()


def rank():
    """The number of this process, from 0; the first alone writes files and says things."""
    return 0 if _group is None else _group.rank()


def gather(value):
    """A list of what each process gives, in order (any Python object that pickles)."""
    if _group is None:
        return [value]
    import torch.distributed as dist

    values = [None] * size()
    dist.all_gather_object(values, value, group=_group)
    return values


def first_says(value):
    """The first process's value, in all of them."""
    return gather(value if rank() == 0 else None)[0]


def anyone(*flags):
    """Each flag: whether it is set in any process."""
    if _group is None:
        return flags
    import torch
    import torch.distributed as dist

    shared = torch.tensor(flags, dtype=torch.uint8)
    dist.all_reduce(shared, dist.ReduceOp.MAX, group=_group)
    return tuple(map(bool, shared.tolist()))


def total(value):
    """The sum of a scalar tensor over all processes."""
    if _group is None:
        return value
    import torch.distributed as dist

    value = value.double()
    dist.all_reduce(value)
    return value


def leave():
    """End the common work: the first process goes on alone, the others end here with status 0."""
    global _group
    if _group is None:
        return
    import torch.distributed as dist
    from accelerate.state import AcceleratorState

    mine = rank()
    gather(None)  # nobody is still at work
    _group = None
    dist.destroy_process_group()
    AcceleratorState._reset_state(reset_partial_state=True)
    if mine:
        sys.exit(0)
    for name in PLACE:
        os.environ.pop(name, None)
