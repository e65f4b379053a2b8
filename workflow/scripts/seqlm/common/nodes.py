"""One training on several nodes of a SLURM cluster: srun starts the processes and tells each its place.

Like `seqlm.common.processes.launch`, which does it on one machine: the script of a job is run again in every process,
and those `join`. The folder of the script must be one that all nodes see, as Snakemake's working directory is.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

from seqlm.common.errors import InputError
from seqlm.common.processes import OtherProcessError

# What each task runs first: SLURM's names of its place become torch's.
TASK = """
import os, sys
folder, script = sys.argv[1:]
of = os.environ.__getitem__
rank = of("SLURM_PROCID")
os.environ.update(RANK=rank, LOCAL_RANK=of("SLURM_LOCALID"), WORLD_SIZE=of("SLURM_NTASKS"),
                  LOCAL_WORLD_SIZE=of("SEQLM_TASKS_PER_NODE"), TORCHELASTIC_ERROR_FILE=folder + "/" + rank)
os.execv(sys.executable, [sys.executable, script])
"""


def launch(script, count, nodes, threads, gpus=0):
    """Run a Python script in `count` processes on the nodes of this SLURM job, wait for them, and end.

    Parameters
    ----------
    script : path
    count : int
        Processes, as many on each node.
    nodes, threads : int
        Nodes of the job, and CPUs of a process.
    gpus : int
        GPUs of a node, each process's own.

    Raises
    ------
    InputError
        This is no SLURM job.
    OtherProcessError
        With the one line of the process that failed first.
    SystemExit
        0 when all is done; 143 after SIGTERM, when the processes have written a checkpoint.
    """
    if "SLURM_JOB_ID" not in os.environ:
        problem = f"a training on {nodes} nodes runs as a SLURM job, and this is none"
        raise InputError("devices_per_node", problem, "leave it out of the profile, or use profiles/slurm")
    if not shutil.which("srun"):
        raise InputError("srun", "there is no such command in this job", "containers have to bring SLURM's commands")
    with tempfile.TemporaryDirectory(prefix="nodes-", dir=Path(script).parent) as folder, socket.socket() as port:
        port.bind(("", 0))
        place = {"MASTER_ADDR": socket.gethostname(), "MASTER_PORT": str(port.getsockname()[1])}
        place |= {"SEQLM_TASKS_PER_NODE": str(count // nodes), "TORCHELASTIC_RUN_ID": os.environ["SLURM_JOB_ID"]}
        port.close()
        command = [
            "srun", f"--nodes={nodes}", f"--ntasks={count}", f"--ntasks-per-node={count // nodes}",
            f"--cpus-per-task={threads}", "--mem=0", "--wait=0", "--export=ALL", "--kill-on-bad-exit=1", "--quiet",
            *([f"--gres=gpu:{gpus}"] if gpus else []), sys.executable, "-c", TASK, folder, str(script),
        ]  # fmt: skip
        process = subprocess.Popen(command, env=os.environ | place, stdin=subprocess.DEVNULL)
        before = signal.signal(signal.SIGTERM, lambda *_: process.terminate())  # srun passes it on
        try:
            status = process.wait()
        finally:
            signal.signal(signal.SIGTERM, before)
        told = [json.loads(path.read_text()) for path in Path(folder).iterdir()]
    if told:
        raise OtherProcessError(min(told, key=lambda one: one["time"])["line"])
    if abs(status) in (signal.SIGTERM, 128 + signal.SIGTERM):
        sys.exit(128 + signal.SIGTERM)
    if status:
        problem = f"a process of {count} on {nodes} nodes ended with status {status}"
        raise InputError("training", problem, "see the lines above; it may have run out of memory: set devices lower")
    sys.exit(0)
