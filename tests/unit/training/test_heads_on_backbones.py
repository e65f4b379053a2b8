"""What a head can learn on a frozen backbone that has learned nothing."""

import numpy as np
import pandas as pd
import pytest
import torch
from test_fitting import run

from seqlm.datasets import Dataset
from seqlm.models.bundle import save_bundle
from seqlm.models.language.gpt import GPTConfig, GPTForCausalLM
from seqlm.tokenization import learn_tokenizer

PARTS = ["train"] * 400 + ["validation"] * 100 + ["test"] * 100


@pytest.fixture
def planted():
    """600 random sequences, a motif somewhere in every other one."""
    rng = np.random.default_rng(0)
    sequences = ["".join(rng.choice(list("ACGT"), 60)) for _ in PARTS]
    for i in range(0, len(sequences), 2):
        at = int(rng.integers(0, 50))
        sequences[i] = sequences[i][:at] + "TGACTCA" + sequences[i][at + 7 :]
    ids = [f"s{i}" for i in range(len(sequences))]
    examples = pd.DataFrame({"id": ids, "sequence": sequences, "group": ids, "weight": 1.0})
    examples["target"] = ["motif", "none"] * (len(ids) // 2)
    folds = pd.DataFrame({"id": ids, "fold": 0, "part": PARTS})
    return Dataset(examples, folds, {"target": "class", "classes": ["motif", "none"]})


def test_a_motif_that_stands_anywhere_is_learned_by_a_convolution_before_pooling(tmp_path, planted):
    torch.manual_seed(0)
    core = GPTForCausalLM(GPTConfig(vocab_size=4, block_size=64, n_layer=1, n_head=2, n_embd=16))
    save_bundle(core, tmp_path / "gpt", learn_tokenizer("character", alphabet="ACGT"))
    accuracy = {}
    for name, model in {"stock": {}, "pooled": {"depth": 0}}.items():
        cache = tmp_path / "cache" / name
        _, network, history = run(tmp_path, planted, model, tmp_path / "gpt", {"epochs": 20}, name, cache=cache)
        own = history.query("part == 'validation' and metric == 'accuracy'")["value"]
        accuracy[name] = own.max()
        assert (network.head.convolutions is None) == (name == "pooled")
    assert accuracy["stock"] > 0.85 and accuracy["pooled"] < 0.7, accuracy
