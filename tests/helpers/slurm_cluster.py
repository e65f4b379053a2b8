"""A real SLURM cluster on this machine, for tests: three nodes of one machine, two of them with GPUs that are made up.

Needs root and Debian's packages slurmctld, slurmd, slurm-client and munge, which are installed where they are missing.
"""

import os
import shutil
import socket
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

PACKAGES = ("munge", "slurmctld", "slurmd", "slurm-client")
ETC = Path("/etc/slurm")  # a job step of Snakemake's plugin looks nowhere else
PORTS = 27817, 27818, 27819, 27820
NODES = "plain", "gpus", "more"  # the last for jobs of several nodes alone

CONFIG = """\
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
GresTypes=gpu
SlurmdParameters=config_overrides
ReturnToService=2
KillWait=10
OverTimeLimit=0
SchedulerParameters=sched_interval=2,batch_sched_delay=0
AccountingStorageType=accounting_storage/none
NodeName=plain Port={ports[1]} {node}
NodeName=gpus Port={ports[2]} Gres=gpu:{gpus} {node}
NodeName=more Port={ports[3]} Gres=gpu:{gpus} {node}
PartitionName=cpu Nodes=plain Default=YES MaxTime=60 State=UP
PartitionName=gpu Nodes=gpus MaxTime=60 State=UP
PartitionName=wide Nodes=gpus,more MaxTime=60 State=UP
"""

NODE = "NodeHostname={host} NodeAddr=127.0.0.1 CPUs=4 RealMemory=8000 State=UNKNOWN"


class NotHere(Exception):
    """Why there can be no cluster on this machine."""


def run(*command, timeout=60, check=True):
    """Output of a command."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout)
    if check and done.returncode:
        raise NotHere(f"{' '.join(command)}: {(done.stderr or done.stdout).strip()}")
    return done.stdout


def install():
    """Get what is missing of the packages, without letting them start their services."""
    if os.geteuid():
        raise NotHere("only root can start a cluster")
    settings = ETC / "slurm.conf"
    # A link that a killed run of these tests left behind is no cluster.
    if settings.exists() and not (settings.is_symlink() and _is_down()):
        raise NotHere(f"{ETC} belongs to another cluster")
    if all(map(shutil.which, ("munged", "slurmctld", "slurmd", "sinfo"))):
        return
    if not shutil.which("apt-get"):
        raise NotHere(f"{', '.join(PACKAGES)} are not installed, and there is no apt-get")
    policy = Path("/usr/sbin/policy-rc.d")
    made = not policy.exists()
    if made:
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
    try:
        run("apt-get", "update", "-q", timeout=300)
        os.environ["DEBIAN_FRONTEND"] = "noninteractive"
        run("apt-get", "install", "-y", "-q", "--no-install-recommends", *PACKAGES, timeout=600)
    finally:
        if made:
            policy.unlink()


def _is_down():
    return "UP" not in run("scontrol", "ping", timeout=120, check=False)


@contextmanager
def cluster(folder, gpus=2):
    """Start it, and end it with all its jobs.

    Parameters
    ----------
    folder : path
        For its files.
    gpus : int
        How many the node ``gpus`` has: character devices that give nothing.

    Yields
    ------
    None

    Raises
    ------
    NotHere
    """
    install()
    folder, host, daemons = Path(folder), socket.gethostname().split(".")[0], []
    for name in ("state", *(f"spool-{node}" for node in NODES)):
        (folder / name).mkdir(parents=True)
    for number in range(gpus):
        run("mknod", str(folder / f"gpu{number}"), "c", "1", "3")
    settings = CONFIG.format(host=host, ports=PORTS, folder=folder, gpus=gpus, node=NODE.format(host=host))
    (folder / "slurm.conf").write_text(settings)
    files = f"{folder}/gpu[0-{gpus - 1}]" if gpus > 1 else f"{folder}/gpu0"
    (folder / "gres.conf").write_text(f"AutoDetect=off\nNodeName=gpus,more Name=gpu File={files}\n")
    (folder / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\n")
    ETC.mkdir(exist_ok=True)
    links = [ETC / name for name in ("slurm.conf", "gres.conf", "cgroup.conf")]
    try:
        if subprocess.run("getent hosts " + host, shell=True, capture_output=True).returncode:
            raise NotHere(f"{host} has no address in /etc/hosts")
        for link in links:
            link.unlink(missing_ok=True)
            link.symlink_to(folder / link.name)
        _munge(folder)
        for command in (["slurmctld", "-D"], *(["slurmd", "-D", "-N", node] for node in NODES)):
            out = open(folder / f"{'-'.join(command)}.out", "w")  # noqa: SIM115
            daemons.append(subprocess.Popen(command, stdout=out, stderr=out, stdin=subprocess.DEVNULL))
        _wait_for_nodes(folder)
        yield
    finally:
        subprocess.run(["scancel", "--user=root"], capture_output=True, timeout=30)
        for daemon in reversed(daemons):
            daemon.terminate()
        for daemon in daemons:
            daemon.wait(30)
        for link in links:
            if link.is_symlink():
                link.unlink()


def _munge(folder):
    """Have a munge daemon that answers: another one's, or our own."""
    answers = "munge -n | unmunge"
    if not subprocess.run(answers, shell=True, capture_output=True).returncode:
        return
    key = Path("/etc/munge/munge.key")
    if not key.exists():
        run("mungekey", "--create", f"--keyfile={key}")
    shutil.chown(key, "munge", "munge")
    for place in ("/run/munge", "/var/log/munge"):
        Path(place).mkdir(parents=True, exist_ok=True)
        shutil.chown(place, "munge", "munge")
    with open(folder / "munged.out", "w") as out:
        subprocess.run(["setpriv", "--reuid", "munge", "--regid", "munge", "--clear-groups", "munged"], stdout=out,
                       stderr=out, stdin=subprocess.DEVNULL, timeout=30)  # fmt: skip
    for _ in range(50):
        if not subprocess.run(answers, shell=True, capture_output=True).returncode:
            return
        time.sleep(0.2)
    raise NotHere(f"munge does not answer: {(folder / 'munged.out').read_text()}")


def _wait_for_nodes(folder, seconds=90):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        nodes = run("sinfo", "-h", "-N", "-o", "%N %T", check=False).split("\n")
        if len({line for line in nodes if line.endswith(" idle")}) == len(NODES):  # a line for each partition
            return
        time.sleep(0.5)
    raise NotHere(f"nodes are not idle after {seconds} s: {nodes}; see {folder}/*.log")
