"""How long a study's jobs take, and their memory and disk: from rates measured here, or the last runs."""

import csv
import json
from collections import defaultdict
from pathlib import Path

from seqlm.models.registry import NETWORKS, network
from seqlm.training.defaults import training_settings
from seqlm.training.places import ANYWHERE, examples_at_most

STAGES = {
    "data": "sources, examples and folds",
    "pretraining": "language models",
    "training": "training",
    "predicting": "predictions",
    "attribution": "leave-one-out scores",
    "report": "tables, figures and report",
}
STAGE_OF = {
    "download_source": "data", "prepare_dataset": "data", "split_folds": "data", "find_leaks": "data",
    "withhold_genes": "data", "write_training_text": "data", "learn_tokenizer": "pretraining",
    "tokenize_corpus": "pretraining", "pretrain_backbone": "pretraining", "fetch_backbone": "pretraining",
    "choose_pooling": "training", "train_model": "training", "train_on_subsample": "training",
    "predict_targets": "predicting", "combine_predictions": "predicting",
    "predict_files": "predicting", "embed_sequences": "predicting", "project_embeddings": "predicting",
    "score_variants": "predicting", "score_loo": "attribution", "score_loo_shard": "attribution",
    "gather_loo": "attribution", "export_scores": "attribution", "score_files": "attribution",
    "discover_motifs": "attribution", "check_scores": "attribution", "score_interactions": "attribution",
    "pick_mutagenesis": "attribution", "collect_browsing": "attribution", "write_score_tracks": "attribution",
    "write_file_score_track": "attribution",
}  # fmt: skip
# Jobs that load torch and transformers; the others load pandas or matplotlib.
HEAVY = {"pretrain_backbone", "choose_pooling", "train_model", "train_on_subsample",
         "predict_targets", "score_loo", "score_loo_shard", "export_scores", "embed_sequences", "fetch_backbone",
         "predict_files", "score_files", "score_variants", "check_scores", "score_interactions"}  # fmt: skip
ON_GPU = HEAVY - {"export_scores", "fetch_backbone"}
# How much faster than predictions on edited copies leave-one-out scores come (benchmarks/README.md); 1 for others.
FAST_LOO = {"cnn": 30, "dilated": 4, "kmer": 20, "onehot": 50, "linear": 20, "saluki": 80, "gpt": 2}
PATIENCES = 3  # training mostly ends about this many times its patience after its start
START = 1.5  # what else a job needs to begin, and its neighbour takes from it: a multiple of its imports
PACKED = 0.3  # bytes a base, compressed
LINES = {"fasta": None, "table": None, "bed": 40, "vcf": 60}  # bytes of a row; None where a sequence stands in it


class Estimate:
    """Time, memory and disk of a study's jobs.

    Parameters
    ----------
    study : Study
    figures : dict of str to dict
        Dataset -> {"examples", "length", "classes", "one_length"}.
    bases : dict of str to int
        Bases of each source, where they are known.
    machine : Machine
    """

    def __init__(self, study, figures, bases, machine):
        self.study, self.figures, self.bases, self.machine = study, figures, bases, machine
        self.benchmarks = last_runs(study)

    def seconds(self, job):
        """Wall seconds of one job by itself."""
        known = self.benchmarks.get(_key(job))
        if known:
            return known[0]
        rule, machine = job.rule, self.machine
        start = START * (machine.start if rule in HEAVY else machine.light_start) + 1
        work = getattr(self, f"_{rule}", None)
        # Rates are those of one process; a training of several devices has the threads of all.
        share = max(1, min(job.threads, machine.cores) / self.study["threads"])
        return start + (work(job.wildcards) / share if work else 0)

    def is_known(self, job):
        """Whether the job's time is that of the last run."""
        return _key(job) in self.benchmarks

    def total(self, jobs):
        """Wall seconds of all jobs on the machine's cores: no less than the longest of them."""
        if not jobs:
            return 0
        cores = self.machine.cores
        busy = sum(self.seconds(job) * min(job.threads, cores) for job in jobs) / cores
        return max(busy, *(self.seconds(job) for job in jobs))

    def by_stage(self, jobs):
        """Stage -> (number of jobs, seconds on all cores, bytes of memory of the largest, bytes on disk)."""
        stages = defaultdict(list)
        for job in jobs:
            stages[STAGE_OF.get(job.rule, "report")].append(job)
        whole = self.total(jobs)
        share = sum(self.seconds(job) * job.threads for job in jobs) or 1
        rows = {}
        for stage in STAGES:
            own = stages.get(stage, [])
            if own:
                part = sum(self.seconds(job) * job.threads for job in own) / share
                rows[stage] = len(own), whole * part, max(map(self.memory, own)), sum(map(self.disk, own))
        return rows

    def memory(self, job):
        """Bytes that a job holds at its largest."""
        known = self.benchmarks.get(_key(job))
        if known and known[1]:
            return known[1]
        if job.rule == "pretrain_backbone":
            return self.machine.rates[job.wildcards["backbone"]]["memory"]
        rates = self.machine.rates.get((job.wildcards.get("dataset"), job.wildcards.get("model")))
        return rates["memory"] if rates else 600_000_000 if job.rule in HEAVY else 250_000_000

    def disk(self, job):
        """Bytes that a job leaves behind."""
        if job.rule == "download_source":
            return int(self.bases.get(job.wildcards["source"], 0) * PACKED)
        if job.rule == "tokenize_corpus":
            return self._corpus(job.wildcards)
        if job.rule == "predict_files":
            return self._values_of_file(job.wildcards) * 8
        if job.rule == "pretrain_backbone":
            return 4 * self.machine.rates[job.wildcards["backbone"]].get("parameters", 0)
        rates = self.machine.rates.get((job.wildcards.get("dataset"), job.wildcards.get("model")))
        if job.rule == "train_model" and rates:
            return 4 * rates.get("parameters", 0) + 50_000
        return 200_000

    def features_on_disk(self):
        """Bytes that features of frozen backbones take while heads are trained; they are deleted in the end."""
        sizes = [rates.get("bytes", 0) * self._examples(dataset) * (1 + self._copies(dataset))
                 for (dataset, _), rates in self._models().items()]  # fmt: skip
        return sum(sizes)

    # what jobs do besides starting --------------------------------------------------------------------------------

    def _models(self):
        return {name: rates for name, rates in self.machine.rates.items() if isinstance(name, tuple)}

    def _backbone(self, wildcards):
        return self.study["backbones"][wildcards["backbone"]]

    def _examples(self, dataset):
        return self.figures[dataset]["examples"]

    def _copies(self, dataset):
        return self.study["training"].get("copies", 1) if self.study["datasets"][dataset]["target"] == "track" else 0

    def _shares(self, dataset):
        """Fractions of the examples in training, validation and test."""
        folds = self.study["datasets"][dataset]["folds"]
        if folds["scheme"] == "kfold":
            validation = 1 / folds["k"] if folds["validation"] == "next" else folds["validation"] / 100
            return 1 - 1 / folds["k"] - validation, validation, 1 / folds["k"]
        parts = [folds[part] / 100 if isinstance(folds[part], int | float) else 0.1 for part in ("validation", "test")]
        return 1 - sum(parts), *parts

    def _download_source(self, wildcards):
        return self.bases.get(wildcards["source"], 0) / 2e7

    def _prepare_dataset(self, wildcards):
        return self._examples(wildcards["dataset"]) / 1e4

    def _tokenize_corpus(self, wildcards):
        return self._corpus(wildcards) / 5e7

    def _corpus(self, wildcards):
        """Letters that a backbone is pretrained on."""
        own = self._backbone(wildcards)
        if "corpus_of" not in own:
            return sum(self.bases.get(source, 0) for source in own["corpus"])
        about = self.figures.get(own["corpus_of"])
        return int(about["examples"] * about["length"] * self._shares(own["corpus_of"])[0]) if about else 0

    def _pretrain_backbone(self, wildcards):
        backbone, rates = self._backbone(wildcards), self.machine.rates[wildcards["backbone"]]
        tokens = backbone["batch_size"] * backbone["block"]
        evaluations = max(backbone["steps"] // backbone["evaluate_every"], 1)
        # Both parts, and bits per base of about a quarter as many blocks.
        evaluated = evaluations * backbone["evaluate_batches"] * 2.5
        return tokens * (backbone["steps"] * rates["train"] + evaluated * rates["predict"])

    def _train_model(self, wildcards):
        dataset, name = wildcards["dataset"], wildcards["model"]
        model, rates = self.study.model(name), self.machine.rates[dataset, name]
        n, (train, validation, _) = self._examples(dataset), self._shares(dataset)
        training, copies = {**self.study["training"], **model.get("training", {})}, 1 + self._copies(dataset)
        if "fit" in rates:
            return n * train * rates["fit"]
        features = rates.get("features", 0) * n * copies / self._sharing(dataset, name)
        if model.get("head") == "linear":
            return rates["features"] * n + 2
        own = network(model["network"]) if model.get("network") in NETWORKS else None
        examples = n * train * copies
        settings = training_settings(training, examples, own)
        patience = settings["patience"]
        epochs = min(settings["epochs"], PATIENCES * patience if patience else float("inf"))
        steps = epochs * examples / settings["batch_size"]
        # Each step also has its share of the Trainer's own work.
        epoch = examples * rates["train"] + (n * validation + examples) * self._read_once(rates)
        return features + epochs * epoch + 0.004 * steps + n * validation * rates["predict"]

    def _choose_pooling(self, wildcards):
        dataset = wildcards["dataset"]
        models = [name for name in self.study["runs"][dataset]["models"] if (dataset, name) in self.machine.rates]
        # The plain CNN is trained; where it is not among the models, it is about as quick as the quickest.
        cnn = [self.machine.rates[dataset, name] for name in models if self.study.model(name).get("network") == "cnn"]
        rates = cnn or [self.machine.rates[dataset, name] for name in models]
        rate = min((own["train"] + self._read_once(own) for own in rates if "train" in own), default=0)
        training = self._examples(dataset) * self._shares(dataset)[0]
        training = min(training, examples_at_most(self.figures[dataset]["length"]))
        settings = training_settings({}, training, network("cnn"))
        epochs = min(settings["epochs"], PATIENCES * settings["patience"])
        ways = len(ANYWHERE) + bool(self.figures[dataset].get("one_length"))
        return ways * epochs * training * (rate + 0.004 / settings["batch_size"])

    def _train_on_subsample(self, wildcards):
        dataset = wildcards["dataset"]
        training = self._examples(dataset) * self._shares(dataset)[0]
        return self._train_model(wildcards) * min(1, int(wildcards["size"]) / max(training, 1))

    def _sharing(self, dataset, name):
        """Jobs that share one set of features."""
        return max(1, len(self.study.jobs_of(dataset, name)))

    @staticmethod
    def _read_once(rates):
        """Seconds to evaluate an example in training: features are there already."""
        return max(rates["predict"] - rates.get("features", 0), 0)

    def _predict_targets(self, wildcards):
        dataset = wildcards["dataset"]
        _, validation, test = self._shares(dataset)
        return (
            self._examples(dataset) * (validation + test) * self.machine.rates[dataset, wildcards["model"]]["predict"]
        )

    def _predict_files(self, wildcards):
        entry = self.study["predict"][wildcards["files"]]
        rates = sum(
            self.machine.rates[entry["dataset"], name]["predict"] * len(jobs)
            for name, jobs in self.study.file_jobs(wildcards["files"]).items()
        )
        return new_examples(entry, self._length_of(entry), self.study) * rates / entry["shards"]

    def _length_of(self, entry):
        return entry.get("length") or self.figures[entry["dataset"]]["length"]

    def _values_of_file(self, wildcards):
        """Numbers that a job predicts for a new file."""
        entry = self.study["predict"][wildcards["files"]]
        track = self.study["datasets"][entry["dataset"]]["target"] == "track"
        length = self._length_of(entry)
        count = new_examples(entry, length, self.study) * (length if track else 1)
        return int(count * len(entry["models"]) / entry["shards"])

    def _score_loo(self, wildcards):
        dataset, name = wildcards["dataset"], wildcards["model"]
        model, loo = self.study.model(name), self.study["runs"][dataset]["loo"]
        architecture = self.study["backbones"].get(model.get("backbone"), {}).get("architecture")
        faster = FAST_LOO.get(model.get("network", architecture), 1)
        edits = self.figures[dataset]["length"] * (3 if loo["edit"] in ("replace", "replacespecifier") else 1)
        count = min(loo["examples"], self._examples(dataset)) / loo["shards"]
        return count * edits * self.machine.rates[dataset, name]["predict"] / faster

    _score_loo_shard = _score_loo

    def _compare_models(self, wildcards):
        run = self.study["runs"][wildcards["dataset"]]
        return len(run["models"]) * self._examples(wildcards["dataset"]) / 5e3

    def _project_embeddings(self, wildcards):
        return 20


def new_examples(entry, length, study):
    """About how many sequences a new file of a study holds, by its size; 0 where it is not here yet."""
    kind = next((kind for kind in LINES if kind in entry), None)
    path = Path(study.source_origin(entry[kind]) if kind and entry[kind] in study["sources"] else entry.get(kind, ""))
    if not path.is_file():
        return 0
    letters = path.stat().st_size * (4 if path.suffix in (".gz", ".bgz") else 1)
    return letters / (LINES[kind] or length + 20)


def last_runs(study):
    """What jobs cost in the last run of a study: key of a job -> (seconds, bytes), of Snakemake's benchmark files.

    Pretraining of another length than the config now says is left out.
    """
    results, found = Path(study.results), {}
    for path in (results / "benchmarks").rglob("*.tsv"):
        key = path.relative_to(results / "benchmarks").with_suffix("").as_posix()
        with open(path, newline="") as file:
            rows = list(csv.DictReader(file, delimiter="\t"))
        backbone = study["backbones"].get(key.removeprefix("backbones/"))
        if not rows or (backbone and not _as_long(results / key / "cost.json", backbone)):
            continue
        memory = rows[-1].get("max_rss", "-")
        found[key] = float(rows[-1]["s"]), int(float(memory) * 1e6) if memory[:1].isdigit() else 0
    return found


def _as_long(cost, backbone):
    if not cost.exists():
        return False
    samples = json.loads(cost.read_text()).get("samples", 0)
    return samples == backbone["steps"] * backbone["batch_size"]


def _key(job):
    """Path of a job's benchmark file below the study's, without its suffix."""
    w = job.wildcards
    if job.rule == "pretrain_backbone":
        return f"backbones/{w['backbone']}"
    if job.rule == "train_model":
        return f"models/{w['dataset']}/{w['model']}/fold{w['fold']}/seed{w['seed']}"
    if job.rule == "score_loo":
        return f"attributions/{w['dataset']}/{w['model']}"
    return None
