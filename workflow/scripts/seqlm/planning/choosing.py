"""Sensible choices for a first study, each with its reason."""

from dataclasses import dataclass, field

import numpy as np

from seqlm.planning.inspection import CLUSTERED

JOBS = 8  # that run side by side where there are many cores
FEW = 2000  # examples below which every one is tested, in folds
GIANT = 0.5  # share of the examples in one cluster from which clusters cannot be dealt out
READABLE = 1000  # bases that a language model trained here reads at most
SALUKI = 12288  # tokens that the published network reads
TOKENS = 9600  # of a step of pretraining, at least
TEXT = 100_000  # bases of the training part from which a language model can learn more than words


@dataclass
class Choices:
    """What goes into the config, and why.

    Attributes
    ----------
    folds : dict
    seeds : list of int
    threads : int
        Of a job: few, as jobs that run side by side share nothing.
    size : str
        Of the language model.
    backbone : dict or None
        Further numbers of it; None where the study has none.
    corpus : list of str
        Sources that it is pretrained on; empty where it is the training part of the dataset itself.
    models : dict
        Entries beside those on backbones.
    loo : dict
    why : dict of str to str
        Key of the config -> a sentence.
    """

    folds: dict
    seeds: list
    threads: int = 1
    size: str = "small"
    backbone: dict | None = None
    corpus: list = field(default_factory=list)
    models: dict = field(default_factory=dict)
    loo: dict = field(default_factory=lambda: {"edit": "mask", "examples": 50})
    why: dict = field(default_factory=dict)


def choose(seen, cores=2):
    """Choices for files as they were seen, the time they take left aside.

    Parameters
    ----------
    seen : seqlm.planning.inspection.Seen
    cores : int

    Returns
    -------
    Choices
    """
    folds, why = _folds(seen)
    alone = reads_itself(seen)
    if alone and folds["scheme"] == "kfold":
        folds = {"scheme": "ratio", "train": 70, "validation": 10, "test": 20} | group_of(folds.get("group"))
        why = f"one split, as the language model learns from the training part; {why.split('; ')[-1]}"
    kfold = folds["scheme"] == "kfold"
    made = Choices(folds, [1] if kfold else [1, 2, 3], max(1, cores // JOBS), why={"folds": why})
    made.why["seeds"] = "one training of every fold" if kfold else "trainings that differ say how sure a difference is"
    if seen.kind == "transcripts":
        _mrna_models(seen, made)
    if seen.kind != "transcripts" or alone:
        _language_model(seen, made)
    return made


def reads_itself(seen):
    """Whether a language model is pretrained on the training part of the dataset: no other text is there, and enough.

    Of mRNAs, where most of them can be read whole.
    """
    length = seen.summary["length"]
    text = 0.7 * len(seen.examples) * (length["min"] + length["max"]) / 2
    return (
        seen.kind in ("table", "transcripts")
        and "genome" not in seen.sources
        and text >= TEXT
        and (seen.kind == "table" or length["max"] <= READABLE)
    )


def _folds(seen):
    examples, n = seen.examples, len(seen.examples)
    if "split" in seen.entry.get("table", {}):
        return {"scheme": "split", "validation": 10}, "the table says which rows are tested"
    group, why = _group(seen)
    if n < FEW:
        units = examples["chrom"].nunique() if group == "chromosome" else n
        k = min(5, units)
        return {"scheme": "kfold", "k": int(k), "validation": 10} | group_of(
            group
        ), f"{n:,} examples are few: each is tested once; {why}"
    return {"scheme": "ratio", "train": 70, "validation": 10, "test": 20} | group_of(group), why


def group_of(group):
    """The key `group`, where there is one."""
    return {"group": group} if group else {}


def _group(seen):
    examples = seen.examples
    if "chrom" in examples and examples["chrom"].notna().all() and seen.kind != "transcripts":
        share = examples["chrom"].value_counts(normalize=True)
        if len(share) >= 5 and share.iloc[0] < 0.5:
            return "chromosome", "no chromosome is in two parts"
        return "position", "parts are blocks of the chromosomes, so that no neighbours are in two"
    if seen.kind == "transcripts":
        return "group", "isoforms of a gene stay together"
    largest = np.bincount(seen.clusters).max() / len(seen.clusters)
    if largest > GIANT:
        return (
            None,
            f"{largest:.0%} of the sequences are alike and cannot be kept apart: mind the report's leaks",
        )
    if len(examples) > CLUSTERED * 5:
        return None, "too many sequences to compare all: set group: cluster if families of them are alike"
    return "cluster", "similar sequences never straddle training and test"


def _language_model(seen, made):
    longest = int(seen.summary["length"]["max"])
    block = min(max(64, 8 * -(-(longest + 2) // 8)), READABLE)
    made.backbone = {"block": block} if block != 300 else {}
    if block > 300:
        made.backbone["batch_size"] = max(8, TOKENS // block)
    cut = f"; it reads the first {READABLE:,} bases of longer ones" if longest > READABLE else ""
    if "genome" in seen.sources:
        made.corpus, of = ["genome"], "the genome"
    elif seen.kind == "records":
        made.corpus, of = ["sequences"], "the sequences themselves, without labels (a genome would teach it more)"
    elif reads_itself(seen):
        made.corpus, of, made.size = [], "the training part alone (GENOME=genome.fa would teach it more)", "tiny"
        made.why["size"] = "the text is short; small for more"
    else:
        made.backbone = None
        made.why["backbone"] = (
            "no language model: there is no FASTA to pretrain one on, and too little text in the table; give "
            "GENOME=genome.fa, or name one of the hub"
        )
        return
    made.why["backbone"] = f"pretrained on {of}{cut}; untrained is the same network without pretraining, the control"


def _mrna_models(seen, made):
    longest = min(int(seen.summary["length"]["max"]), SALUKI)
    made.models = {
        "linear": {"network": "linear"},
        "saluki": {
            "network": "saluki", "length": 64 * -(-longest // 64), "dropout": 0, "memory": 64,
            "training": {"epochs": 12, "patience": 12, "batch_size": 16, "learning_rate": 1e-3, "weight_decay": 0.05,
                         "clip": 0.5, "schedule": "cosine", "warmup": 50},
        },
        "both": {"ensemble": ["linear", "saluki"]},
    }  # fmt: skip
    made.loo = {"edit": "mask", "examples": 20, "models": ["linear", "saluki"]}
    made.why["models"] = "ridge regression on codons and lengths is the baseline of mRNAs; Saluki reads every base"
    made.why["backbone"] = (
        f"no language model: one trained here reads {READABLE:,} bases, and there are longer mRNAs or too few of them"
    )


def cheaper(made):
    """The next smaller study, and what it gives up; (None, None) where nothing is left to give up."""
    if len(made.seeds) > 1:
        made.seeds = [1]
        made.why["seeds"] = "one training, to be quick: with 1, 2, 3 the report can say how much trainings differ"
    elif made.backbone is not None and made.size == "small":
        made.size = "tiny"
        made.why["size"] = "to be quick; small learns more"
    elif made.folds["scheme"] == "kfold":
        keep = {key: value for key, value in made.folds.items() if key == "group"}
        made.folds = {"scheme": "ratio", "train": 70, "validation": 10, "test": 20} | keep
        made.why["folds"] = (
            "one split, to be quick: scheme: kfold tests every example; " + made.why["folds"].split("; ")[-1]
        )
    elif made.loo["examples"] > 10:
        made.loo = made.loo | {"examples": 10}
    else:
        return False
    return True
