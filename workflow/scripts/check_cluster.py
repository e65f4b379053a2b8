"""What of a study would never start on this SLURM cluster. Run by `make slurm-check`; submits nothing.

python workflow/scripts/check_cluster.py study.yaml [profiles/slurm]
"""

import sys
from pathlib import Path

import yaml

from seqlm.common.errors import one_line_errors
from seqlm.planning.cluster import (
    LAYOUT,
    needs_of,
    output_of,
    partitions_chosen,
    partitions_there_are,
    unknown_account,
    would_wait,
)
from seqlm.planning.jobs import planned_jobs

LOCAL = ("download_source", "fetch_backbone")  # run on the submitting machine, which has internet


def main(study, profile="profiles/slurm"):
    with one_line_errors():
        options = yaml.safe_load((Path(profile) / "profile.yaml").read_text())
        there_are = partitions_there_are(output_of("sinfo", "-h", "-o", LAYOUT))
        partitions, problems = partitions_chosen(options["slurm-partition-config"], there_are)
        jobs = planned_jobs(study, options=["--forceall", "--profile", "none", "--workflow-profile", profile])
        needs = needs_of(jobs, LOCAL)
        problems += unknown_account(str(options.get("default-resources", {}).get("slurm_account", "")).strip("'\""))
        problems += would_wait(needs, partitions)
    for problem in problems:
        print(f"seqlm: {problem}")
    if not problems:
        print(f"seqlm: all {sum(needs.values())} jobs fit a partition; downloads run here, where there is internet")
    sys.exit(bool(problems))


if __name__ == "__main__":
    main(*sys.argv[1:])
