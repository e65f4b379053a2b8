"""What would never start on a SLURM cluster, found before anything is submitted.

SLURM accepts a job that asks for more than a partition has, and lets it wait for ever (PartitionTimeLimit).
"""

import getpass
import re
import subprocess
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import yaml

from seqlm.common.errors import InputError

LAYOUT = "%R|%l|%m|%c|%G"  # what `sinfo -h -o` is asked for: partition, time limit, memory, CPUs, generic resources


@dataclass(frozen=True)
class Partition:
    """What a job may ask of one partition: minutes, megabytes and CPUs of a node, GPUs of a node."""

    name: str
    minutes: float
    megabytes: float
    cpus: float
    gpus: int


@dataclass(frozen=True)
class Need:
    """What jobs of a rule ask for."""

    rule: str
    minutes: int
    megabytes: int
    cpus: int
    gpus: int


def output_of(*command):
    """What one of SLURM's commands prints.

    Raises
    ------
    InputError
        There is no such command, or it fails or does not answer.
    """
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=300).stdout
    except FileNotFoundError:
        raise InputError(command[0], "there is no such command", "run this where jobs are submitted from") from None
    except subprocess.TimeoutExpired:
        raise InputError(command[0], "did not answer within 5 minutes", "is the cluster's controller up?") from None
    except subprocess.CalledProcessError as error:
        lines = (error.stderr or error.stdout).strip().splitlines() or [f"exit status {error.returncode}"]
        raise InputError(" ".join(command[:2]), lines[-1], "mend this first") from None


def unknown_account(account):
    """A line where the cluster asks for an account, and the one given (or none) is not the user's."""
    if "associations" not in output_of("scontrol", "show", "config").partition("AccountingStorageEnforce")[2][:80]:
        return []
    there_are = output_of("sacctmgr", "-nP", "show", "assoc", f"user={getpass.getuser()}", "format=account").split()
    if account in there_are:
        return []
    return [f"slurm_account is {account or 'not set'}, yours are: {', '.join(there_are) or 'none; ask for one'}"]


def partitions_there_are(text):
    """Partitions of a cluster, from the output of ``sinfo -h -o`` in `LAYOUT`.

    Of a partition whose nodes differ, the largest of each kind.

    Returns
    -------
    dict of str to Partition
    """
    found = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        name, limit, memory, cpus, gres = line.split("|", 4)
        gpus = sum(int(number) for number in re.findall(r"(?:^|,)gpu:(?:[^:,()]+:)?(\d+)", gres))
        own = (_minutes(limit), float(memory.rstrip("+")), float(cpus.rstrip("+")), gpus)
        known = found.get(name)
        known = (known.minutes, known.megabytes, known.cpus, known.gpus) if known else own
        found[name] = Partition(name, *map(max, zip(own, known, strict=True)))
    return found


def partitions_chosen(path, there_are):
    """Partitions that partitions.yaml names, with the limits it gives where they are lower than the cluster's.

    Parameters
    ----------
    path : path
    there_are : dict of str to Partition

    Returns
    -------
    chosen : list of Partition
    problems : list of str
        Limits that the cluster does not have.

    Raises
    ------
    InputError
        If the file cannot be read or names a partition that is not there.
    """
    try:
        content = yaml.safe_load(Path(path).read_text())["partitions"]
        content = {str(name): dict(limits or {}) for name, limits in content.items()}
    except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise InputError(path, f"cannot be read ({' '.join(str(error).split())})", "see profiles/slurm") from None
    chosen, problems = [], []
    for name, limits in content.items():
        if name not in there_are:
            raise InputError(path, f"the cluster has no partition {name!r}", f"it has: {', '.join(there_are)}")
        real = there_are[name]
        own = {}
        for key, field in (("max_runtime", "minutes"), ("max_mem_mb", "megabytes"), ("max_threads", "cpus"),
                           ("max_gpu", "gpus")):  # fmt: skip
            limit = getattr(real, field)
            # No max_gpu is no GPU: that is how the jobs without one are kept from the nodes that have them.
            asked = limits.get(key, 0 if field == "gpus" else limit)
            if asked > limit:
                problems.append(f"{path}: {key} of {name} is {asked}, and the cluster allows {limit:.0f}; lower it")
            own[field] = min(asked, limit)
        chosen.append(Partition(name, **own))
    return chosen, problems


def needs_of(jobs, local=()):
    """What planned jobs ask for, each kind once.

    Parameters
    ----------
    jobs : list of seqlm.planning.jobs.PlannedJob
    local : collection of str
        Rules that run on the submitting machine: left out.

    Returns
    -------
    dict of Need to int
        How many jobs ask for it.
    """
    return Counter(
        Need(
            job.rule, int(job.resources.get("runtime", 0)), int(job.resources.get("mem_mb", 0)),
            job.threads // int(job.resources.get("nodes", 1)),
            int(job.resources.get("gpu", job.resources.get("devices_per_node", 0))),
        )
        for job in jobs
        if job.resources and job.rule not in local
    )  # fmt: skip


def would_wait(needs, partitions):
    """Why jobs would never start.

    Parameters
    ----------
    needs : iterable of Need
    partitions : list of Partition

    Returns
    -------
    list of str
        One line a kind of job that fits no partition, with the closest partition's limits.
    """
    lines = []
    for need in needs:
        fits = [p for p in partitions if not _lacks(need, p)]
        if fits:
            continue
        if not partitions:
            lines.append(f"{need.rule}: no partition is named")
            continue
        closest = min(partitions, key=lambda p: (p.gpus < need.gpus, len(_lacks(need, p)), -p.minutes))
        lines.append(f"{need.rule}: would wait for ever: {'; '.join(_lacks(need, closest))} (partition {closest.name})")
    return lines


def _lacks(need, partition):
    found = []
    for field, unit, mend in (
        ("gpus", "GPUs", "name a partition with GPUs and its max_gpu"),
        ("minutes", "minutes", "lower longest_runtime"),
        ("megabytes", "MB", "lower largest_memory"),
        ("cpus", "CPUs", "lower threads or devices"),
    ):
        asked, limit = getattr(need, field), getattr(partition, field)
        if asked > limit:
            found.append(f"asks for {asked} {unit}, {limit:.0f} are allowed: {mend}")
    return found


def _minutes(limit):
    """Minutes of SLURM's time limits: minutes, [days-]hours:minutes:seconds, infinite."""
    if limit in ("infinite", "n/a", "UNLIMITED"):
        return float("inf")
    days, _, clock = limit.rpartition("-")
    parts = [int(part) for part in clock.split(":")]
    if days:
        parts = (parts + [0, 0])[:3]  # days-hours[:minutes[:seconds]]
    hours, minutes, seconds = ([0] * (3 - len(parts)) + parts) if len(parts) > 1 else (0, parts[0], 0)
    return int(days or 0) * 1440 + hours * 60 + minutes + seconds / 60
