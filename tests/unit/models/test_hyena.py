"""HyenaDNA by its published names of weights, against sums written down from the papers."""

import copy
import json
import math

import numpy as np
import pytest
import torch
from hub_layouts import FAMILIES, edit
from safetensors.torch import load_file, save_file

import seqlm
from seqlm.common.errors import InputError
from seqlm.inference.prediction import predict_targets
from seqlm.models.language.backbone import BackboneModel
from seqlm.models.language.encoders import longest_input
from seqlm.models.language.hub import fetch_bundle, load_language_model
from seqlm.models.language.tuning import tuned

SEQUENCES = ["ATGGTAGCTACATCATCTACATCA", "GATTNCAGATTA", "CCGGTTAACGATGCATGCATGCTTACTGCAGGAT"]
LONGEST = 130


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hyenadna")
    FAMILIES["hyenadna"](folder)
    path = folder / "model.safetensors"
    rng = torch.Generator().manual_seed(1)
    # Trained places, norms and paces are not what a new model's are.
    state = {name: x + 0.1 * torch.randn(x.shape, generator=rng) for name, x in load_file(path).items()}
    save_file(state, path, {"format": "pt"})
    return folder


@pytest.fixture(scope="module")
def model(folder):
    return load_language_model(folder)


def by_hand(state, ids):
    """The last state (T, E) for one sequence, sum by sum, in float64."""
    state = {name.removeprefix("hyena.backbone."): value.double() for name, value in state.items()}

    def norm(x, name):
        x = x - x.mean(-1, keepdim=True)
        return x / (x.square().mean(-1, keepdim=True) + 1e-5).sqrt() * state[f"{name}.weight"] + state[f"{name}.bias"]

    def linear(x, name):
        return x @ state[f"{name}.weight"].T + state.get(f"{name}.bias", 0)

    x = state["embeddings.word_embeddings.weight"][ids]
    T, E = x.shape
    for layer in range(2):
        at, mixer = f"layers.{layer}", f"layers.{layer}.mixer"
        place, network = f"{mixer}.filter_fn", f"{mixer}.filter_fn.implicit_filter"
        u = linear(norm(x, f"{at}.norm1"), f"{mixer}.in_proj")
        weight, short = state[f"{mixer}.short_filter.weight"][:, 0], torch.zeros(T, 3 * E, dtype=torch.double)
        for t in range(T):  # a letter and the two before it
            short[t] = state[f"{mixer}.short_filter.bias"]
            for back in range(min(3, t + 1)):
                short[t] += weight[:, 2 - back] * u[t - back]
        q, k, v = short[:, :E], short[:, E : 2 * E], short[:, 2 * E :]
        h, frequency = state[f"{place}.pos_emb.z"][0, :T], state[f"{network}.1.freq"]
        for name in ("0", "2", "4"):
            h = torch.sin(frequency * linear(h, f"{network}.{name}"))
        decay = torch.exp(-state[f"{place}.pos_emb.t"][0, :T] * state[f"{place}.modulation.deltas"][0].abs())
        h = linear(h, f"{network}.6") * (decay + 0.05)
        gated, long = k * v, torch.zeros(T, E, dtype=torch.double)
        for t in range(T):
            for s in range(t + 1):
                long[t] += h[t - s] * gated[s]
        long += state[f"{place}.bias"] * gated
        x = x + linear(q * long, f"{mixer}.out_proj")
        y = linear(norm(x, f"{at}.norm2"), f"{at}.mlp.fc1")
        y = y * (1 + torch.tanh(math.sqrt(2 / math.pi) * (y + 0.044715 * y**3))) / 2
        x = x + linear(y, f"{at}.mlp.fc2")
    return norm(x, "ln_f")


def test_it_is_what_its_papers_say(folder, model):
    state, precise = load_file(folder / "model.safetensors"), copy.deepcopy(model).double()
    for sequence in SEQUENCES:
        ids = model.tokenizer(sequence)["input_ids"]
        assert ids == ["ACGTN".index(base) + 7 for base in sequence] + [1]
        states = by_hand(state, ids)
        with torch.no_grad():
            output = precise(torch.tensor([ids]), output_hidden_states=True)
        torch.testing.assert_close(output.hidden_states[-1][0], states, atol=5e-6, rtol=0)
        torch.testing.assert_close(output.logits[0], states @ state["lm_head.weight"].double().T, atol=5e-6, rtol=0)
        # Sines of large numbers in 32 bits differ by so much from machine to machine.
        np.testing.assert_allclose(seqlm.embed(model, [sequence])[0], states.mean(0), atol=2e-4)
    assert longest_input(model, model.tokenizer) == LONGEST - 2  # what the tokenizer says


def test_an_encoder_alone(tmp_path):
    """Published without an output layer it is read and kept, though its parts have names that ours have, too."""
    FAMILIES["hyenadna"](tmp_path)
    expected = seqlm.embed(load_language_model(tmp_path), SEQUENCES)
    path = tmp_path / "model.safetensors"
    save_file({k: v for k, v in load_file(path).items() if "lm_head" not in k}, path, {"format": "pt"})
    fetch_bundle(tmp_path / "bundle", "hyenadna", tmp_path)
    again = load_language_model(tmp_path / "bundle")
    assert again.get_output_embeddings() is None
    np.testing.assert_allclose(seqlm.embed(again, SEQUENCES), expected, atol=1e-6)


def test_places_and_paces_of_a_new_model():
    """Of Poli et al. 2023: the first values of a filter in full, the slowest channel left at a hundredth after 1.5."""
    from seqlm.models.language.families.hyena import HyenaConfig, HyenaModel

    filter = HyenaModel(HyenaConfig(d_model=4, max_seq_len=50, filter_order=8)).backbone.layers[0].mixer.filter_fn
    t, z, deltas = filter.pos_emb.t[0, :, 0], filter.pos_emb.z[0], filter.modulation.deltas[0, 0]
    expected = np.exp(-2j * np.pi * np.outer(np.arange(50) / 50, [1e-4, 1]))
    np.testing.assert_allclose(z, np.column_stack([t, expected.real, expected.imag]), atol=1e-6)
    assert t[0] == 0 and t[-1] == 1
    np.testing.assert_allclose(np.exp(deltas[[0, -1]] * np.array([1.5, 0.3])), [0.01, 0.01], rtol=1e-5)


def test_nothing_after_a_base_has_any_effect(model):
    a, b = (torch.tensor([model.tokenizer(text)["input_ids"]]) for text in ("ACGTTGCAACGT", "ACGTTGCATTTT"))
    with torch.no_grad():
        a, b = model(a).logits, model(b).logits
    torch.testing.assert_close(a[:, :8], b[:, :8], atol=1e-5, rtol=1e-5)
    assert (a[:, 8] - b[:, 8]).abs().max() > 1e-3


def test_the_one_sine_may_have_several_names(folder, model, tmp_path):
    """As it has where a file is written without taking shared weights out."""
    state = load_file(folder / "model.safetensors")
    name = "hyena.backbone.layers.{}.mixer.filter_fn.implicit_filter.{}.freq"
    more = {name.format(k, place): state[name.format(k, 1)].clone() for k in range(2) for place in (3, 5)}
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    save_file(state | more, tmp_path / "model.safetensors", {"format": "pt"})
    again = load_language_model(tmp_path)
    np.testing.assert_allclose(seqlm.embed(again, SEQUENCES), seqlm.embed(model, SEQUENCES), atol=1e-6)


def test_what_is_not_the_family_is_told(folder, tmp_path):
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    edit(tmp_path, "config.json", hyena_order=3)
    with pytest.raises(InputError, match="Hyena of order 3"):
        load_language_model(tmp_path)
    config = json.loads((folder / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config))
    state = load_file(folder / "model.safetensors")
    save_file({k: v for k, v in state.items() if "1.freq" not in k}, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(InputError, match="not those of the class"):
        load_language_model(tmp_path)


@pytest.mark.parametrize("train", ["all", "lora", 1])
def test_all_of_it_and_low_ranks_are_trained(folder, train):
    model = load_language_model(folder)
    network = tuned(model, model.tokenizer, train=train, head="pooled", target="scalar").train()
    network(network.encode(SEQUENCES)).sum().backward()
    learnt = {name for name, p in network.backbone.named_parameters() if p.grad is not None and p.grad.any()}
    assert any("in_proj" in name for name in learnt)
    if train == "all":
        assert len(learnt) == len(list(network.backbone.parameters()))


def test_a_track_is_learnt_by_heart(model):
    """A head per base on eight sequences, whose letters it must tell apart."""
    rng = np.random.default_rng(0)
    sequences = ["".join(rng.choice(list("ACGT"), 24)) for _ in range(8)]
    target = torch.tensor([[base in "AT" for base in sequence] for sequence in sequences]).float()
    torch.manual_seed(0)
    track = BackboneModel.on(model, model.tokenizer, head="conv", hidden=16, layers="all").train()
    ids, optimiser = track.encode(sequences), torch.optim.Adam([p for p in track.parameters() if p.requires_grad], 0.02)
    for _ in range(150):
        optimiser.zero_grad()
        loss = (track(ids)[:, :24] - target).square().mean()
        loss.backward()
        optimiser.step()
    values = predict_targets(track.eval(), sequences, device="cpu")
    assert np.corrcoef(np.concatenate(values), target.numpy().ravel())[0, 1] > 0.95
