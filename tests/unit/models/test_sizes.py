"""Sizes of language models by name: what they stand for, and that shipped studies say theirs."""

import pytest
import yaml

from seqlm.common.errors import InputError
from seqlm.models.language.sizes import SIZES
from seqlm.study import Study, load_schema

# DNA-LLM's own, as its documents give them.
DNA_LLM = {
    "layers": 4, "heads": 4, "width": 384, "block": 300, "dropout": 0.2, "steps": 4000, "batch_size": 64,
    "learning_rate": 1e-3, "final_learning_rate": 1e-4, "warmup": 100, "weight_decay": 0.1, "evaluate_every": 1000,
    "evaluate_batches": 100,
}  # fmt: skip


@pytest.fixture(scope="module")
def backbones(root):
    schema = load_schema(root / "workflow/schemas/config.schema.yaml")

    def made(**entries):
        entries = {name: {"tokenizer": "bases", "corpus": ["genome"], **entry} for name, entry in entries.items()}
        config = {"study": "x", "sources": {"genome": {"fasta": "x.fa"}}}
        config["tokenizers"] = {"bases": {"kind": "character"}}
        return Study({**config, "backbones": entries}, schema)["backbones"]

    return made


@pytest.mark.parametrize("architecture", ["gpt", "esm"])
def test_a_backbone_without_numbers_is_small_and_its_untrained_twin_as_large(backbones, architecture):
    made = backbones(own={"architecture": architecture}, twin={"architecture": architecture, "steps": 0})
    assert {key: made["own"][key] for key in SIZES["small"]} == SIZES["small"]
    assert made["twin"] == {**made["own"], "steps": 0}


def test_a_size_stands_for_its_numbers_and_each_can_be_set(backbones):
    made = backbones(full={"size": "dna-llm"}, numbers=DNA_LLM, wide={"size": "tiny", "width": 96})
    assert made["full"] == made["numbers"]
    assert {key: made["full"][key] for key in DNA_LLM} == DNA_LLM
    assert {key: made["wide"][key] for key in SIZES["tiny"]} == {**SIZES["tiny"], "width": 96}


def test_a_wrong_size_is_one_line_with_the_sizes_there_are(backbones):
    with pytest.raises(InputError, match="'huge' is not one of .'tiny', 'small', 'dna-llm'"):
        backbones(own={"size": "huge"})
    with pytest.raises(InputError, match="a model of the hub has a size of its own; drop size"):
        backbones(own={"hub": "somebody/something", "size": "tiny"})


def test_shipped_studies_do_not_lean_on_the_default_size(root):
    """Their figures are published: another default must not change what they mean."""
    for path in (root / "config").rglob("*.yaml"):
        for name, backbone in (yaml.safe_load(path.read_text()).get("backbones") or {}).items():
            assert "hub" in backbone or "size" in backbone or not set(DNA_LLM) - set(backbone), f"{path.name}: {name}"
