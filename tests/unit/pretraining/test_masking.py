"""Masked language modelling: the proportions of masking, what depends on what, and that a small model learns."""

import numpy as np
import pytest
import torch
from transformers import AutoModelForMaskedLM, EsmForMaskedLM

from seqlm.common.errors import InputError
from seqlm.models.language.families.esm import GatedEsmConfig, GatedEsmForMaskedLM, esm_config
from seqlm.pretraining.masking import MaskedTokenObjective, mask_tokens, ordinary_tokens, token_letters
from seqlm.pretraining.pretrain import MaskedBlocks
from seqlm.tokenization.kmer import learn
from seqlm.training.objectives import Meter


@pytest.fixture(scope="module")
def tokenizer():
    return learn(k=3)


def test_proportions_of_masking(tokenizer):
    rng = np.random.default_rng(1)
    ids = rng.integers(0, len(tokenizer), (400, 500))
    ordinary = ordinary_tokens(tokenizer)
    assert ordinary.tolist() == list(range(6, 6 + 64 + 5))
    shown, targets = mask_tokens(ids, rng.random((3, *ids.shape)), ordinary, tokenizer.mask_token_id)
    predicted = targets != -100
    assert np.isin(ids[predicted], ordinary).all() and (targets[predicted] == ids[predicted]).all()
    assert (shown[~predicted] == ids[~predicted]).all()
    is_ordinary = np.isin(ids, ordinary)
    assert predicted.sum() / is_ordinary.sum() == pytest.approx(0.15, abs=0.01)
    assert (shown[predicted] == 2).mean() == pytest.approx(0.8, abs=0.02)
    kept = (shown[predicted] == ids[predicted]).mean()
    assert kept == pytest.approx(0.1 + 0.1 / len(ordinary), abs=0.02)
    replaced = predicted & (shown != ids) & (shown != 2)
    assert np.isin(shown[replaced], ordinary).all() and len(np.unique(shown[replaced])) == len(ordinary)


def test_accuracy_per_token_and_per_base(tokenizer):
    """Against a count by hand: the model answers ATG everywhere."""
    vocabulary = tokenizer.get_vocab()
    letters = token_letters(tokenizer)
    assert bytes(letters[vocabulary["ATG"]]) == b"ATG" and letters[vocabulary["N"]].tolist() == [ord("N"), 0, 0]

    class Answer(torch.nn.Module):
        def base_model(self, ids, attention_mask=None):
            return type("Output", (), {"last_hidden_state": torch.zeros(*ids.shape, 1)})

        def lm_head(self, hidden):
            return torch.nn.functional.one_hot(torch.full((len(hidden),), vocabulary["ATG"]), len(tokenizer)) * 9.0

    targets = torch.full((1, 5), -100)
    targets[0, :4] = torch.tensor([vocabulary[word] for word in ("ATG", "ATC", "GGG", "A")])
    objective, meter = MaskedTokenObjective(tokenizer), Meter()
    objective(Answer(), {"input_ids": torch.zeros(1, 5, dtype=torch.long), "targets": targets}, meter)
    measured = objective.compute(meter)
    assert measured["accuracy"] == 1 / 4
    assert measured["base_accuracy"] == pytest.approx((3 + 2 + 1 + 1) / 10)


@pytest.mark.parametrize("gated", [False, True])
def test_a_small_model_learns_a_repeat_and_reloads(tokenizer, tmp_path, gated):
    torch.manual_seed(0)
    config = esm_config(tokenizer, n_layer=2, n_head=2, n_embd=32, gated=gated)
    model = AutoModelForMaskedLM.from_config(config)
    assert type(model) is (GatedEsmForMaskedLM if gated else EsmForMaskedLM)
    text = np.array(tokenizer("ATGGTAGCTACATCATCT" * 20, add_special_tokens=False)["input_ids"], np.uint8)
    data = MaskedBlocks(text, 20, 10**6, 0, tokenizer, 0.15)
    objective = MaskedTokenObjective(tokenizer)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for step in range(150):
        loss = objective(model, data.__getitems__(range(step * 16, step * 16 + 16)))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    meter = Meter()
    with torch.no_grad():
        objective(model.eval(), data.__getitems__(range(10**5, 10**5 + 64)), meter)
    assert objective.compute(meter)["accuracy"] > 0.8
    model.save_pretrained(tmp_path)
    again = AutoModelForMaskedLM.from_pretrained(tmp_path)
    ids = torch.tensor([[3, 10, 20, 30]])
    assert torch.equal(again(ids).logits, model(ids).logits)


def test_gated_feed_forward_is_version_twos(tokenizer):
    """Shapes of the published 50M model (4,107 tokens, 12 layers of 512), and the gate against its formula."""
    config = GatedEsmConfig(
        vocab_size=4107, hidden_size=512, num_hidden_layers=1, num_attention_heads=16, intermediate_size=2048,
        pad_token_id=1, mask_token_id=2, position_embedding_type="rotary", tie_word_embeddings=False,
    )  # fmt: skip
    layer = GatedEsmForMaskedLM(config).esm.encoder.layer[0]
    assert layer.intermediate.dense.weight.shape == (4096, 512) and layer.intermediate.dense.bias is None
    assert layer.output.dense.weight.shape == (512, 2048) and layer.output.dense.bias is None
    x = torch.randn(2, 3, 512)
    first, second = torch.einsum("ntd,kd->ntk", x, layer.intermediate.dense.weight).split(2048, -1)
    torch.testing.assert_close(layer.intermediate(x), first * torch.sigmoid(first) * second)


def test_size_of_the_published_model():
    """55,904,972 parameters, of which 2,050 x 512 are absolute positions that rotary models never read."""
    config = GatedEsmConfig(
        vocab_size=4107, hidden_size=512, num_hidden_layers=12, num_attention_heads=16, intermediate_size=2048,
        pad_token_id=1, mask_token_id=2, position_embedding_type="rotary", tie_word_embeddings=False,
        max_position_embeddings=2050,
    )  # fmt: skip
    with torch.device("meta"):
        model = GatedEsmForMaskedLM(config)
    counted = {name: p.numel() for name, p in model.named_parameters() if "position_embeddings" not in name}
    assert sum(counted.values()) == 55_904_972 - 2050 * 512


def test_what_cannot_be_masked(tokenizer):
    from seqlm.tokenization.character import learn as characters

    with pytest.raises(InputError, match="kmer"):
        esm_config(characters(alphabet="ACGT"))
