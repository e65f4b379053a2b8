"""What a study will take here: its jobs, time, memory and disk, told stage by stage."""

import json
import os
from functools import cache
from pathlib import Path

import yaml

from seqlm.common.errors import InputError
from seqlm.common.files import atomic_path
from seqlm.planning.estimating import ON_GPU, STAGES, Estimate
from seqlm.planning.jobs import find_workflow, planned_jobs
from seqlm.planning.remote import file_size, model_size
from seqlm.study import Study, load_schema
from seqlm.training.defaults import head_settings

LONG = 3600  # seconds from which a warning is due
READ = 200_000_000  # bytes of sources up to which examples are counted by reading them
ASSUMED = {"examples": 10_000, "length": 300, "classes": ["a", "b"]}


def load_study(config, workflow=None):
    """A `Study` of a config file.

    Raises
    ------
    InputError
        The file is not there or no YAML, or a value in it is wrong.
    """
    path = Path(config)
    if not path.exists():
        raise InputError(path, "there is no such file", "check the path, or write one with seqlm new")
    try:
        content = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        line = getattr(error, "problem_mark", None)
        where = f"{path}, line {line.line + 1}" if line else path
        raise InputError(where, f"is no YAML ({getattr(error, 'problem', None) or 'cannot be read'})",
                         "mind indentation, quotes and brackets") from None  # fmt: skip
    if not isinstance(content, dict):
        raise InputError(path, "holds no config", "see config/README.md")
    return Study(content, load_schema(find_workflow(workflow) / "schemas" / "config.schema.yaml"))


def dataset_figures(study, name):
    """Examples and length of a dataset: of the last run, or by reading its files, or assumed.

    Returns
    -------
    dict
        examples, length, classes; sequences (a few of them); one_length, whether all may be aligned; and where they
        are not known assumed: True.
    """
    done, entry = Path(study.results) / "datasets" / name, study["datasets"][name]
    if (done / "summary.json").exists() and (done / "examples.parquet").exists():
        from seqlm.datasets import load_dataset

        data = load_dataset(done)
        return _figures(data.examples, data.summary)
    origins = {source: study.source_origin(source) for source in study.dataset_sources(name)}
    sizes = [os.path.getsize(path) for path in origins.values() if os.path.exists(path)]
    windows = entry.get("windows", {})
    if len(sizes) < len(origins) or sum(sizes) > READ:
        figures = dict(ASSUMED, assumed=True)
        if windows:
            figures["length"] = windows["length"]
            known = windows.get("subsample") or windows.get("per_class", 0) * len(windows.get("sources", ()))
            figures |= {"examples": known, "assumed": False} if known else {}
            figures["classes"] = list(windows.get("sources", ("a", "b")))
        return figures | {"sequences": ["ACGT" * (figures["length"] // 4)] * 200}
    from seqlm.planning.inspection import examples_of

    examples, summary = examples_of(name, {k: v for k, v in entry.items() if k != "folds"}, origins)
    return _figures(examples, summary)


def _figures(examples, summary):
    from seqlm.datasets.examples import lengths

    length = lengths(examples["sequence"])
    middle = examples["sequence"].iloc[(length - length.median()).abs().argsort().to_numpy()[:200]]
    return {"examples": len(examples), "length": int(length.mean()), "classes": summary.get("classes") or ["a", "b"],
            "sequences": middle.tolist(), "one_length": bool(summary.get("aligned"))}  # fmt: skip


def source_bases(study):
    """Bases (or bytes) of each source whose size can be known, about."""
    found = {}
    for source in study["sources"]:
        origin = str(study.source_origin(source))
        count = os.path.getsize(origin) if os.path.exists(origin) else _remote_size(origin)
        if count:
            found[source] = count * (4 if origin.split("?")[0].endswith((".gz", ".bgz")) else 1)
    return found


@cache
def _remote_size(address):
    """Bytes of what is to be fetched; its server is asked once."""
    return file_size(address)


def _depth(entry, backbone, about, target):
    """Convolutions that a model's head will have: none where features of all tokens would take too much room."""
    tokenizer, strands = backbone["tokenizer"], 2 if entry.get("context") == "both_strands" else 1
    bases = {"kmer": tokenizer.get("k", 6), "bpe": 4}.get(tokenizer["kind"], 1)  # of a token
    layer_bytes = 4 * about["examples"] * about["length"] / bases * backbone["width"] * strands
    frozen, apart = entry.get("train", "head") == "head", strands == 2 and tokenizer["kind"] != "character"
    made = head_settings(entry, target, frozen, layer_bytes, backbone["layers"] + 1, apart)
    return made.get("depth", made.get("before_pooling"))


def estimate(study, cores=None):
    """Look at a study's data, measure this machine and estimate.

    Returns
    -------
    Estimate
    """
    from seqlm.planning.measuring import measure

    figures = {name: dataset_figures(study, name) for name in study["runs"]}
    backbones = {}
    for name in study.pretrained:
        own = study["backbones"][name]
        backbones[name] = own | {"tokenizer": study["tokenizers"][own["tokenizer"]]}
    models = {}
    for job in study.trained_jobs:
        entry, about = study.model(job.model), figures[job.dataset]
        if entry.get("backbone") in study.fetched:
            # How large a model of the hub is, is known once it is here; DNA-LLM's size stands for it.
            from seqlm.models.language.sizes import SIZES

            kind = {"kind": "kmer", "k": 6}
            backbones[entry["backbone"]] = SIZES["dna-llm"] | {"architecture": "esm", "tokenizer": kind, "block": 512}
        target = study["datasets"][job.dataset]["target"]
        if "backbone" in entry and entry.get("head") != "linear":
            entry = entry | {"depth": _depth(entry, backbones[entry["backbone"]], about, target)}
        models[job.dataset, job.model] = entry, about["sequences"], target, about["classes"]
    machine = measure(backbones, models, study["threads"], cores)
    return Estimate(study, figures, source_bases(study), machine)


def plan(config, cores=None, workflow=None, options=()):
    """Print what a study will take here, and keep it for the run to tell how much time is left.

    Parameters
    ----------
    config : path
    cores : int, optional
    workflow : path, optional
        See `find_workflow`.
    options : sequence of str
        Of Snakemake's.
    """
    study = load_study(config, workflow)
    jobs = planned_jobs(config, workflow, cores, options)
    if not jobs:
        print(f"{study.name}: nothing to do; open {study.results}/report.html")
        return
    made = estimate(study, cores)
    print("\n".join(plan_lines(study, jobs, made)))
    content = [[job.rule, job.wildcards, round(made.seconds(job), 1)] for job in jobs]
    with atomic_path(Path(study.results) / "plan.json") as path:
        path.write_text(json.dumps({"seconds": round(made.total(jobs)), "jobs": content}) + "\n")


def plan_lines(study, jobs, made):
    """The lines of `plan`."""
    machine, whole = made.machine, made.total(jobs)
    of_last = sum(1 for job in jobs if made.is_known(job))
    basis = f", {of_last} jobs as in the last run" if of_last else ""
    yield f"{study.name}: {len(jobs)} jobs, about {duration(whole)} on {machine.cores} cores (measured here{basis})"
    yield f"{'':32} {'jobs':>5} {'time':>10} {'memory':>8} {'disk':>8}"
    for stage, (count, seconds, memory, disk) in made.by_stage(jobs).items():
        yield f"  {STAGES[stage]:<30} {count:>5} {duration(seconds):>10} {size(memory):>8} {size(disk):>8}"
    features = made.features_on_disk()
    if features > 1e8:
        yield f"  features of frozen language models take {size(features)} more on disk while heads are trained"
    longest = max(jobs, key=made.seconds)
    yield f"  the longest job: {job_words(longest)}, {duration(made.seconds(longest))}"
    yield "  " + _gpu_words(jobs, machine)
    yield from _fetched(study)
    for name, about in made.figures.items():
        if about.get("assumed"):
            assumed = f"{about['examples']:,} of {about['length']} bases assumed"
            yield f"  {name}: how many examples there are is not known yet; {assumed}"
    if machine.memory < 1.2 * max(map(made.memory, jobs)):
        yield f"  WARNING: this machine has {size(machine.memory)} of memory, which may be too little"
    if whole > LONG:
        shorter = f"size: tiny or small for backbones, fewer seeds or folds, {_worst(made, jobs)}"
        yield f"  WARNING: more than an hour. Shorter: {shorter}"


def _fetched(study):
    """A line on what comes from the internet, with its size where the server says it."""
    here = {name: study.source_origin(name) for name in study["sources"]}
    sizes = [(f"{name} ({origin}", _remote_size(origin)) for name, origin in here.items() if "://" in origin]
    for name in study.fetched:
        own = study["backbones"][name]
        sizes.append((f"{name} ({own['hub']}", model_size(own["hub"], own.get("revision"))))
    if not sizes:
        return
    told = ", ".join(f"{name}, {size(count)})" if count else f"{name}, size not known)" for name, count in sizes)
    known = [count for _, count in sizes if count]
    whole = f"; {size(sum(known))} in all" if len(known) == len(sizes) > 1 else ""
    yield f"  fetched from the internet, unless it is here already: {told}{whole}"


def _worst(made, jobs):
    """What a long study might leave out."""
    models = {}
    for job in jobs:
        if job.rule == "train_model":
            models[job.wildcards["model"]] = models.get(job.wildcards["model"], 0) + made.seconds(job)
    return f"or without {max(models, key=models.get)}" if models else "or smaller datasets"


def _gpu_words(jobs, machine):
    networks = [job for job in jobs if job.rule in ON_GPU]
    there = f"this machine has {machine.gpu}" if machine.gpu else "none is seen here, all runs on the CPU"
    how = "add --workflow-profile profiles/local-gpu" if machine.gpu else "with one, profiles/local-gpu"
    return f"GPU: {there}; {len(networks)} jobs would use one ({how})"


def job_words(job):
    """A job, for readers."""
    return " ".join(
        [job.rule, *(job.wildcards[key] for key in ("dataset", "backbone", "model") if key in job.wildcards)]
    )


def duration(seconds):
    """Seconds in words: 40 s, 5 min, 2.5 h."""
    if seconds < 100:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def size(count):
    """Bytes in words."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{max(1, count / 1e6):.0f} MB"
