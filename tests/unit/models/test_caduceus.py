"""Caduceus by its published names of weights, against recurrences written down from the papers."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hub_layouts import FAMILIES, edit
from safetensors.torch import load_file, save_file

import seqlm
from seqlm.common.errors import InputError
from seqlm.models.language.hub import load_language_model
from seqlm.models.language.tuning import tuned
from seqlm.sequences import reverse_complement

SEQUENCES = ["ATGGTAGCTACATCATCTACATCA", "GATTNCAGATTA", "CCGGTTAACGATGCATGC"]
COMPLEMENT = torch.tensor([*range(7), 10, 9, 8, 7, *range(11, 16)])


@pytest.fixture(scope="module", params=["ph", "ps"])
def published(request, tmp_path_factory):
    """Folder, weights in float64 and the model as it is read."""
    folder = tmp_path_factory.mktemp(request.param)
    FAMILIES[f"caduceus-{request.param}"](folder)
    path, rng = folder / "model.safetensors", torch.Generator().manual_seed(1)
    state = load_file(path)
    state |= {name: x + 0.2 * torch.randn(x.shape, generator=rng) for name, x in state.items() if x.is_floating_point()}
    save_file(state, path, {"format": "pt"})
    state = {name.removeprefix("caduceus.backbone."): x.double() for name, x in state.items()}
    return folder, state, load_language_model(folder)


def mamba(state, at, x, shared):
    """One Mamba of one sequence (T, E), place by place."""
    x, gate = (x @ state[f"{shared}.in_proj.weight"].T).chunk(2, -1)
    kernel, short = state[f"{at}.conv1d.weight"][:, 0], torch.zeros_like(x)
    for t in range(len(x)):
        short[t] = state[f"{at}.conv1d.bias"]
        for back in range(min(4, t + 1)):
            short[t] += kernel[:, 3 - back] * x[t - back]
    x = F.silu(short)
    step, B, C = (x @ state[f"{at}.x_proj.weight"].T).split([1, 4, 4], -1)
    step = torch.log1p(torch.exp(step @ state[f"{at}.dt_proj.weight"].T + state[f"{at}.dt_proj.bias"]))
    A, h, y = -torch.exp(state[f"{at}.A_log"]), 0, torch.zeros_like(x)
    for t in range(len(x)):
        h = torch.exp(step[t][:, None] * A) * h + step[t][:, None] * B[t] * x[t][:, None]
        y[t] = h @ C[t] + state[f"{at}.D"] * x[t]
    return (y * F.silu(gate)) @ state[f"{shared}.out_proj.weight"].T


def by_hand(state, ids, strands):
    """Last states (T, E) of the strands of one sequence, and its logits (T, V)."""

    def norm(x, name):
        return x / (x.square().mean(-1, keepdim=True) + 1e-5).sqrt() * state[f"{name}.weight"]

    def block(x, k):
        at = f"layers.{k}.mixer" + (".submodule" if strands == 2 else "")
        x, fwd = norm(x, f"layers.{k}.norm"), f"{at}.mamba_fwd"
        return mamba(state, fwd, x, fwd) + mamba(state, f"{at}.mamba_rev", x.flip(0), fwd).flip(0)

    words = state["embeddings.word_embeddings" + (".embedding" if strands == 2 else "") + ".weight"]
    if strands == 1:
        x = words[ids]
        for k in range(2):
            x = x + block(x, k)
        x = norm(x, "norm_f")
        return x, x @ words.T
    # Each strand in its own direction; with an even number of blocks the exchange of halves ends where it began, but
    # what stands in the first half is always read as it stands, in the second half turned round.
    first, second = words[ids], words[COMPLEMENT[ids]].flip(-1)
    for k in range(2):
        first, second = second, first
        first = first + block(first, k)
        second = second + block(second.flip(0, 1), k).flip(0, 1)
    first, second = norm(first, "norm_f"), norm(second.flip(0, 1), "norm_f").flip(0, 1)
    return torch.cat([first, second], -1), first @ words.T + second.flip(-1) @ words[COMPLEMENT].T


def test_it_is_what_its_papers_say(published):
    _, state, model = published
    strands = 2 if model.config.rcps else 1
    for sequence in SEQUENCES:
        ids = model.tokenizer(sequence)["input_ids"]
        assert ids == ["ACGTN".index(base) + 7 for base in sequence] + [1]
        states, logits = by_hand(state, torch.tensor(ids), strands)
        with torch.no_grad():
            output = model(torch.tensor([ids]), output_hidden_states=True)
        torch.testing.assert_close(output.hidden_states[-1][0].double(), states, atol=2e-4, rtol=1e-4)  # of float32
        torch.testing.assert_close(output.logits[0].double(), logits, atol=1e-3, rtol=1e-4)
        np.testing.assert_allclose(seqlm.embed(model, [sequence])[0], states.mean(0), atol=2e-4)


def test_states_of_the_other_strand_are_those_of_the_sequence_turned_round(published):
    _, _, model = published
    with torch.no_grad():
        a, b = (
            model(torch.tensor([model.tokenizer(text)["input_ids"][:-1]]), output_hidden_states=True)
            for text in (SEQUENCES[0], reverse_complement(SEQUENCES[0]))
        )
    for x, y in zip(a.hidden_states, b.hidden_states, strict=True):
        assert torch.allclose(x, y.flip(1, 2), atol=1e-5) == model.config.rcps
    assert torch.allclose(a.logits, b.logits.flip(1)[..., COMPLEMENT], atol=1e-4) == model.config.rcps


def test_padding_is_not_in_the_way(published):
    """One direction would begin with it."""
    _, _, model = published
    alone = np.concatenate([seqlm.embed(model, [sequence]) for sequence in SEQUENCES])
    np.testing.assert_allclose(seqlm.embed(model, SEQUENCES), alone, atol=1e-5)


def test_an_encoder_alone(published):
    _, _, model = published
    found = seqlm.embed(model.base_model, SEQUENCES, tokenizer=model.tokenizer)
    np.testing.assert_array_equal(found, seqlm.embed(model, SEQUENCES))


def test_maps_are_shared_whatever_the_config_says_of_the_output_layer(published):
    folder, _, model = published
    edit(folder, "config.json", tie_word_embeddings=False)
    again = load_language_model(folder)
    np.testing.assert_allclose(seqlm.embed(again, SEQUENCES), seqlm.embed(model, SEQUENCES), atol=1e-6)
    edit(folder, "config.json", remove=["tie_word_embeddings"])


def test_what_is_trained(published):
    folder, _, _ = published
    model = load_language_model(folder)
    network = tuned(model, model.tokenizer, train="all", head="pooled", target="scalar").train()
    network(network.encode(SEQUENCES)).sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in network.backbone.parameters())
    with pytest.raises(InputError, match="LoRA does not fit.*shared"):
        tuned(model, model.tokenizer, train="lora", head="pooled", target="scalar")


def test_what_is_not_the_family_is_told(published):
    folder, _, _ = published
    edit(folder, "config.json", bidirectional_strategy="ew_multiply")
    with pytest.raises(InputError, match="does not add"):
        load_language_model(folder)
    edit(folder, "config.json", bidirectional_strategy="add")
