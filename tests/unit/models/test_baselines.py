"""What a run is compared with when it does not say, and what is told of a run without a strong baseline."""

import copy
from pathlib import Path

import pytest

import seqlm
from seqlm.common.errors import InputError
from seqlm.models.baselines import lacking
from seqlm.study import Study, load_schema, model_kinds

SCHEMA = load_schema(Path(seqlm.__file__).parents[2] / "schemas" / "config.schema.yaml")
CONFIG = {
    "study": "s",
    "sources": {"a": {"table": "a.tsv"}, "g": {"fasta": "g.fa"}},
    "datasets": {"d": {"target": "class", "table": {"source": "a"}}},
    "tokenizers": {"t": {"kind": "character"}},
    "backbones": {"b": {"tokenizer": "t", "corpus": ["g"]}},
    "models": {"lm": {"backbone": "b", "head": "conv"}, "probe": {"backbone": "b", "head": "linear"}},
    "runs": {"d": {}},
}


def study(**changes):
    config = copy.deepcopy(CONFIG)
    config["datasets"]["d"] |= changes.pop("dataset", {})
    return Study(config | changes, SCHEMA)


def models(**changes):
    return study(**changes)["runs"]["d"]["models"]


def test_a_run_that_names_no_models_gets_strong_baselines_and_what_fits():
    assert models() == ["kmer", "cnn", "dilated", "probe"]
    assert models(dataset={"aligned": True}) == ["kmer", "onehot", "cnn", "dilated", "probe"]
    track = {"target": "track", "windows": {"source": "g"}, "label": {"motif": "m"}, "table": {}}
    assert models(dataset=track) == ["cnn", "dilated", "lm"]
    mrna = {"target": "scalar", "transcripts": {"source": "a"}, "table": {}}
    assert models(dataset=mrna)[:2] == ["linear", "saluki"]


def test_the_jobs_and_kinds_are_those_of_any_other_model():
    one = study()
    assert {job.model for job in one.jobs} == {"kmer", "cnn", "dilated", "probe"}
    assert model_kinds(one.config)["dilated"]["kind"] == "dilated network"


def test_models_of_the_study_take_the_place_of_baselines():
    own = {"mine": {"network": "cnn", "filters": 16}, "kmer": {"backbone": "b"}, "both": {"ensemble": ["mine", "kmer"]}}
    assert models(models=own) == ["kmer-baseline", "dilated", "mine", "kmer", "both"]


def test_a_run_of_no_dataset_is_told_as_before():
    with pytest.raises(InputError, match="other"):
        study(runs={"other": {}})


@pytest.mark.parametrize(
    ("entries", "target", "said"),
    [
        ([{"network": "cnn"}, {"network": "kmer"}], "class", None),
        ([{"network": "cnn"}], "track", None),
        ([{"backbone": "b"}, {"network": "cnn"}], "class", "linear model"),
        ([{"backbone": "b"}, {"network": "onehot"}], "scalar", "trained from scratch"),
        ([{"backbone": "b"}], "track", "trained from scratch"),
    ],
)
def test_what_a_run_lacks(entries, target, said):
    sentence = lacking(entries, target)
    assert sentence is None if said is None else said in sentence
