"""Running a study: Snakemake's own lines go to a log file, a line a minute says how far it is."""

import json
import os
import re
import subprocess
import sys
import threading
import time
from collections import defaultdict
from pathlib import Path

from seqlm.planning.jobs import PlannedJob, snakemake_command
from seqlm.planning.plan import duration, job_words, load_study

# Seconds of jobs whose rule has not ended yet, where no plan says better: only their ratios matter.
FIRST_GUESS = {"pretrain_backbone": 120, "train_model": 60, "score_loo": 30, "predict_targets": 12}
OTHER_GUESS = 6
KEPT = 40  # lines of an error that are shown
TRUST = 0.1  # of a plan's time must have passed before what it took counts as much as the plan


class Progress:
    """What is known of a run from the lines that Snakemake prints.

    Parameters
    ----------
    planned : list of (rule, wildcards, seconds), optional
        What `seqlm plan` said of the jobs.
    """

    def __init__(self, planned=()):
        self.planned = {_name(rule, wildcards): seconds for rule, wildcards, seconds in planned}
        self.counts = {}  # rule -> jobs in all
        self.running = {}  # job id -> (PlannedJob, since)
        self.ended = defaultdict(list)  # rule -> (seconds taken, seconds planned or None)
        self.threads = {}  # rule -> threads of a job, where they are more than one
        self.done = self.total = self.cores = 0
        self._job, self._stats = None, False

    def read(self, line, now):
        """Take in a line.

        Returns
        -------
        bool
            Whether it begins what a user must see: an error.
        """
        line = line.rstrip("\n")
        if line.startswith("Job stats:"):
            self._stats, self.counts = True, {}
        elif self._stats:
            found = re.fullmatch(r"(\w+)\s+(\d+)", line.strip())
            if found and found[1] != "total":
                name = found[1].removesuffix("_on_nodes")
                self.counts[name] = self.counts.get(name, 0) + int(found[2])
            elif found:
                self.total, self._stats = int(found[2]), False
        elif found := re.fullmatch(r"(?:local)?rule (\w+?)(?:_on_nodes)?:", line):
            self._job = [found[1], {}, None]
        elif self._job and (found := re.fullmatch(r"    jobid: (\d+)", line)):
            self._job[2] = int(found[1])
            self.running[self._job[2]] = PlannedJob(self._job[0], self._job[1], 1), now
        elif self._job and (found := re.fullmatch(r"    wildcards: (.*)", line)):
            self._job[1].update(pair.split("=", 1) for pair in found[1].split(", ") if "=" in pair)
        elif self._job and (found := re.fullmatch(r"    threads: (\d+)", line)):
            self.threads[self._job[0]] = int(found[1])
        elif found := re.match(r"Provided cores: (\d+)", line):
            self.cores = int(found[1])
        elif found := re.match(r"Finished jobid: (\d+)", line):
            job, since = self.running.pop(int(found[1]), (None, now))
            if job:
                self.ended[job.rule].append((now - since, self.planned.get(_name(job.rule, job.wildcards))))
        elif found := re.match(r"(\d+) of (\d+) steps", line):
            self.done, self.total = int(found[1]), int(found[2])
        elif not line:
            self._job = None
        return line.startswith(("Error in ", "seqlm: ", "WorkflowError", "MissingInput", "Traceback"))

    def left(self, now):
        """Seconds to the end, about; None before anything has ended."""
        if not any(self.ended.values()):
            return None
        told = [(taken, plan) for own in self.ended.values() for taken, plan in own if plan]
        # The first jobs are small ones: what they took says little of the others.
        trusted = TRUST * sum(self.planned.values()) or 1
        pace = (sum(taken for taken, _ in told) + trusted) / (sum(plan for _, plan in told) + trusted)
        work, longest = 0.0, 0.0
        for rule, count in self.counts.items():
            own = self.ended.get(rule, [])
            running = [(job, since) for job, since in self.running.values() if job.rule == rule]
            mean = self._mean(rule, own, pace)
            threads = min(self.threads.get(rule, 1), self.cores) if self.cores else 1
            for job, since in running:
                plan = self.planned.get(_name(rule, job.wildcards))
                rest = max((plan * pace if plan else mean) - (now - since), 0)
                work, longest = work + rest * threads, max(longest, rest)
            work += max(count - len(own) - len(running), 0) * mean * threads
        return max(longest, work / (self.cores or max(len(self.running), 1)))  # on a cluster as many as now

    def _mean(self, rule, own, pace):
        plans = [seconds for name, seconds in self.planned.items() if name[0] == rule]
        if plans:
            return pace * sum(plans) / len(plans)
        if own:
            return sum(taken for taken, _ in own) / len(own)
        return FIRST_GUESS.get(rule, OTHER_GUESS)

    def line(self, started, now):
        """How far the run is, for readers."""
        running = [job_words(job) for job, _ in self.running.values()]
        shown = ", ".join(running[:2]) + (f" and {len(running) - 2} more" if len(running) > 2 else "")
        left = self.left(now)
        ahead = "" if left is None or self.done == self.total else f"; about {duration(left)} left"
        now_running = f"; running {shown}" if running else ""
        return f"{duration(now - started)}: {self.done} of {self.total or '?'} jobs done{now_running}{ahead}"


def _name(rule, wildcards):
    return rule, *sorted(wildcards.items())


def run(config, cores=None, workflow=None, options=(), every=60.0):
    """Run a study and tell how far it is.

    Parameters
    ----------
    config : path
    cores : int, optional
    workflow : path, optional
    options : sequence of str
        Of Snakemake's; targets first.
    every : float
        Seconds between lines.

    Returns
    -------
    int
        Snakemake's exit status.
    """
    study = load_study(config, workflow)
    results = Path(study.results)
    log = results / "logs" / "snakemake.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    plan = results / "plan.json"
    progress = Progress(json.loads(plan.read_text())["jobs"] if plan.exists() else ())
    command = snakemake_command(config, workflow, cores, options)
    print(f"seqlm: running the study {study.name}; what Snakemake says goes to {log}", flush=True)
    started = time.monotonic()
    ended = threading.Event()

    def tell():
        while not ended.wait(every):
            print(progress.line(started, time.monotonic()), flush=True)

    # As make sets them: a study's numbers must not depend on the machine's own settings.
    environment = {"OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "0", **os.environ}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "bufsize": 1}
    with open(log, "w") as file:
        process = subprocess.Popen(command, env=environment, **pipes)
        threading.Thread(target=tell, daemon=True).start()
        show = 0
        try:
            for line in process.stdout:
                file.write(line)
                file.flush()
                if progress.read(line, time.monotonic()):
                    show = KEPT
                if show:
                    print(line, end="", file=sys.stderr, flush=True)
                    show -= 1
            status = process.wait()
        except KeyboardInterrupt:  # Snakemake has got it too, and ends its jobs
            status = process.wait() or 130
        finally:
            ended.set()
    took = duration(time.monotonic() - started)
    if status:
        mend = f"what was done is kept: the same command goes on. Log: {log}"
        print(f"seqlm: stopped after {took}; {mend}", file=sys.stderr)
    elif progress.total:
        print(f"seqlm: {progress.total} jobs in {took}. Open {study.results}/report.html in a browser.")
    else:
        print(f"seqlm: nothing to do. Open {study.results}/report.html in a browser.")
    return status
