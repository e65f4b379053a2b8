"""Every kind of network that a study can name can be timed, so that no plan stops at one."""

import math

import numpy as np
import pytest

from seqlm.models.language.sizes import with_numbers
from seqlm.planning import measuring

LETTERS, CODONS = {"kind": "character", "case": "upper"}, {"kind": "kmer", "k": 3}
SMALL = {"size": "tiny", "layers": 1, "width": 16, "block": 64, "batch_size": 2}
CLASSES = ["a", "b", "c"]
MODELS = {
    "class": [
        {"network": "kmer", "max_k": 2}, {"network": "onehot"}, {"network": "cnn"}, {"network": "dilated"},
        {"network": "codon"}, {"backbone": "gpt"}, {"backbone": "gpt", "train": "all"}, {"backbone": "esm"},
        {"backbone": "gpt", "train": "lora"}, {"backbone": "esm", "head": "linear"},
        {"backbone": "gpt", "context": "both_strands", "head": "pooled", "layers": [0, 1]},
    ],
    "track": [{"network": "cnn"}, {"network": "dilated"}, {"backbone": "gpt"}, {"backbone": "gpt", "skip": "onehot"}],
    "scalar": [{"network": "linear"}, {"network": "saluki", "length": 128, "blocks": 2, "filters": 8}],
}  # fmt: skip


@pytest.mark.parametrize("target", MODELS)
def test_every_kind_of_model_is_timed(target, monkeypatch):
    monkeypatch.setattr(measuring, "SHORTEST", 0.0)
    monkeypatch.setattr(measuring.subprocess, "run", lambda *_: None)  # how long imports take
    rng = np.random.default_rng(0)
    texts = ["".join(rng.choice(list("ACGT"), 60)) for _ in range(24)]
    if target == "scalar":  # mRNAs
        texts = [" ".join([*"acg", *("Acg" * 15), "tej", *"acg"]) for _ in range(24)]
    gpt = with_numbers(SMALL | {"architecture": "gpt", "tokenizer": LETTERS, "mask_probability": 0.15})
    esm = with_numbers(SMALL | {"architecture": "esm", "tokenizer": CODONS, "mask_probability": 0.15})
    models = {("d", str(i)): (entry, texts, target, CLASSES) for i, entry in enumerate(MODELS[target])}
    machine = measuring.measure({"gpt": gpt, "esm": esm}, models, threads=1)
    assert set(machine.rates) == {"gpt", "esm", *models}
    for name, rates in machine.rates.items():
        assert all(math.isfinite(value) and value >= 0 for value in rates.values()), name
        assert rates["predict"] > 0 and rates.get("train", rates.get("fit")) > 0 and rates["memory"] > 1e7, name
    assert machine.cores >= 1 and machine.memory > 1e8
