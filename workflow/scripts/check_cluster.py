"""What of a study would never start on this SLURM cluster. Run by `make slurm-check`; submits nothing.

python workflow/scripts/check_cluster.py study.yaml [profiles/slurm]
"""

import getpass
import subprocess
import sys
from pathlib import Path

import yaml

from seqlm.common.errors import InputError, one_line_errors
from seqlm.study.cluster import LAYOUT, needs_of, partitions_chosen, partitions_there_are, would_wait

LOCAL = ("download_source", "fetch_backbone")  # run on the submitting machine, which has internet


def output_of(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=300).stdout
    except FileNotFoundError:
        raise InputError(command[0], "there is no such command", "run this where jobs are submitted from") from None
    except subprocess.TimeoutExpired:
        raise InputError(command[0], "did not answer within 5 minutes", "is the cluster's controller up?") from None
    except subprocess.CalledProcessError as error:
        lines = (error.stderr or error.stdout).strip().splitlines() or [f"exit status {error.returncode}"]
        raise InputError(" ".join(command[:2]), lines[-1], "mend this first") from None


def unknown_account(options):
    """A line where the cluster asks for an account and the profile's is missing or not the user's."""
    if "associations" not in output_of("scontrol", "show", "config").partition("AccountingStorageEnforce")[2][:80]:
        return []
    there_are = output_of("sacctmgr", "-nP", "show", "assoc", f"user={getpass.getuser()}", "format=account").split()
    account = str(options.get("default-resources", {}).get("slurm_account", "")).strip("'\"")
    if account in there_are:
        return []
    return [f"slurm_account is {account or 'not set'}, yours are: {', '.join(there_are) or 'none; ask for one'}"]


def main(study, profile="profiles/slurm"):
    with one_line_errors():
        options = yaml.safe_load((Path(profile) / "profile.yaml").read_text())
        there_are = partitions_there_are(output_of("sinfo", "-h", "-o", LAYOUT))
        partitions, problems = partitions_chosen(options["slurm-partition-config"], there_are)
        plan = output_of(
            sys.executable, "-m", "snakemake", "all", "-n", "--forceall", "--configfile", study, "--profile", "none",
            "--workflow-profile", profile,
        )  # fmt: skip
        needs = needs_of(plan, LOCAL)
        problems += unknown_account(options) + would_wait(needs, partitions)
    for problem in problems:
        print(f"seqlm: {problem}")
    if not problems:
        print(f"seqlm: all {sum(needs.values())} jobs fit a partition; downloads run here, where there is internet")
    sys.exit(bool(problems))


if __name__ == "__main__":
    main(*sys.argv[1:])
