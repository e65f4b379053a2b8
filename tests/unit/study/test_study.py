"""A study's config: defaults, one-line errors, and the grid of jobs."""

import ast
from pathlib import Path

import pytest
import yaml

from seqlm.common.errors import InputError
from seqlm.study import Study, figure_names, load_schema, number_of_folds
from seqlm.study.loo_settings import check_interactions

ROOT = Path(__file__).parents[3]
SCHEMA = load_schema(ROOT / "workflow" / "schemas" / "config.schema.yaml")
FAMILIES = yaml.safe_load((ROOT / "workflow" / "report" / "figures.yaml").read_text())

SMALLEST = """
study: mine
sources:
  windows: {fasta: mine.fa}
  labels: {table: mine.tsv}
datasets:
  binding:
    target: scalar
    records: {source: windows, labels: labels}
models:
  cnn: {network: cnn}
runs:
  binding: {models: [cnn]}
"""


def study(text=SMALLEST, **changes):
    return Study({**yaml.safe_load(text), **changes}, SCHEMA)


@pytest.mark.parametrize("path", sorted((ROOT / "config").rglob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_studies_are_valid(path):
    shipped = Study(yaml.safe_load(path.read_text()), SCHEMA)
    assert shipped.jobs and figure_names(shipped, FAMILIES)


def test_smallest_study_has_one_job_per_fold_and_seed():
    jobs = study(seeds=[1, 7]).jobs
    assert [job.path for job in jobs] == ["binding/cnn/fold0/seed1", "binding/cnn/fold0/seed7"]


def test_kfold_multiplies_the_grid():
    config = yaml.safe_load(SMALLEST)
    config["datasets"]["binding"]["folds"] = {"scheme": "kfold", "k": 4}
    assert [job.fold for job in Study(config, SCHEMA).jobs] == [0, 1, 2, 3]


def test_custom_folds_are_counted_by_their_lists():
    assert number_of_folds({"scheme": "custom", "test": [[1], [2, 3], [4]]}) == 3


def test_nothing_in_a_config_is_run():
    """Values are data: no line of the library evaluates text as Python."""
    for path in (ROOT / "workflow").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            name = getattr(node.func, "id", "") if isinstance(node, ast.Call) else ""
            assert name not in ("eval", "exec"), f"{path}, line {node.lineno}"
    config = yaml.safe_load(SMALLEST)
    config["datasets"]["binding"]["folds"] = {"scheme": "custom", "test": "[[1], [2]]", "validation": "[[2], [1]]"}
    with pytest.raises(InputError, match="list"):
        Study(config, SCHEMA)


@pytest.mark.parametrize("config", sorted((ROOT / "config").rglob("*.yaml")), ids=lambda path: path.name)
def test_every_config_that_ships_is_a_valid_study(config):
    assert Study(yaml.safe_load(config.read_text()), SCHEMA).jobs


def test_the_input_is_not_changed():
    config = yaml.safe_load(SMALLEST)
    Study(config, SCHEMA)
    assert config == yaml.safe_load(SMALLEST)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"runs": {"binding": {"models": ["cn"]}}}, ["runs.binding", "'cn'", "cnn"]),
        ({"runs": {"bindin": {"models": ["cnn"]}}}, ["'bindin'", "binding"]),
        ({"models": {"cnn": {"backbone": "gpt"}}}, ["models.cnn", "'gpt'", "none"]),
        ({"models": {"cnn": {}}}, ["models.cnn", "either a network or a backbone"]),
        ({"models": {"c/n": {"network": "cnn"}}}, ["models.c/n", "characters"]),
        ({"sources": {"x": {"fasta": "a", "table": "b"}}}, ["sources.x", "exactly one"]),
        ({"sources": {"x": {"fasat": "a"}}}, ["sources.x", "fasat", "fasta"]),
        ({"seeds": []}, ["seeds"]),
        ({"seeds": [1, 1]}, ["seeds"]),
        ({"study": "a b"}, ["study"]),
        ({"threads": 0}, ["threads"]),
        ({"backbones": {"g": {"tokenizer": "t", "corpus": ["windows"]}}}, ["backbones.g", "tokenizer", "'t'"]),
        ({"backbones": {"g": {"corpus": ["windows"]}}}, ["backbones.g", "needs a tokenizer"]),
        (
            {"predict": {"new": {"fasta": "x.fa", "dataset": "binding", "models": ["saluki"]}}},
            ["predict.new", "'saluki'"],
        ),
        ({"tokenizers": {"t": {"kind": "atomic"}}}, ["tokenizers.t.kind", "saluki learns them"]),
        ({"predict": {"a b": {"fasta": "x.fa", "dataset": "binding", "models": ["cnn"]}}}, ["predict.a b", "path"]),
    ],
)
def test_mistakes_are_one_line_that_names_the_key(change, words):
    with pytest.raises(InputError) as caught:
        study(**change)
    line = str(caught.value)
    assert "\n" not in line
    assert all(word in line for word in words), line


SECTIONS = {
    "sources": {"fasta": "a.fa"}, "datasets": {"target": "scalar"}, "tokenizers": {"kind": "character"},
    "backbones": {"hub": "somebody/something"}, "models": {"network": "cnn"}, "predict": {"fasta": "x.fa"},
}  # fmt: skip


@pytest.mark.parametrize("section", ["study", *SECTIONS])
@pytest.mark.parametrize("name", [".", "..", ".hidden", "-rf", "a/b", "a b", "x\n", "", "x" * 101])
def test_names_that_could_not_be_folders_of_their_own(section, name):
    with pytest.raises(InputError) as caught:
        study(**{section: name if section == "study" else {name: SECTIONS[section]}})
    line = str(caught.value)
    assert "\n" not in line and f"config, {section}" in line


@pytest.mark.parametrize("name", ["x", "_x", "0", "2024", "null", "NA", "a.b", "a-b", "x" * 100])
def test_names_that_can(name):
    for section in ("sources", "models"):
        own = {**yaml.safe_load(SMALLEST)[section], name: SECTIONS[section]}
        assert name in study(**{section: own})[section]
    assert study(study=name).results == f"results/{name}"


@pytest.mark.parametrize(
    ("section", "name"), [("datasets", "pretraining"), ("datasets", "files"), ("models", "export")]
)
def test_names_of_the_workflows_own_folders_are_taken(section, name):
    with pytest.raises(InputError, match=f"'{name}' is the workflow's own name"):
        study(**{section: {name: SECTIONS[section]}})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("models: {1: {network: cnn}}", ["config, models:", "a number (1)", "quotes"]),
        ("datasets: {2024: {target: scalar}}", ["config, datasets:", "a number (2024)"]),
        ("predict: {1.5: {fasta: x.fa}}", ["config, predict:", "a number (1.5)"]),
        ("runs: {null: {models: [cnn]}}", ["config, runs:", "nothing (None)"]),
        ("tokenizers: {yes: {kind: character}}", ["config, tokenizers:", "a truth value (True)"]),
        ("backbones: {2024-01-01: {hub: x}}", ["config, backbones:", "a date (2024-01-01)"]),
        ("datasets: {d: {target: class, windows: {sources: {1: windows}}}}", ["config, datasets.d.windows.sources:"]),
        ("2024: 1", ["config:", "a number (2024)"]),
        ("study: 2024", ["config, study", "quotes, as '2024'"]),
        ("runs: {binding: {models: [1]}}", ["runs.binding.models.0", "quotes, as '1'"]),
    ],
)
def test_names_that_yaml_takes_for_something_else_are_one_line(text, words):
    with pytest.raises(InputError) as caught:
        Study({**yaml.safe_load(SMALLEST), **yaml.safe_load(text)}, SCHEMA)
    line = str(caught.value)
    assert "\n" not in line
    assert all(word in line for word in words), line


def with_loo(loo, target="class", **table):
    config = yaml.safe_load(SMALLEST)
    config["datasets"]["binding"] = {"target": target, "table": {"source": "labels", **table}}
    config["models"]["saluki"] = {"network": "saluki"}
    config["runs"]["binding"] = {"models": ["cnn", "saluki"], "loo": loo}
    return Study(config, SCHEMA)


TOKENS = {"tokens": " ", "specifiers": "#"}


@pytest.mark.parametrize(
    ("loo", "dataset", "words"),
    [
        ({"edit": "swap"}, {}, ["loo.edit", "swap"]),
        ({"edit": "mask", "replacements": {"A": ["C"]}}, {}, ["replacements", "mask"]),
        ({"edit": "replace", "replacements": {"A": ["CG"]}}, {}, ["'CG'", "one base"]),
        ({"edit": "replacespecifier"}, {"tokens": " "}, ["no specifiers", "'#'"]),
        ({"edit": "replacespecifier"}, TOKENS, ["cnn reads no specifiers", "models: [..]"]),
        ({"class_index": "all"}, {"target": "scalar"}, ["class_index", "scalar"]),
    ],
)
def test_nonsense_of_leave_one_out_is_one_line(loo, dataset, words):
    with pytest.raises(InputError) as caught:
        with_loo(loo, **dataset)
    line = str(caught.value)
    assert "\n" not in line
    assert all(word in line for word in ["runs.binding", *words]), line


def test_every_mode_of_leave_one_out_can_be_asked_for():
    for loo, dataset in (
        ({"edit": "replacespecifier", "models": ["saluki"], "replacements": {"a": ["c"], "Gej": ["gej"]}}, TOKENS),
        ({"edit": "replace", "class_index": "strong"}, {}),
        ({"edit": "remove", "class_index": 1}, {}),
        ({"class_index": "all"}, {}),
        ({"class_index": "-1"}, {}),
        ({"class_index": -1}, {}),  # a table's classes may be -1 and 1
        ({"class_index": "01"}, {}),
    ):
        filled = with_loo(loo, **dataset)["runs"]["binding"]["loo"]
        assert {key: filled[key] for key in loo} == loo
    assert with_loo({})["runs"]["binding"]["loo"]["class_index"] == "predicted"


def test_classes_that_are_called_by_digits():
    config = yaml.safe_load(SMALLEST)
    config["datasets"]["binding"] = {"target": "class", "windows": {"sources": {"5": "windows", "-1": "windows"}}}
    for wanted in (5, "5", -1, "-1", 0, "1"):
        config["runs"]["binding"]["loo"] = {"class_index": wanted}
        assert Study(config, SCHEMA)["runs"]["binding"]["loo"]["class_index"] == wanted
    config["runs"]["binding"]["loo"] = {"class_index": 2}
    with pytest.raises(InputError, match="5, -1"):
        Study(config, SCHEMA)
    config["datasets"]["binding"]["windows"]["sources"] = {"01": "windows", "02": "windows"}
    config["runs"]["binding"]["loo"] = {"class_index": 1}  # as YAML reads 01
    with pytest.raises(InputError, match="called '01'"):
        Study(config, SCHEMA)


def test_a_class_that_no_source_stands_for():
    config = yaml.safe_load(SMALLEST)
    config["datasets"]["binding"] = {"target": "class", "windows": {"sources": {"x": "windows", "y": "windows"}}}
    for wanted in ("z", 2):
        config["runs"]["binding"]["loo"] = {"class_index": wanted}
        with pytest.raises(InputError, match="x, y"):
            Study(config, SCHEMA)


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"gff": "x.gff"}, ["needs the genome"]),
        ({"genbank": "x.gb", "genome": "x.fa"}, ["no place in a genome"]),
        ({"gff": "x.gff", "genome": "x.fa", "reading": {"tokens": " "}}, ["tokens", "annotation"]),
        ({"table": "x.tsv", "genome": "x.fa", "reading": {"cds": ["a", "b"]}}, ["no place in a genome"]),
        ({"table": "x.tsv", "reading": {"isoforms": "all"}}, ["isoforms", "cds"]),
        ({"fasta": "x.fa", "reading": {"id": "id"}}, ["id", "fasta"]),
        ({"fasta": "labels"}, ["source labels is no fasta"]),
        ({"gff": "windows", "genome": "windows"}, ["source windows is no gff"]),
        ({"genbank": "genes"}, ["'genes'", "windows, labels"]),
    ],
)
def test_new_files_that_cannot_be_read_are_one_line(files, words):
    with pytest.raises(InputError) as caught:
        study(predict={"new": {"dataset": "binding", "models": ["cnn"], **files}})
    line = str(caught.value)
    assert "\n" not in line
    assert all(word in line for word in ["predict.new", *words]), line


def test_new_mrnas_and_tokens_are_found():
    new = {"dataset": "binding", "models": ["cnn"]}
    tokens = {"header": False, "id": 2, "sequence": 1, "tokens": " ", "specifiers": "#", "separator": ";"}
    found = study(
        predict={
            "a": {"gff": "x.gtf.gz", "genome": "windows", **new},
            "b": {"genbank": "x.gb", "reading": {"isoforms": "representative"}, **new},
            "c": {"table": "labels", "reading": tokens, **new},
        }
    )
    assert [found.file_input(name) for name in "abc"] == ["x.gtf.gz", "x.gb", "results/mine/sources/labels.txt.gz"]
    assert [found.file_format(name) for name in "abc"] == ["annotation", "genbank", None]
    assert found.file_genome("a") == "results/mine/sources/windows.fa.gz"
    assert not found.tracks


def with_file(**entry):
    return study(predict={"new": {"dataset": "binding", "models": ["cnn"], **entry}})


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"models": [], "vcf": "x.vcf"}, ["nothing to predict with", "backbones"]),
        ({"backbones": ["gpt"], "vcf": "x.vcf", "genome": "windows"}, ["no backbone named 'gpt'"]),
        ({}, ["names 0 files", "fasta, table, bed, vcf"]),
        ({"fasta": "x.fa", "bed": "x.bed"}, ["names 2 files"]),
        ({"bed": "x.bed"}, ["BED", "genome"]),
        ({"vcf": "x.vcf"}, ["VCF", "genome"]),
        ({"bed": "x.bed", "genome": "hg38"}, ["'hg38'", "windows, labels"]),
        ({"bed": "x.bed", "genome": "labels"}, ["source labels is no fasta"]),
        ({"fasta": "x.fa", "genome": "windows"}, ["no place in a genome"]),
        ({"fasta": "x.fa", "length": 300}, ["length", "vcf"]),
        ({"fasta": "x.fa", "level": 90}, ["predict.new.level"]),
        ({"vcf": "x.vcf", "genome": "windows", "loo": {}}, ["not variants"]),
        ({"fasta": "x.fa", "loo": {"models": ["saluki"]}}, ["predict.new.loo", "'saluki'"]),
        ({"fasta": "x.fa", "loo": {"edit": "mask", "replacements": {"A": ["C"]}}}, ["predict.new.loo", "mean nothing"]),
    ],
)
def test_files_that_cannot_be_predicted_on_are_one_line(entry, words):
    with pytest.raises(InputError) as caught:
        with_file(**entry)
    line = str(caught.value)
    assert "\n" not in line
    assert all(word in line for word in ["predict.new", *words]), line


def test_files_and_genomes_are_sources_or_paths():
    found = with_file(bed="peaks.bed", genome="windows")
    assert (found.file_input("new"), found.file_genome("new")) == ("peaks.bed", "results/mine/sources/windows.fa.gz")
    assert found.tracks == [("new", "cnn", "bw"), ("new", "cnn", "bed")]
    found = with_file(vcf="v.vcf.gz", genome="hg38.fa", length=100)
    assert (found.file_genome("new"), found.tracks) == ("hg38.fa", [])
    assert with_file(fasta="windows").file_input("new") == "results/mine/sources/windows.fa.gz"
    assert with_file(table="x.parquet").file_genome("new") is None


def test_a_model_has_only_keys_of_its_kind():
    with pytest.raises(InputError, match="models.cnn: the network cnn has no 'blocks'.*filters"):
        study(models={"cnn": {"network": "cnn", "blocks": 4}})


@pytest.mark.parametrize(
    ("entry", "match"),
    [
        ({"layers": [0, 9]}, "models.gpt.layers: the backbone has no layer 9.*0 .the embedding. to 4"),
        ({"layers": "first"}, "models.gpt.layers"),
        ({"layers": [1, 1]}, "models.gpt.layers"),
        ({"skip": "onehot", "depth": 0}, "models.gpt.skip: a head without convolutions reads no bases"),
        ({"skip": "onehot", "head": "linear"}, "models.gpt.skip: a head without convolutions reads no bases"),
        ({"depth": 1, "head": "linear"}, "models.gpt.depth: a linear probe has no convolutions"),
        ({"backbone": "words", "skip": "onehot"}, "models.gpt.skip: the backbone's tokens are not single bases"),
        (
            {"backbone": "words", "depth": 1, "context": "both_strands"},
            "models.gpt.depth: no convolution can read both",
        ),
        ({"network": "cnn", "layers": "all"}, "models.gpt"),
    ],
)
def test_layers_and_skips_that_cannot_be_are_told_before_anything_runs(entry, match):
    """The backbone has four layers, the target is a scalar."""
    tokenizers = {"vocab4": {"kind": "character"}, "codons": {"kind": "kmer", "k": 3}}
    backbones = {"gpt": "vocab4", "words": "codons"}
    backbones = {name: {"tokenizer": tokenizer, "corpus": ["windows"]} for name, tokenizer in backbones.items()}
    language = tokenizers, backbones
    models, runs = {"gpt": {"backbone": "gpt", **entry}}, {"binding": {"models": ["gpt"]}}
    with pytest.raises(InputError, match=match):
        study(tokenizers=language[0], backbones=language[1], models=models, runs=runs)


def test_a_networks_own_limits_hold():
    with pytest.raises(InputError, match=r"models.cnn.filters: 0 is less than the minimum"):
        study(models={"cnn": {"network": "cnn", "filters": 0}})


def test_figures_are_those_that_a_study_has_something_to_draw_for():
    names = figure_names(study(), FAMILIES)
    assert "scatter-binding" in names and "performance-binding" in names
    assert not {"loss", "differences-binding", "folds-binding", "tracks-binding", "loo-binding"} & set(names)


def test_motifs_are_read_from_as_many_scores_as_are_asked_for():
    """With or without a section on leave-one-out; fewer than that section names are no reason to score fewer."""
    for loo, motifs, scored in (
        (None, {"jaspar": "insects"}, {"edit": "mask", "examples": 1000}),
        ({"edit": "replace", "examples": 20}, {"jaspar": "insects"}, {"edit": "replace", "examples": 1000}),
        ({"examples": 70}, {"file": "own.meme", "examples": 60}, {"edit": "mask", "examples": 70}),
    ):
        run = {"models": ["cnn"], "motifs": motifs} | ({"loo": loo} if loo else {})
        made = study(runs={"binding": run})
        assert scored.items() <= made["runs"]["binding"]["loo"].items()
        with_loo = study(runs={"binding": {"models": ["cnn"], "loo": loo or {"edit": "mask"}}})
        assert set(made["runs"]["binding"]["loo"]) == set(with_loo["runs"]["binding"]["loo"])
        assert made.motifs == [("binding", "cnn")]
        assert "motifs-binding+cnn" in figure_names(made, FAMILIES)
        assert "motifs-binding+cnn" not in figure_names(with_loo, FAMILIES)


def test_what_is_drawn_of_a_model_is_drawn_of_each_scored_one():
    run = {"models": ["cnn", "kmer"], "loo": {"edit": "replace"}}
    models = {"cnn": {"network": "cnn"}, "kmer": {"network": "kmer"}}
    names = figure_names(study(runs={"binding": run}, models=models), FAMILIES)
    assert [n for n in names if n.startswith("mutagenesis")] == [f"mutagenesis-binding+{m}" for m in ("cnn", "kmer")]
    masked = run | {"loo": {"edit": "mask"}}
    assert not [n for n in figure_names(study(runs={"binding": masked}, models=models), FAMILIES) if "+" in n]


@pytest.mark.parametrize("motifs", [{}, {"file": "a.meme", "jaspar": "fungi"}, {"jaspar": "mammals"}])
def test_motifs_need_one_collection_of_names(motifs):
    with pytest.raises(InputError, match="runs.binding.motifs"):
        study(runs={"binding": {"models": ["cnn"], "motifs": motifs}})


def test_interactions_are_of_bases_and_of_scored_examples():
    run = {"models": ["cnn"], "interactions": {"examples": 5}}
    made = study(runs={"binding": run | {"loo": {"examples": 2}}})
    assert made["runs"]["binding"]["loo"]["examples"] == 5 and made.paired == [("binding", "cnn")]
    assert made["runs"]["binding"]["interactions"] == {"examples": 5, "positions": 40, "edit": "mask"}
    assert "interactions-binding+cnn" in figure_names(made, FAMILIES)
    assert study(runs={"binding": {"models": ["cnn"], "loo": {"edit": "mask"}}}).paired == []


@pytest.mark.parametrize("dataset", [{"transcripts": {"source": "t"}}, {"table": {"source": "t", "tokens": " "}}])
def test_interactions_of_tokens_are_refused(dataset):
    with pytest.raises(InputError, match="runs.x.interactions: .* interactions are of bases"):
        check_interactions(dataset, "config, runs.x.interactions")
