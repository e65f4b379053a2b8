"""Models from elsewhere beside a Markov chain on the same held-out bases."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from published import causal, published
from transformers import LlamaConfig, LlamaForCausalLM

import score_backbone
from seqlm.common.errors import InputError
from seqlm.models.bundle import save_bundle
from seqlm.pretraining.published import bits_beside_markov
from seqlm.report.collecting import collect_language


@pytest.fixture(scope="module")
def genome(tmp_path_factory):
    """A first-order chain of 1.5 bits a base or so: after each base two others are likely."""
    rng = np.random.default_rng(0)
    rows = np.array(
        [[0.05, 0.45, 0.45, 0.05], [0.45, 0.05, 0.05, 0.45], [0.05, 0.45, 0.05, 0.45], [0.45, 0.05, 0.45, 0.05]]
    )
    states = [0]
    for _ in range(30_000):
        states.append(rng.choice(4, p=rows[states[-1]]))
    path = tmp_path_factory.mktemp("genome") / "g.fa"
    path.write_text(">g\n" + "".join("ACGT"[i] for i in states) + "\n")
    share = np.bincount(states, minlength=4) / len(states)
    return path, float(-(share[:, None] * rows * np.log2(rows)).sum())


def test_a_uniform_model_costs_what_its_vocabulary_says(genome):
    """Whose logits are all equal: log2 of the vocabulary for each token, whatever its length."""
    path, entropy = genome
    tokenizer = causal()
    model = LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=1,
                             num_attention_heads=2, intermediate_size=16, pad_token_id=3)).eval()  # fmt: skip
    torch.nn.init.zeros_(model.lm_head.weight)
    model.tokenizer = tokenizer
    found = bits_beside_markov(model, [path], length=60, windows=20, device="cpu")
    assert found["markov_bits_per_base"] == pytest.approx(entropy, abs=0.1) and found["markov_order"] >= 1
    text = path.read_text().split("\n")[1]
    ids = tokenizer(text[:3000])["input_ids"][1:-1]
    assert found["bits_per_base"] == pytest.approx(np.log2(len(tokenizer)) * len(ids) / 3000, abs=0.15)


@pytest.mark.parametrize("kind", ["character", "nucleotide-transformer", "overlapping"])
def test_masked_models_give_pseudo_bits(kind, genome, tmp_path):
    found = bits_beside_markov(published(kind, tmp_path), [genome[0]], length=40, windows=4, device="cpu")
    assert set(found) == {"bases", "markov_order", "markov_bits_per_base", "pseudo_bits_per_base"}
    # Random weights know nothing: about as much as log2 of the vocabulary for a token.
    assert 0.3 < found["pseudo_bits_per_base"] < 6


def test_what_cannot_be_scored_is_one_line(genome, tmp_path):
    with pytest.raises(InputError, match="no window of 90000 bases"):
        bits_beside_markov(published("character", tmp_path), [genome[0]], length=90_000, device="cpu")
    with pytest.raises(InputError, match="no likelihood"):
        bits_beside_markov(published("character", tmp_path).base_model, [genome[0]], device="cpu")


def test_the_job_of_a_study_writes_a_report(genome, tmp_path):
    """From the folder that was fetched, to a place where the tables find it."""
    model = published("causal", tmp_path)
    save_bundle(model, tmp_path / "backbones/llama")
    report = tmp_path / "likelihoods/backbones/llama/bits_per_base.json"
    report.parent.mkdir(parents=True)
    job = SimpleNamespace(
        input=SimpleNamespace(backbone=tmp_path / "backbones/llama", sources=[genome[0]]),
        output=SimpleNamespace(report=report),
        params=SimpleNamespace(validation=0.1),
        resources=SimpleNamespace(torch_threads=1, gpu=0),
        log=[],
    )
    score_backbone.main(job)
    table = collect_language([report]).set_index("measure")["value"]
    assert set(table.index) == {"bases", "bits_per_base", "markov_order", "markov_bits_per_base"}
    assert table["bits_per_base"] == pytest.approx(
        bits_beside_markov(model, [genome[0]], device="cpu")["bits_per_base"], abs=1e-4
    )
