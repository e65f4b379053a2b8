"""New files of a study (its section ``predict``): checked before anything is run, and what is made of them."""

from functools import cached_property
from pathlib import Path

from seqlm.common.errors import InputError, check_known
from seqlm.streaming.reading import check_reading, is_spliced
from seqlm.study.loo_settings import check_loo

FILE_KINDS = ("fasta", "table", "bed", "vcf", "gff", "genbank")
FILE_FORMATS = {"gff": "annotation", "genbank": "genbank"}  # the others by their suffix


def check_files(config, name, files):
    """Refuse an entry of the section predict that nothing can be predicted from."""
    where = f"config, predict.{name}"
    if not files["models"] and not files["backbones"]:
        mend = "give dataset: and models:, or for the variants of a VCF file backbones:"
        raise InputError(where, "names nothing to predict with", mend)
    if files["models"] and "dataset" not in files:
        raise InputError(where, "does not say which run its models are of", "give dataset: <run>")
    if files["models"]:
        check_known(config["runs"], "run", where, files["dataset"])
        check_known(config["runs"][files["dataset"]]["models"], "model", where, *files["models"])
    for model in files["models"]:
        if "ensemble" in config["models"][model]:
            raise InputError(where, f"{model} is an ensemble of other models", "name its members")
    given = [kind for kind in FILE_KINDS if kind in files]
    if len(given) != 1:
        raise InputError(where, f"names {len(given)} files", f"give exactly one of {', '.join(FILE_KINDS)}")
    kind = given[0]
    if kind in ("bed", "vcf", "gff") and "genome" not in files:
        mend = "give genome: a source or a FASTA file"
        raise InputError(where, f"a {kind.upper()} file needs the genome it refers to", mend)
    if kind in ("fasta", "genbank") and "genome" in files:
        raise InputError(where, f"sequences of {kind} have no place in a genome", "give bed or gff, or drop genome")
    if "reading" in files:
        check_reading(where, FILE_FORMATS.get(kind, kind), files["reading"])
        if "genome" in files and kind == "table" and is_spliced("table", files["reading"]):
            raise InputError(where, "mRNAs of a table have no place in a genome", "give gff, or drop genome")
    check_known(config["backbones"], "backbone", where, *files["backbones"])
    if kind != "vcf" and files["backbones"]:
        raise InputError(where, "language models score variants only", "give vcf, or drop backbones")
    if kind != "vcf" and "length" in files:
        raise InputError(where, "length is that of windows around variants", "give vcf, or drop length")
    if kind == "vcf" and "loo" in files:
        raise InputError(where, "leave-one-out scores are of sequences, not variants", "give fasta, table or bed")
    for key in ("fasta", "genome", "gff", "genbank", "table"):
        own = "fasta" if key == "genome" else key
        if key in files and files[key] in config["sources"]:
            if own not in config["sources"][files[key]]:
                raise InputError(where, f"source {files[key]} is no {own}", f"name a source of kind {own} as {key}")
        elif key in files and not Path(files[key]).suffix:
            check_known(config["sources"], "source (or file with a suffix)", where, files[key])
    if "loo" in files:
        scored = files["loo"].get("models", files["models"])
        check_known(files["models"], "model of this entry", f"{where}.loo", *scored)
        networks = {model: config["models"][model] for model in scored}
        check_loo(files["loo"], config["datasets"][files["dataset"]], networks, f"{where}.loo")


class NewFiles:
    """The part of a `Study` that is about new files."""

    def file_jobs(self, name):
        """The jobs, by model, whose bundles predict on the files of the entry `name` of the section predict."""
        files = self.config["predict"][name]
        return {model: self.jobs_of(files["dataset"], model) for model in files["models"]}

    @property
    def predicted_files(self):
        """Names of the new files that trained models predict on."""
        return [name for name, files in self.config["predict"].items() if files["models"]]

    @property
    def zero_shot(self):
        """Every (name, backbone) of new files whose variants are scored by a language model."""
        return [(name, backbone) for name, files in self.config["predict"].items() for backbone in files["backbones"]]

    def file_input(self, name):
        """Path of the file that the entry `name` of the section predict is about."""
        files = self.config["predict"][name]
        return self.place(next(files[kind] for kind in FILE_KINDS if kind in files))

    def file_format(self, name):
        """Format of that file; None: by its suffix."""
        return next((FILE_FORMATS[kind] for kind in FILE_FORMATS if kind in self.config["predict"][name]), None)

    def file_genome(self, name):
        """Path of the genome that a file refers to, or None."""
        genome = self.config["predict"][name].get("genome")
        return genome and self.place(genome)

    def place(self, name):
        """Path of a source, or of the file of this name."""
        return self.source_path(name) if name in self.config["sources"] else name

    @cached_property
    def tracks(self):
        """Every (name, model, suffix) of new files whose predictions have a place in a genome."""
        suffixes = {"track": ["bw"], "scalar": ["bw", "bed"], "class": ["bed"]}
        return [
            (name, model, suffix)
            for name, files in self.config["predict"].items()
            if _has_places(files)
            for model in files["models"]
            for suffix in suffixes[self.config["datasets"][files["dataset"]]["target"]]
        ]

    @cached_property
    def file_attributions(self):
        """Every (name, model) of new files that leave-one-out scores are asked for."""
        return [
            (name, model)
            for name, files in self.config["predict"].items()
            if "loo" in files
            for model in files["loo"].get("models", files["models"])
        ]

    @cached_property
    def score_tracks(self):
        """Those of them whose sequences have a place in a genome."""
        return [(name, model) for name, model in self.file_attributions if _has_places(self.config["predict"][name])]


def _has_places(files):
    """Whether the sequences of an entry of the section predict are stretches of a genome."""
    return "bed" in files or ("table" in files and "genome" in files)
