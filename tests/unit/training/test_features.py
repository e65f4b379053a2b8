"""Cached features are what the backbone gives, survive an interruption, and never come from another backbone."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from seqlm.common.errors import InputError
from seqlm.models.language.backbone import BackboneModel
from seqlm.models.language.backbone_config import BackboneConfig
from seqlm.training import ArrayData, FitSettings, features, fit
from seqlm.training.features import cached_features, standardise_layers

GPT = {"model_type": "seqlm-gpt", "vocab_size": 4, "block_size": 24, "n_layer": 1, "n_head": 2, "n_embd": 16}


def model(seed=0, head="conv", context="forward", layers="last", skip="none"):
    torch.manual_seed(seed)
    target = "track" if head == "conv" else "scalar"
    more = {"complement": [3, 2, 1, 0], "layers": layers, "skip": skip, "token_bases": [0, 1, 2, 3]}
    config = BackboneConfig(GPT, head=head, target=target, hidden=8, context=context, **more)
    return BackboneModel(config).eval()


def ids(n=37, seed=0):
    X = np.random.default_rng(seed).integers(0, 4, (n, 24)).astype(np.uint8)
    X[0, 20:] = 255  # padding
    return torch.from_numpy(X)


@pytest.mark.parametrize("head", ["conv", "pooled"])
@pytest.mark.parametrize("context", ["forward", "both_strands"])
@pytest.mark.parametrize("layers", ["last", "all", [0]])
@pytest.mark.parametrize("skip", ["none", "onehot"])
def test_features_equal_those_of_the_model(tmp_path, head, context, layers, skip):
    if head == "pooled" and skip == "onehot":
        pytest.skip("a pooled head has no skip")
    network, X = model(head=head, context=context, layers=layers, skip=skip), ids()
    store, cost = cached_features(network, X, tmp_path, batch_size=8)
    with torch.no_grad():
        direct = network.features(X, pooled=head == "pooled")
    chosen = np.array([5, 0, 36])
    assert torch.equal(store.rows(chosen), direct[chosen])
    assert torch.equal(store.subset(chosen).rows(np.array([2, 1])), direct[[36, 0]])
    assert torch.allclose(network(store.rows(chosen)), network(X[chosen]), atol=1e-6)
    assert cost["stage"] == "features" and cost["samples"] == 37 and len(store) == 37


def test_bf16_features_keep_bf16(tmp_path):
    store, _ = cached_features(model(), ids(), tmp_path, precision="bf16")
    with torch.no_grad():
        direct = model().features(ids())
    rows = store.rows(np.arange(37))
    assert rows.dtype == torch.bfloat16 and store.array.dtype == np.uint16
    assert torch.allclose(rows.float(), direct, atol=0.05)


def test_an_interrupted_job_continues_and_a_finished_one_is_shared(tmp_path, monkeypatch):
    network, X = model(), ids()
    monkeypatch.setattr(features, "CHUNK", 10)
    calls, plain = [], network.features

    def counted(part, pooled=False):
        calls.append(len(part))
        if len(calls) == 4:
            raise KeyboardInterrupt
        return plain(part, pooled)

    network.features = counted
    with pytest.raises(KeyboardInterrupt):
        cached_features(network, X, tmp_path)
    store, cost = cached_features(network, X, tmp_path)
    assert sum(calls[5:]) == 37 - 20  # two chunks of ten were kept
    assert cost["samples"] == 37
    with torch.no_grad():
        assert torch.equal(store.rows(np.arange(37)), plain(X))
    before = len(calls)
    cached_features(network, X, tmp_path)
    assert len(calls) == before


def test_another_backbone_or_other_sequences_are_not_mixed_up(tmp_path):
    first, _ = cached_features(model(0), ids(), tmp_path)
    kept = first.rows(np.arange(3)).clone()
    second, _ = cached_features(model(1), ids(), tmp_path)
    third, _ = cached_features(model(1), ids(seed=9), tmp_path)
    assert not torch.equal(kept, second.rows(np.arange(3)))
    assert not torch.equal(second.rows(np.arange(3)), third.rows(np.arange(3)))
    assert torch.equal(kept, first.rows(np.arange(3)))  # who still reads an old file may finish
    assert len(list(tmp_path.glob("*.bin"))) == 1


@pytest.mark.parametrize("head", ["conv", "pooled"])
def test_layers_are_scaled_by_training_examples_alike_from_ids_and_from_the_cache(tmp_path, head):
    more = {"head": head, "layers": "all", "context": "both_strands"}
    direct, cached = model(**more), model(**more)
    store, _ = cached_features(cached, ids(), tmp_path)
    standardise_layers(direct, ids())
    standardise_layers(cached, store)
    with torch.no_grad():
        x = direct.features(ids(), pooled=head == "pooled").unflatten(-1, (2, 2, 16)).flatten(0, -3)
        torch.testing.assert_close(direct.mix.mean, x.mean(0))
        torch.testing.assert_close(direct.mix.deviation, x.std(0, correction=0))
        torch.testing.assert_close(direct(ids()), cached(store.rows(np.arange(37))), atol=1e-5, rtol=1e-5)


def test_other_layers_or_a_skip_are_other_features(tmp_path):
    for options in ({"layers": [0]}, {"layers": [1]}, {"layers": [1], "skip": "onehot"}):
        store, _ = cached_features(model(**options), ids(), tmp_path)
        with torch.no_grad():
            assert torch.equal(store.rows(np.arange(37)), model(**options).features(ids()))


def test_too_little_room_is_said_before_anything_is_computed(tmp_path, monkeypatch):
    monkeypatch.setattr(features.shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    with pytest.raises(InputError, match="GB are free.*cache: false"):
        cached_features(model(), ids(), tmp_path)


@pytest.mark.parametrize("options", [{}, {"layers": "all", "skip": "onehot", "context": "both_strands"}])
def test_a_head_learns_the_same_from_cached_features_as_from_the_backbone(tmp_path, options):
    X, y = ids(), np.random.default_rng(1).normal(size=(37, 24))
    settings = FitSettings(epochs=3, batch_size=8, learning_rate=1e-2, device="cpu", precision="fp32")
    direct, cached = model(**options), model(**options)
    store, _ = cached_features(cached, X, tmp_path)
    a = fit(direct, ArrayData(X, y), ArrayData(X, y), settings=settings)
    b = fit(cached, ArrayData(store, y), ArrayData(store, y), settings=settings)
    assert np.allclose(a.history["value"], b.history["value"], atol=1e-4)
    for name, weight in direct.state_dict().items():
        assert torch.allclose(weight, cached.state_dict()[name], atol=1e-4)
    if options:
        assert cached.mix.weight.abs().max() > 1e-3
    assert all(
        torch.equal(p, q) for p, q in zip(model().backbone.parameters(), cached.backbone.parameters(), strict=True)
    )
