"""Several layers of an encoder: which states they are, how they are mixed, how they are trained."""

import numpy as np
import pytest
import torch
from small_models import KINDS, small_model
from torch import nn

from seqlm.common.errors import InputError
from seqlm.models.bundle import load_model, save_bundle
from seqlm.models.language.backbone import BackboneModel
from seqlm.models.language.layer_mix import SPEED, LayerMix
from seqlm.models.language.tuning import finish, tuned
from seqlm.training.features import standardise_layers

SEQUENCES = ["ATGGTAGCTACATCATCT", "GATTACA", "CCGGTTAACGATGCA"]


def pooled(kind, layers, **options):
    model = small_model(kind)
    options = {"head": "pooled", "target": "class", "n_outputs": 3, "hidden": 8} | options
    return BackboneModel.on(model, model.tokenizer, layers=layers, **options).eval()


def states_by_hooks(model, X):
    """Embeddings of the tokens and what leaves each block; the encoder's final output in place of the last."""
    blocks = max((m for m in model.backbone.modules() if isinstance(m, nn.ModuleList)), key=len)
    states, handles = [], []
    for block in blocks:
        handles.append(
            block.register_forward_hook(
                lambda module, args, output: states.append(output[0] if isinstance(output, tuple) else output)
            )
        )
    known = model.known(X)
    ids = X.where(known, model.backbone.config.pad_token_id or 0)
    output = model.backbone(input_ids=ids, attention_mask=known.long()).last_hidden_state
    for handle in handles:
        handle.remove()
    tokens = model.backbone.get_input_embeddings().weight[ids]
    return [state.double().numpy() for state in (tokens, *states[:-1], output)], known.numpy()


@torch.no_grad()
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("layers", ["all", [2, 0], [3]])
def test_the_head_reads_the_weighted_mean_of_normalised_layers(kind, layers):
    model = pooled(kind, layers)
    numbers = [0, 1, 2, 3] if layers == "all" else layers
    weight = np.linspace(-1, 1, len(numbers))
    model.mix.weight.copy_(torch.from_numpy(weight / SPEED))
    model.mix.scale.fill_(0.7)
    model.mix.mean.normal_()
    model.mix.deviation.uniform_(0.5, 2)
    X = model.encode(SEQUENCES).long()
    states, known = states_by_hooks(model, X)
    share = np.exp(weight) / np.exp(weight).sum()
    mixed = 0
    for i, (k, s) in enumerate(zip(numbers, share, strict=True)):
        x = states[k]
        x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-6)
        mixed = mixed + 0.7 * s * (x - model.mix.mean[i].numpy()) / model.mix.deviation[i].numpy()
    mean = (mixed * known[..., None]).sum(1) / known.sum(1, keepdims=True)
    torch.testing.assert_close(model(X), model.head(torch.from_numpy(mean).float()), atol=1e-5, rtol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("kind", ["esm", "bert", "seqlm-gpt"])
@pytest.mark.parametrize("context", ["forward", "both_strands"])
@pytest.mark.parametrize("pooling", ["mean", "last"])
def test_alone_or_in_a_batch(kind, context, pooling):
    model = pooled(kind, "all", context=context, pooling=pooling)
    together = model(model.encode(SEQUENCES))
    alone = torch.cat([model(model.encode([sequence])) for sequence in SEQUENCES])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_a_layer_of_another_scale_does_not_drown_the_others():
    """Without its own normalisation a layer a thousand times as large would be all that the head sees."""
    model = pooled("seqlm-gpt", [0, 3], head="conv", target="track", n_outputs=1)
    X = model.encode(SEQUENCES)
    expected = model(X)
    model.backbone.norm.weight.mul_(1000)
    torch.testing.assert_close(model(X), expected, atol=1e-3, rtol=1e-3)


@torch.no_grad()
@pytest.mark.parametrize("shape", [(40, 7), (40,)])
def test_what_all_tokens_share_is_taken_away(shape):
    """Features in a narrow cone, with rogue dimensions, come out with mean 0 and deviation 1; a constant one with 0."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(*shape, 2, 1, 6)) * [1, 1e-2, 30, 1, 1, 0] + [5, -9, 100, 0, 2, 3]
    x = torch.from_numpy(x.reshape(*shape, 12)).float()
    mix = LayerMix(1, 6, strands=2)
    mix.standardise(x.split(16))
    y = mix(x).reshape(-1, 6).double()
    torch.testing.assert_close(y.mean(0), torch.zeros(6).double(), atol=1e-4, rtol=0)
    torch.testing.assert_close(y.std(0, correction=0), torch.tensor([1.0, 1, 1, 1, 1, 0]).double(), atol=1e-3, rtol=0)


@pytest.mark.parametrize(("train", "divided"), [("head", True), ("lora", True), ("all", False), ({"freeze": 2}, False)])
def test_features_are_divided_by_their_deviation_where_the_encoder_stays_as_it_is(train, divided):
    """A feature that varies little in the pretrained encoder would be magnified, and what training makes of it, too."""
    language = small_model("seqlm-gpt")
    options = {"head": "pooled", "target": "class", "n_outputs": 2, "hidden": 4, "layers": "all"}
    model = tuned(language, language.tokenizer, train, before_pooling=1, **options)
    standardise_layers(model, model.encode(SEQUENCES))
    assert model.mix.mean.abs().max() > 0
    assert (model.mix.deviation != 1).any() == divided


@torch.no_grad()
def test_bundles_from_before_read_their_embedding_with_its_place():
    """A config that does not say which it is: what was trained on one must not be shown the other."""
    model = pooled("seqlm-gpt", [0])
    X = model.encode(SEQUENCES)
    state = model.backbone(X.long(), output_hidden_states=True).hidden_states[0]
    model.config = type(model.config)(**{k: v for k, v in model.config.to_dict().items() if k != "tokens_alone"})
    normalised = torch.nn.functional.layer_norm(state, state.shape[-1:], eps=1e-6)
    torch.testing.assert_close(model(X), model.head(model.mix(normalised), model.known(X.long())))


@torch.no_grad()
def test_last_is_the_last_layer_as_it_is():
    model = pooled("seqlm-gpt", "last")
    X = model.encode(SEQUENCES)
    assert model.mix is None
    x = model.backbone(X.long()).last_hidden_state
    assert torch.equal(model(X), model.head(x, model.known(X.long())))


@pytest.mark.parametrize("kind", ["esm", "seqlm-gpt"])
@pytest.mark.parametrize("train", ["head", "all", "lora", {"freeze": 2}])
@pytest.mark.parametrize("target", ["track", "class", "scalar"])
def test_every_way_of_training_learns_the_mix(kind, train, target, tmp_path):
    if kind == "esm" and target == "track":
        pytest.skip("its tokens hold several bases")
    language = small_model(kind)
    options = {"head": "conv" if target == "track" else "pooled", "target": target, "hidden": 8}
    options |= {"n_outputs": 3 if target == "class" else 1, "skip": "onehot" if target == "track" else "none"}
    model = tuned(language, language.tokenizer, train, layers="all", context="both_strands", **options).train()
    X = model.encode(SEQUENCES)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        (model(X) - 1).square().sum().backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    changed = {name for name, p in model.named_parameters() if not torch.equal(p, before[name])}
    assert "mix.weight" in changed
    assert any(name.startswith("backbone") for name in changed) == (train != "head")
    model = finish(model).eval()
    with torch.no_grad():
        expected = model(X)
        save_bundle(model, tmp_path)
        again = load_model(tmp_path)
        assert torch.equal(again(again.encode(SEQUENCES)), expected)


@torch.no_grad()
def test_a_linear_head_gets_the_layers_side_by_side():
    model = pooled("esm", [0, 3], head="linear", context="both_strands")
    features = model.features(model.encode(SEQUENCES), pooled=True)
    assert features.shape == (3, 2 * 2 * 32) and model.mix is None
    assert model(features).shape == (3, 3)


@pytest.mark.parametrize("layers", [[4], [-1], [0, 0], [], "first", [1.5], [True]])
def test_layers_that_are_not_there(layers):
    with pytest.raises(InputError, match="layers"):
        pooled("seqlm-gpt", layers)


def test_an_encoder_that_keeps_its_layers_to_itself(monkeypatch):
    model = pooled("seqlm-gpt", "all")
    forward = model.backbone.forward
    monkeypatch.setattr(model.backbone, "forward", lambda *args, output_hidden_states, **kwargs: forward(*args))
    with pytest.raises(InputError, match="use layers: last"):
        model(model.encode(SEQUENCES))
