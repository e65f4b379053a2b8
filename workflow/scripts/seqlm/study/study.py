"""A study: its config checked and filled in, and the grid of jobs it asks for.

This file decides *what* is to be run. It imports nothing heavy, because the
workflow reads it at every start and in every job.
"""

import copy
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import jsonschema
import yaml

from seqlm.common.errors import InputError, check_known
from seqlm.models.baselines import default_models
from seqlm.models.language.sizes import with_numbers, with_sizes
from seqlm.models.registry import with_networks
from seqlm.study.devices import check_devices
from seqlm.study.file_settings import NewFiles, check_files
from seqlm.study.kinds import pooling_is_chosen
from seqlm.study.loo_settings import DEFAULT_LOO, check_interactions, check_loo
from seqlm.study.model_settings import check_model, check_target
from seqlm.study.names import check_keys, check_name
from seqlm.study.scored import Scored

SOURCE_KINDS = ("fasta", "genbank", "gff", "table")
TOKENIZER_OPTIONS = {
    "character": ("alphabet", "case"),
    "kmer": ("k", "overlapping"),
    "bpe": ("size", "samplesize"),
}


def _fill_defaults(validator_class):
    """Extend a jsonschema validator so that it writes missing defaults into what it checks."""
    check_properties = validator_class.VALIDATORS["properties"]

    def set_defaults(validator, properties, instance, schema):
        if isinstance(instance, dict):
            for key, subschema in properties.items():
                if "default" in subschema:
                    instance.setdefault(key, copy.deepcopy(subschema["default"]))
        yield from check_properties(validator, properties, instance, schema)

    return jsonschema.validators.extend(validator_class, {"properties": set_defaults})


def load_schema(path):
    """Read the config schema (YAML), with the networks and sizes that there are."""
    return with_sizes(with_networks(yaml.safe_load(Path(path).read_text())))


def check_config(config, schema, where="config"):
    """Fill in defaults and check a config against the schema.

    Returns
    -------
    dict
        A filled-in copy.

    Raises
    ------
    InputError
        At the first wrong value, naming its key, and what is allowed there.
    """
    check_keys(config)
    config = copy.deepcopy(config)
    validator = _fill_defaults(jsonschema.Draft202012Validator)(schema)
    error = jsonschema.exceptions.best_match(validator.iter_errors(config))
    if error:
        key = ".".join(str(part) for part in error.absolute_path) or "top level"
        mend = f"see config/README.md ({error.schema.get('description', 'every key is described there')})"
        wanted = error.validator == "type" and error.validator_value
        if wanted == "string" and not isinstance(error.instance, dict | list):
            changed = error.instance is None or isinstance(error.instance, bool)  # null, ~, on, yes: not as written
            mend = "write it in quotes" + ("" if changed else f", as '{error.instance}'")
        if error.validator == "additionalProperties" and "properties" in error.schema:
            mend = f"the keys there are: {', '.join(error.schema['properties'])}"
        raise InputError(f"{where}, {key}", error.message, mend)
    return config


def number_of_folds(folds, where="folds"):
    """How many folds a dataset's `folds` entry makes."""
    if folds["scheme"] in ("kfold", "repeated"):
        return folds["k"]
    if folds["scheme"] == "custom":
        if not isinstance(folds["test"], list):
            raise InputError(where, f"test is {folds['test']!r}, not a list per fold", "write test: [[a], [b, c]]")
        return len(folds["test"])
    return 1


@dataclass(frozen=True)
class Job:
    """One trained model: a cell of the study's grid."""

    dataset: str
    model: str
    fold: int
    seed: int

    @property
    def path(self):
        return f"{self.dataset}/{self.model}/fold{self.fold}/seed{self.seed}"


class Study(NewFiles, Scored):
    """A checked config and what follows from it.

    Parameters
    ----------
    config : dict
        As the user wrote it.
    schema : dict
        See `load_schema`.

    Raises
    ------
    InputError
        For a wrong value, or a name that refers to nothing.
    """

    def __init__(self, config, schema):
        self.config = check_config(config, schema)
        self.name = self.config["study"]
        self.results = f"results/{self.name}"
        self._size_backbones()
        self._name_models()
        self._score_for_more()
        self._check_names()

    def __getitem__(self, section):
        return self.config[section]

    def _size_backbones(self):
        """Put the numbers of its size into each backbone that is pretrained here."""
        for name, backbone in self.config["backbones"].items():
            if "hub" not in backbone:
                self.config["backbones"][name] = with_numbers(backbone)
            elif "size" in backbone:
                raise InputError(f"config, backbones.{name}", "a model of the hub has a size of its own", "drop size")

    def _name_models(self):
        """Give runs that name no models those that fit, with the baselines a specialist would choose."""
        for dataset, run in self.config["runs"].items():
            if "models" not in run and dataset in self.config["datasets"]:
                run["models"], baselines = default_models(self.config, dataset)
                self.config["models"] |= baselines

    def _score_for_more(self):
        """Give runs that ask for motifs, checks of scores or interactions the scores of enough examples."""
        for name, run in self.config["runs"].items():
            if "motifs" in run and ("file" in run["motifs"]) == ("jaspar" in run["motifs"]):
                mend = "give one of file: <known motifs> and jaspar: <group of species>"
                raise InputError(f"config, runs.{name}.motifs", "needs one collection to take names from", mend)
            for part in ("motifs", "checks", "interactions"):
                if part in run:
                    loo = run.setdefault("loo", dict(DEFAULT_LOO))
                    loo["examples"] = max(loo["examples"], run[part]["examples"])

    def _check_names(self):
        config = self.config
        check_name(config["study"], "config, study")
        for section in ("sources", "datasets", "tokenizers", "backbones", "models", "predict"):
            for name in config[section]:
                check_name(name, f"config, {section}.{name}", section)
        for name, source in config["sources"].items():
            if sum(kind in source for kind in SOURCE_KINDS) != 1:
                raise InputError(
                    f"config, sources.{name}",
                    "a source is exactly one file or URL",
                    f"give one of: {', '.join(SOURCE_KINDS)}",
                )
        for name in config["datasets"]:
            check_known(config["sources"], "source", f"config, datasets.{name}", *self.dataset_sources(name))
            number_of_folds(config["datasets"][name]["folds"], f"config, datasets.{name}.folds")
        for name, tokenizer in config["tokenizers"].items():
            check_known(config["sources"], "source", f"config, tokenizers.{name}", *tokenizer.get("corpus", []))
        for name, backbone in config["backbones"].items():
            where = f"config, backbones.{name}"
            if "hub" in backbone:
                check_known(config["sources"], "source", where, *backbone["corpus"])
                continue
            if "tokenizer" not in backbone:
                raise InputError(where, "a backbone pretrained here needs a tokenizer", "give tokenizer: <name>")
            check_known(config["tokenizers"], "tokenizer", where, backbone["tokenizer"])
            check_known(config["sources"], "source", where, *backbone["corpus"])
            if "without" in backbone:
                check_known(config["datasets"], "dataset", where, backbone["without"])
            if "corpus_of" in backbone:
                self._check_corpus_of(backbone, where)
            elif not backbone["corpus"]:
                raise InputError(where, "the corpus is empty", "list FASTA sources under corpus:, or give corpus_of:")
        for name in config["models"]:
            check_model(config, name)
        check_devices(config)
        for name, run in config["runs"].items():
            check_known(config["datasets"], "dataset", "config, runs", name)
            check_known(config["models"], "model", f"config, runs.{name}", *run["models"])
            for model in run["models"]:
                check_known(run["models"], "model of this run", f"config, models.{model}", *self.members(model))
                entry, target = config["models"][model], config["datasets"][name]["target"]
                check_target(entry, target, f"config, models.{model}", self._kind_of_tokens(entry))
            for part in ("loo", "embeddings"):
                chosen = run.get(part, {}).get("models", [])
                check_known(run["models"], "model of this run", f"config, runs.{name}.{part}", *chosen)
            if run.get("loo"):
                scored = {model: config["models"][model] for model in self.scored_models(name)}
                check_loo(run["loo"], config["datasets"][name], scored, f"config, runs.{name}.loo")
            if "interactions" in run:
                check_interactions(config["datasets"][name], f"config, runs.{name}.interactions")
            if "control" in run.get("checks", {}):
                check_known(
                    self.runs_with("loo"), "run with loo", f"config, runs.{name}.checks", run["checks"]["control"]
                )
        for name, files in config["predict"].items():
            check_files(config, name, files)

    def _kind_of_tokens(self, model):
        """Kind of the tokens that a model's backbone reads; what a model of the hub reads is not known yet."""
        tokenizer = self["backbones"].get(model.get("backbone"), {}).get("tokenizer")
        return self["tokenizers"][tokenizer]["kind"] if tokenizer else "character"

    def _check_corpus_of(self, backbone, where):
        name = backbone["corpus_of"]
        check_known(self.config["datasets"], "dataset", where, name)
        if backbone["corpus"] or "without" in backbone:
            raise InputError(where, "has corpus_of beside corpus or without", "keep one of them")
        if len(self.dataset_folds(name)) > 1:
            raise InputError(
                where,
                f"dataset {name!r} has several folds, so that each example is tested on in one of them",
                "give it one split (scheme: ratio or split), or pretrain on FASTA sources",
            )

    # sources -------------------------------------------------------------------------------------

    def source_kind(self, name):
        return next(kind for kind in SOURCE_KINDS if kind in self.config["sources"][name])

    def source_path(self, name):
        """Where the workflow keeps a source."""
        suffix = {"fasta": ".fa.gz", "genbank": ".gb.gz", "gff": ".gff.gz", "table": ".txt.gz"}[self.source_kind(name)]
        return f"{self.results}/sources/{name}{suffix}"

    def source_origin(self, name):
        return self.config["sources"][name][self.source_kind(name)]

    # datasets ------------------------------------------------------------------------------------

    def dataset_sources(self, name):
        """Names of the sources that a dataset is made from, in a fixed order."""
        dataset = self.config["datasets"][name]
        names = []
        for section in ("windows", "table", "records", "regions", "transcripts"):
            part = dataset.get(section, {})
            for key in ("source", "sequences", "scores", "labels", "genome", "annotation", "genbank"):
                value = part.get(key)
                names += value if isinstance(value, list) else [value] if isinstance(value, str) else []
            names += part.get("sources", {}).values()
        return list(dict.fromkeys(names))

    def dataset_folds(self, name):
        return range(number_of_folds(self.config["datasets"][name]["folds"]))

    def pooling_is_chosen(self, name):
        """Whether the validation part of a dataset decides how models gather positions."""
        models = [self.config["models"][model] for model in self.config["runs"].get(name, {}).get("models", [])]
        return pooling_is_chosen(self.config["datasets"][name], models)

    # tokenizers ----------------------------------------------------------------------------------

    def tokenizer(self, name):
        """A tokenizer's kind and the options that kind has."""
        entry = self.config["tokenizers"][name]
        return {key: entry[key] for key in ("kind", *TOKENIZER_OPTIONS[entry["kind"]]) if key in entry}

    # backbones -----------------------------------------------------------------------------------

    def tokenizer_corpus(self, name):
        """FASTA files that a tokenizer is learned from: its own list, else the corpora of its backbones."""
        own = self.config["tokenizers"][name].get("corpus")
        if own:
            return [self.source_path(source) for source in own]
        corpora = [self.corpus_text(b) for b in self.config["backbones"].values() if b.get("tokenizer") == name]
        return list(dict.fromkeys(path for corpus in corpora for path in corpus))

    def corpus_text(self, backbone):
        """FASTA files of a backbone's corpus."""
        if "corpus_of" in backbone:
            return [f"{self.results}/datasets/{backbone['corpus_of']}/training_text.fa.gz"]
        return [self.source_path(source) for source in backbone["corpus"]]

    @cached_property
    def backbones(self):
        """Backbones that some run needs, plus those no model uses (pretraining may be all one wants)."""
        return list(self.config["backbones"])

    @cached_property
    def pretrained(self):
        """Backbones that are trained here (the hub's are fetched)."""
        return [name for name in self.backbones if "hub" not in self.config["backbones"][name]]

    @cached_property
    def fetched(self):
        """Backbones that come from a hub or a folder."""
        return [name for name in self.backbones if "hub" in self.config["backbones"][name]]

    @cached_property
    def trusted_code(self):
        """Names of the hub models whose own code the study trusts, for ``SEQLM_TRUST_REMOTE_CODE``."""
        chosen = [self.config["backbones"][name] for name in self.fetched]
        return [
            "@".join(filter(None, (backbone["hub"], backbone.get("revision"))))
            for backbone in chosen
            if backbone["trust_remote_code"]
        ]

    @cached_property
    def scored(self):
        """Fetched backbones whose bits per base are measured."""
        return [name for name in self.fetched if self.config["backbones"][name]["corpus"]]

    @cached_property
    def trained(self):
        """Backbones that are pretrained for at least one step."""
        return [name for name in self.pretrained if self.config["backbones"][name]["steps"]]

    # grid ----------------------------------------------------------------------------------------

    @cached_property
    def jobs(self):
        """Every (dataset, model, fold, seed) of the study."""
        return [
            Job(dataset, model, fold, seed)
            for dataset, run in self.config["runs"].items()
            for model in run["models"]
            for fold in self.dataset_folds(dataset)
            for seed in self.config["seeds"]
        ]

    def size_predictions(self, dataset):
        """Files of predictions after training on fewer labels, below the results; those on all labels are the run's."""
        found = []
        for size in self.config["runs"][dataset]["training_sizes"]:
            for job in self.jobs_of(dataset):
                if not self.members(job.model):
                    cell = f"{job.model}/n{size}/fold{job.fold}/seed{job.seed}"
                    path = f"training_sizes/{dataset}/{cell}.parquet"
                    found.append(f"predictions/{job.path}.parquet" if size == "all" else path)
        return found

    def members(self, model):
        """The models that an ensemble joins; none for other models."""
        return self.config["models"][model].get("ensemble", [])

    @cached_property
    def trained_jobs(self):
        """The jobs that train something: all but ensembles."""
        return [job for job in self.jobs if not self.members(job.model)]

    @cached_property
    def ensembles(self):
        return [name for name in self.config["models"] if self.members(name)]

    @cached_property
    def single_models(self):
        return [name for name in self.config["models"] if not self.members(name)]

    def jobs_of(self, dataset, model=None):
        return [job for job in self.jobs if job.dataset == dataset and model in (None, job.model)]

    def runs_with(self, part):
        """Datasets whose run asks for `part` (such as "loo")."""
        return [dataset for dataset, run in self.config["runs"].items() if run.get(part)]

    def metric(self, dataset):
        """The metric that the training curves of a dataset show beside the loss."""
        return "accuracy" if self.config["datasets"][dataset]["target"] == "class" else "pearson"

    def model(self, name):
        return self.config["models"][name]
