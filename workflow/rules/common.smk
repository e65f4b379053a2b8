# Shared by all of the workflow: the study, and short names for its paths. Imports nothing heavy.
import os
import re
from importlib.util import find_spec

import yaml

from snakemake.utils import min_version

min_version("9.0")


include: "checkout.smk"


from seqlm.common.errors import InputError, one_line_errors
from seqlm.common.files import JOINT
from seqlm.common.provenance import code_digest
from seqlm.study import (
    Study,
    backbone_devices,
    figure_names,
    load_schema,
    model_devices,
    model_kinds,
    model_readings,
    nodes_of,
)

# A study given with --configfile stands alone: the demo's keys must not leak into it.
if "sources" not in config:

    configfile: "config/config.yaml"


with one_line_errors():
    STUDY = Study(config, load_schema(WORKFLOW / "schemas" / "config.schema.yaml"))
    for source in STUDY["sources"]:
        if STUDY.source_origin(source).startswith("s3://") and not find_spec("snakemake_storage_plugin_s3"):
            mend = "pip install snakemake-storage-plugin-s3"
            raise InputError(f"config, sources.{source}", "Snakemake's plugin for buckets is not installed", mend)

# Every job of the study loads what it trusts (seqlm/models/origin.py), those of a cluster too: they read this file.
if STUDY.trusted_code:
    os.environ.update(SEQLM_TRUST_REMOTE_CODE=",".join(STUDY.trusted_code))

R = STUDY.results
LOGS = f"{R}/logs"
BENCHMARKS = f"{R}/benchmarks"
JOB = "{dataset}/{model}/fold{fold}/seed{seed}"
CHECKS = f"{R}/tables/datasets/{{}}/checks/{{}}/{{}}".format  # dataset, model, file
MOTIFS = f"{R}/tables/datasets/{{}}/motifs/{{}}/{{}}".format  # dataset, model, file
PAIRS = f"{R}/tables/datasets/{{}}/interactions/{{}}/pairs.tsv".format  # dataset, model


wildcard_constraints:
    source=r"[A-Za-z0-9._-]+",
    dataset=r"[A-Za-z0-9._-]+",
    tokenizer=r"[A-Za-z0-9._-]+",
    backbone=r"[A-Za-z0-9._-]+",
    model=r"[A-Za-z0-9._-]+",
    fold=r"\d+",
    seed=r"\d+",
    files=r"[A-Za-z0-9._-]+",


# Large jobs are cut into shards that are done apart and joined in order: leave-one-out scores, and new files. Told before any
# rule: Snakemake goes over the rules there are, and outputs in a bucket would lose their wildcards' constraints.
scattergather:
    **{f"loo/{name}": STUDY["runs"][name]["loo"]["shards"] for name in STUDY.runs_with("loo")},
    **{name: files["shards"] for name, files in STUDY["predict"].items()},


def paths(names, pattern):
    """Fill a pattern's only field with each name."""
    return [pattern.format(name) for name in names]


def minutes(estimate):
    """Runtime of a job that takes so many minutes: more when it is tried again, and no more than a cluster allows.

    A job that is stopped at its limit goes on from its checkpoint, chunk or cache when it is tried again.
    """
    return lambda wildcards, attempt: min(estimate * attempt, STUDY["longest_runtime"])


def megabytes(estimate):
    """Memory of a job: more when it is tried again (it may have run out of it), and no more than a node has."""
    return lambda wildcards, attempt: min(estimate * attempt, STUDY["largest_memory"])


def pretraining_minutes(wildcards, attempt):
    """Twice what a backbone's pretraining takes at 50 billion operations a second on each CPU thread, and half an hour."""
    own = STUDY["backbones"][wildcards.backbone]
    weights = 12 * own["layers"] * own["width"] ** 2
    operations = 6 * weights * own["steps"] * own["batch_size"] * own["block"]
    threads = STUDY["threads"] * backbone_devices(STUDY.config, wildcards.backbone)
    return minutes(30 + round(2 * operations / (5e10 * threads) / 60))(wildcards, attempt)


# Resources of rules that run a network. A profile's limit on gpu decides whether one is used: Snakemake gives a job no more
# than there is (profiles/default: none, so the CPU).
NETWORK = {
    "gpu": 1,
    "torch_threads": STUDY["threads"],
    "mem_mb": megabytes(8000),
}


def on_devices(devices):
    """Resources of training a network on `devices(wildcards)` devices."""
    return NETWORK | {
        "gpu": devices,
        "devices": devices,
        "checkpoint_seconds": max(1, round(60 * STUDY["checkpoint_minutes"])),
        "mem_mb": lambda wildcards, attempt: megabytes(8000 * devices(wildcards))(wildcards, attempt),
    }


def on_nodes(devices):
    """Resources of training on `devices(wildcards)` devices of several nodes, in the words of the SLURM plugin."""
    most = STUDY["devices_per_node"] or 1
    # Told as gres, GPUs are dealt out evenly to the nodes; the plugin wants no gpu beside it.
    return {name: value for name, value in on_devices(devices).items() if name != "gpu"} | {
        "devices_per_node": most,
        "nodes": lambda wildcards: nodes_of(STUDY.config, devices(wildcards)),
        "tasks": devices,
        "tasks_per_gpu": 0,
        "gres": f"gpu:{most}",
        "mpi": "srun",
        "mem_mb": megabytes(8000 * most),
    }


# Of rules that read and write tables and figures.
LIGHT = {"mem_mb": megabytes(1000), "runtime": minutes(10)}


TABLES = [
    "metrics",
    "costs",
    "history",
    "settings",
    "language",
    "intervals",
    "comparisons",
    "data",
    "loo",
    "classes",
    "confusion",
    "leakage",
]
# What a profile says of a cluster: no part of the study.
OF_CLUSTER = ("longest_runtime", "largest_memory", "devices_per_node")
# One order of names, so that a model has the same colour in every figure.
NAMES = list(dict.fromkeys([*STUDY["models"], *STUDY["backbones"]]))
KINDS = model_kinds(STUDY.config)
FIGURES_CODE = code_digest(
    "report/figures", "report/drawing", "report/class_tables", "common/tables", "sequences/information"
)
FAMILIES = yaml.safe_load((WORKFLOW / "report/figures.yaml").read_text())
FIGURES = figure_names(STUDY, FAMILIES)
PLOTS = [f"{R}/figures/{name}.{suffix}" for name in FIGURES for suffix in ("png", "svg")] + [f"{R}/report.html"]
PLOTS += paths(STUDY.runs_with("loo"), f"{R}/browse-{{}}.html")


FILES = [f"{R}/predictions/files/{name}.parquet" for name in STUDY.predicted_files]
FILES += [f"{R}/predictions/files/{name}/zero_shot/{backbone}.csv" for name, backbone in STUDY.zero_shot]
FILES += [f"{R}/predictions/files/{name}/{model}.{suffix}" for name, model, suffix in STUDY.tracks]
FILE_SCORES = [f"{R}/attributions/files/{name}/{model}.csv" for name, model in STUDY.file_attributions]
FILE_SCORES += [f"{R}/attributions/files/{name}/export" for name in dict(STUDY.file_attributions)]
FILE_SCORES += [f"{R}/attributions/files/{name}/{model}.bw" for name, model in STUDY.score_tracks]


# Datasets whose models are trained on several numbers of labels.
SEVERAL_SIZES = [name for name, run in STUDY["runs"].items() if len(run["training_sizes"]) > 1]


def given(path):
    """A file, if there is one. What the workflow does not make lies on this machine even where results lie in a bucket."""
    return path if path and path.startswith(f"{R}/") else local(path) if path else []


def given_origin(wildcards):
    """A source's own file when it lies on this machine or in a bucket, so that a change to it is noticed."""
    origin = STUDY.source_origin(wildcards.source)
    if origin.startswith("s3://"):
        return storage(origin)
    return [] if "://" in origin else given(origin)


def file_of(wildcards):
    """The file that an entry under `predict` is about: a source, or a file that is given."""
    return given(STUDY.file_input(wildcards.files))


def genome_of(wildcards):
    """The genome of an entry under `predict`: a source, a file that is given, or none."""
    return given(STUDY.file_genome(wildcards.files))


def shard_of(wildcards):
    """(k, n) of a job that does the kth of n shards; (1, 1) of one that does all."""
    return [int(number) for number in wildcards.get("scatteritem", "1-of-1").split("-of-")]


def dataset_files(dataset):
    """What jobs read of a dataset's folder."""
    files = {"examples": "examples.parquet", "folds": "folds.tsv", "summary": "summary.json"}
    return {name: f"{R}/datasets/{dataset}/{file}" for name, file in files.items()}


DATASET = dataset_files("{dataset}")


def of_shards(wildcards, suffix):
    """The files of the shards of a dataset's leave-one-out scores."""
    pattern = f"{R}/attributions/{wildcards.dataset}/{wildcards.model}/{{scatteritem}}.{suffix}"
    return getattr(gather, f"loo/{wildcards.dataset}")(pattern)


def any_of(names):
    """A wildcard's pattern that matches these names only."""
    return "|".join(re.escape(name) for name in names) or "(?!)"


def corpus_files(wildcards):
    """FASTA files that the backbone of a job is pretrained on."""
    return trained_on(wildcards.backbone)


def trained_on(name):
    """FASTA files that a backbone is pretrained on: sources, or what is left of them without a dataset's genes."""
    backbone = STUDY["backbones"][name]
    if "without" in backbone:
        return [f"{R}/withheld/{name}/{source}.fa.gz" for source in backbone["corpus"]]
    return STUDY.corpus_text(backbone)


def backbone_of(wildcards):
    name = STUDY.model(wildcards.model).get("backbone")
    return f"{R}/backbones/{name}" if name else []


def figure(family, subject=None):
    """A figure's two files, listed in Snakemake's own report too. The family is the wildcard `figure`."""
    stem = f"{R}/figures/{{figure,{family}}}" + (f"-{subject}" if subject else "")
    shown = report(f"{stem}.png", caption="../report/figure.rst", category=FAMILIES[family]["heading"])
    return {"png": shown, "svg": f"{stem}.svg"}


def motif_of(wildcards):
    return given(STUDY["datasets"][wildcards.dataset].get("label", {}).get("motif"))


def hits_of(wildcards):
    """Places of the motifs that the scored models of a dataset read; none where motifs are not asked for."""
    own = STUDY.scored_models(wildcards.dataset) if wildcards.dataset in STUDY.runs_with("motifs") else []
    return paths(own, f"{R}/attributions/{wildcards.dataset}/motifs/{{}}.bed")


def corpora_of(dataset):
    """Backbone -> (files, fraction held out), of all that a dataset's models stand on and that were pretrained here."""
    names = [STUDY.model(model).get("backbone") for model in STUDY["runs"][dataset]["models"]]
    return {
        name: (trained_on(name), STUDY["backbones"][name]["validation"])
        for name in dict.fromkeys(names)
        if name in STUDY.trained
    }


def corpus_files_of(dataset):
    """The files of all these corpora, each once."""
    return sorted({file for files, _ in corpora_of(dataset).values() for file in files})
