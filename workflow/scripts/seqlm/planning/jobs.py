"""The jobs that Snakemake would run, as its own dry run lists them."""

import re
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

from seqlm.common.errors import InputError
from seqlm.study import backbone_devices, model_devices

# A job: its rule, wildcards (dict), threads, and the resources that it asks for (dict of text; empty where not asked).
PlannedJob = namedtuple("PlannedJob", "rule wildcards threads resources", defaults=[{}])


def find_workflow(folder=None):
    """The folder of the workflow: the one given, the one that this library lies in, or that of the current folder.

    Raises
    ------
    InputError
        There is none: an installed library carries no workflow.
    """
    places = [Path(folder)] if folder else [Path(__file__).parents[3], Path("workflow"), Path(".")]
    for place in places:
        if (place / "Snakefile").exists() and (place / "schemas" / "config.schema.yaml").exists():
            return place.resolve()
    where = folder or Path.cwd()
    raise InputError(where, "is no checkout of the workflow", "go to its folder, or name it with --workflow")


def snakemake_command(config, workflow=None, cores=None, options=()):
    """The command line that runs a study.

    Parameters
    ----------
    config, workflow, cores
        As for `planned_jobs`.
    options : sequence of str
        Of Snakemake's; targets first ("all" where there is none). Without a profile among them, that of one machine's
        CPU holds, from whatever folder the command is given.

    Returns
    -------
    list of str
    """
    folder = find_workflow(workflow)
    targets = [] if options and not options[0].startswith("-") else ["all"]
    command = [sys.executable, "-m", "snakemake", *targets, *options, "--nocolor", "-s", str(folder / "Snakefile")]
    profile = folder.parent / "profiles" / "default"
    if not any(option.split("=")[0] in ("--profile", "--workflow-profile") for option in options) and profile.exists():
        command += ["--workflow-profile", str(profile)]
    return [*command, "--cores", str(cores or "all"), "--configfile", str(config)]


def planned_jobs(config, workflow=None, cores=None, options=()):
    """Jobs that are still to be run for a study, by a dry run.

    Parameters
    ----------
    config : path
    workflow : path, optional
        See `find_workflow`.
    cores : int, optional
    options : sequence of str
        Further options of Snakemake's.

    Returns
    -------
    list of PlannedJob
        Without the target rule that only collects.

    Raises
    ------
    InputError
        Snakemake cannot plan the study: what it says, on one line.
    """
    command = snakemake_command(config, workflow, cores, [*options, "--dry-run", "--nolock"])
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        said = [line.strip() for line in (done.stderr + done.stdout).splitlines() if line.strip()]
        own = next((line.removeprefix("seqlm: ") for line in said if line.startswith("seqlm: ")), None)
        where, _, rest = (own or f"{config}: {' '.join(said[-4:]) or 'cannot be planned'}").partition(": ")
        problem, _, mend = rest.rpartition("; ")
        raise InputError(where, problem or rest, mend if problem else "see the message")
    return parse_jobs(done.stdout + done.stderr)


def parse_jobs(text):
    """Jobs of the text that a dry run prints; those of several nodes are jobs of the usual rule with all threads."""
    jobs = []
    for rule, block in re.findall(r"^(?:local)?rule (\w+):\n((?:    .*\n)+)", text + "\n", re.M):
        if rule in ("all", "default"):
            continue
        threads = re.search(r"^    threads: (\d+)$", block, re.M)
        wildcards, resources = _pairs(block, "wildcards"), _pairs(block, "resources")
        tasks = int(resources.get("tasks", 1))
        rule = rule.removesuffix("_on_nodes")
        jobs.append(PlannedJob(rule, wildcards, tasks * int(threads[1]) if threads else tasks, resources))
    return jobs


def _pairs(block, key):
    """What a line of a job lists as name=value."""
    found = re.search(rf"^    {key}: (.*)$", block, re.M)
    return dict(pair.split("=", 1) for pair in found[1].split(", ") if "=" in pair) if found else {}


def study_jobs(study):
    """About the jobs that a study will be, without asking Snakemake: for the choice of a first config."""
    jobs = [PlannedJob("download_source", {"source": name}, 1) for name in study["sources"]]
    for dataset in study["runs"]:
        jobs += [PlannedJob(rule, {"dataset": dataset}, 1) for rule in ("prepare_dataset", "split_folds", "find_leaks")]
        jobs.append(PlannedJob("compare_models", {"dataset": dataset}, 1))
        if study.pooling_is_chosen(dataset):
            folds = study.dataset_folds(dataset)
            jobs += [
                PlannedJob("choose_pooling", {"dataset": dataset, "fold": str(k)}, study["threads"]) for k in folds
            ]
    for dataset in {
        own["corpus_of"]: None for own in map(study["backbones"].get, study.pretrained) if "corpus_of" in own
    }:
        jobs.append(PlannedJob("write_training_text", {"dataset": dataset}, 1))
    for name in study.pretrained:
        jobs += [PlannedJob("tokenize_corpus", {"backbone": name}, 1)]
        devices = backbone_devices(study.config, name)
        jobs.append(PlannedJob("pretrain_backbone", {"backbone": name}, study["threads"] * devices))
    for job in study.trained_jobs:
        wildcards = {"dataset": job.dataset, "model": job.model, "fold": str(job.fold), "seed": str(job.seed)}
        jobs.append(PlannedJob("train_model", wildcards, study["threads"] * model_devices(study.config, job.model)))
        jobs.append(PlannedJob("predict_targets", wildcards, study["threads"]))
    for dataset, model in study.attributions:
        jobs.append(PlannedJob("score_loo", {"dataset": dataset, "model": model}, study["threads"]))
    return jobs + [PlannedJob("plot", {}, 1)] * (12 + 4 * len(study["runs"]))
