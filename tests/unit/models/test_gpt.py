"""The language model: size, causality, padding, the key/value cache, loss and learning."""

import math

import pytest
import torch
from transformers import DynamicCache

from seqlm.common.errors import InputError
from seqlm.models.language.gpt import GPTConfig, GPTForCausalLM


def tiny(seed=0, **options):
    torch.manual_seed(seed)
    settings = {"vocab_size": 4, "block_size": 24, "n_layer": 2, "n_head": 2, "n_embd": 16} | options
    return GPTForCausalLM(GPTConfig(**settings)).eval()


@pytest.mark.parametrize(("vocabulary", "expected"), [(40, 7_211_904), (4, 7_198_080)])
def test_parameter_count(vocabulary, expected):
    width, layers, block = 384, 4, 300
    per_block = width + 3 * width**2 + width**2 + width + 2 * 4 * width**2  # norm, qkv, projection, norm, MLP
    by_hand = vocabulary * width + block * width + layers * per_block + width
    with torch.device("meta"):
        model = GPTForCausalLM(GPTConfig(vocab_size=vocabulary))
    assert by_hand == expected
    assert sum(p.numel() for p in model.parameters()) == expected  # the output layer is the embedding: counted once
    assert sum(p.numel() for p in model.network.parameters()) == expected


def test_output_layer_is_the_embedding():
    model = tiny()
    assert model.lm_head.weight is model.network.wte.weight


def test_initial_weights_are_gpt2s():
    model = tiny(n_embd=128, n_layer=8)
    block = model.network.blocks[0]
    assert abs(block.attention.qkv.weight.std() - 0.02) < 0.001
    for layer in (block.attention.projection, block.mlp.contract):
        assert abs(layer.weight.std() - 0.02 / math.sqrt(16)) < 0.0005


@pytest.mark.parametrize("training", [False, True])
def test_no_position_sees_what_follows(training):
    model = tiny(n_layer=3).train(training)
    ids = torch.randint(0, 4, (1, 20))
    changed = ids.clone()
    changed[:, 12] = (ids[:, 12] + 1) % 4
    logits = []
    for x in (ids, changed):
        torch.manual_seed(7)  # the same dropout
        logits.append(model(x).logits)
    same = (logits[0] == logits[1]).all(-1)[0]
    assert same[:12].all()
    assert not same[12:].any()


def test_padding_on_the_right_changes_nothing():
    model, ids = tiny(), torch.randint(0, 4, (2, 9))
    padded = torch.cat([ids, torch.full((2, 6), 255)], 1).to(torch.uint8)
    torch.testing.assert_close(model(padded).logits[:, :9], model(ids).logits)


def test_padding_on_the_left_changes_nothing_under_a_mask():
    model, ids = tiny(), torch.randint(0, 4, (1, 9))
    padded = torch.cat([torch.zeros(1, 3, dtype=torch.long), ids], 1)
    mask = torch.tensor([[0] * 3 + [1] * 9])
    positions = torch.tensor([[0, 0, 0, *range(9)]])
    torch.testing.assert_close(
        model(padded, attention_mask=mask, position_ids=positions).logits[:, 3:], model(ids).logits
    )


def test_an_id_outside_the_vocabulary_is_only_its_position():
    core = tiny().network
    embedded = core.embed_tokens(torch.tensor([[0, 4, 255, 3]], dtype=torch.uint8))
    assert (embedded[0, 1:3] == 0).all()
    assert torch.equal(embedded[0, 3], core.wte.weight[3])


@pytest.mark.parametrize("pieces", [[8, 12], [19, 1], [5] * 4])
def test_cache_equals_no_cache(pieces):
    model, ids, cache, logits = tiny(), torch.randint(0, 4, (3, 20)), DynamicCache(), []
    for piece in ids.split(pieces, 1):
        output = model(piece, past_key_values=cache, use_cache=True)
        cache = output.past_key_values
        logits.append(output.logits)
    torch.testing.assert_close(torch.cat(logits, 1), model(ids).logits)


def test_generate_uses_the_cache_and_equals_greedy_by_hand():
    model = tiny(seed=4)
    ids = torch.tensor([[0, 1, 2]])
    generated = model.generate(ids, max_new_tokens=8, do_sample=False)
    for _ in range(8):
        ids = torch.cat([ids, model(ids).logits[:, -1:].argmax(-1)], 1)
    assert torch.equal(generated, ids)


@torch.no_grad()
def test_hidden_states_are_those_between_the_blocks():
    model, ids = tiny(), torch.randint(0, 4, (2, 20))
    output = model(ids, output_hidden_states=True)
    core = model.network
    x = core.wte(ids) + core.wpe.weight[:20]
    expected = [x, x := core.blocks[0](x), core.norm(core.blocks[1](x))]
    assert all(torch.equal(a, b) for a, b in zip(output.hidden_states, expected, strict=True))
    assert model(ids).hidden_states is None


def test_loss_is_cross_entropy_of_the_next_token():
    model, ids = tiny(), torch.randint(0, 4, (2, 11))
    log_p = model(ids[:, :-1]).logits.log_softmax(-1)
    following = ids[:, 1:]
    expected = -log_p.gather(-1, following.unsqueeze(-1)).mean()
    torch.testing.assert_close(model(ids, labels=ids).loss, expected)
    torch.testing.assert_close(model(ids[:, :-1], shift_labels=following.to(torch.uint8)).loss, expected)
    ignored = following.clone()
    ignored[:, 3:] = -100
    torch.testing.assert_close(
        model(ids[:, :-1], shift_labels=ignored).loss, -log_p.gather(-1, following.unsqueeze(-1))[:, :3].mean()
    )


def test_dropout_is_off_in_evaluation_and_on_in_training():
    model, ids = tiny(), torch.randint(0, 4, (2, 12))
    assert torch.equal(model(ids).logits, model(ids).logits)
    model.train()
    assert not torch.equal(model(ids).logits, model(ids).logits)


def test_bfloat16_is_close_to_float32():
    model, ids = tiny(), torch.randint(0, 4, (2, 24))
    with torch.autocast("cpu", torch.bfloat16):
        low = model(ids).logits
    torch.testing.assert_close(low.float(), model(ids).logits, atol=0.02, rtol=0.05)


def test_learns_one_batch_by_heart():
    model = tiny(n_embd=32, dropout=0.0).train()
    ids = torch.randint(0, 4, (4, 24), generator=torch.Generator().manual_seed(0))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(150):
        optimizer.zero_grad()
        loss = model(ids, labels=ids).loss
        loss.backward()
        optimizer.step()
    # only the first token of each row can hardly be told from nothing
    assert loss < 0.15


def test_too_long_a_sequence_is_one_line():
    with pytest.raises(InputError, match="25 tokens do not fit"):
        tiny()(torch.zeros(1, 25, dtype=torch.long))
    with pytest.raises(InputError, match="n_head"):
        GPTConfig(n_head=5)
