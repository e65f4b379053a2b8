"""Training where memory is short: the same gradients from parts of a batch, and from activations computed again."""

import numpy as np
import pytest
import torch
from published import published
from small_models import small_model
from torch import nn

from seqlm import InputError, embed
from seqlm.models.language.backbone import BackboneModel
from seqlm.models.language.encoders import layers_of
from seqlm.models.language.tuning import tuned
from seqlm.training import ArrayData, FitSettings, features, fit
from seqlm.training.features import cached_features
from seqlm.training.memory import checkpointed
from seqlm.training.objectives import OBJECTIVES

SETTINGS = {"epochs": 2, "batch_size": 8, "learning_rate": 1e-2, "precision": "fp32", "device": "cpu", "patience": 0}


class Small(nn.Module):
    """A linear model that has room for so many examples in the forward pass, or for so many in the backward pass."""

    def __init__(self, forward=None, backward=None):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.last = nn.Linear(6, 4), nn.Linear(4, 5)
        self.room, self.sizes = forward, []
        if backward:
            self.first.register_full_backward_hook(lambda _, __, out: short(len(out[0]), backward))

    def forward(self, X):
        if self.training:
            self.sizes.append(len(X))
        short(len(X), self.room)
        return self.last(torch.tanh(self.first(X)))


def short(n, room):
    if room and n > room:
        raise torch.OutOfMemoryError("CUDA out of memory")


def data(n=20, known=True, weight=False):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(n, 6)).astype(np.float32), rng.normal(size=(n, 5)).astype(np.float32)
    if not known:
        y[rng.random(y.shape) < 0.4] = np.nan
        y[0] = np.nan
    return ArrayData(X, y, rng.random(n).astype(np.float32) if weight else None)


def trained(model, examples, **settings):
    settings = FitSettings(**(SETTINGS | settings))
    result = fit(model, examples, examples, settings=settings, objective=OBJECTIVES["track"]())
    return result, [p.detach().clone() for p in model.parameters()]


@pytest.mark.parametrize("where", ["forward", "backward"])
@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("weight", [True, False])
@pytest.mark.parametrize("micro", [None, 4])
def test_a_batch_that_does_not_fit_is_trained_in_parts(where, known, weight, micro):
    """Weights, history and costs are those of a run that had enough memory."""
    examples = data(known=known, weight=weight)
    plain, expected = trained(Small(), examples, micro_batch=micro)
    model = Small(**{where: 3})
    found, weights = trained(model, examples, micro_batch=micro)
    for a, b in zip(weights, expected, strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-5)
    np.testing.assert_allclose(found.history["value"], plain.history["value"], atol=1e-5)
    assert found.cost["samples"] == plain.cost["samples"]
    assert max(model.sizes[4:]) <= (3 if where == "forward" else 2)  # what has failed is not tried again


def test_one_example_that_does_not_fit_is_one_line(capsys):
    with pytest.raises(InputError, match="one example needs more memory.*gradient_checkpointing") as caught:
        trained(Small(backward=0.5), data())
    assert "\n" not in str(caught.value)
    assert "memory is short: 4 of 8 examples at a time" in capsys.readouterr().err


def test_another_error_is_not_taken_for_it():
    class Wrong(Small):
        def forward(self, X):
            raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes do not match"):
        trained(Wrong(), data())


def limit(encoder, room):
    """Let an encoder run short of memory beyond so many sequences."""

    def check(_, args, kwargs):
        short(len((*args, *kwargs.values())[0]), room)

    encoder.register_forward_pre_hook(check, with_kwargs=True)


@pytest.mark.parametrize("head", ["conv", "pooled"])
def test_features_in_parts_and_by_length_are_the_same(head, tmp_path):
    target = "track" if head == "conv" else "scalar"
    language = published("dnabert2", tmp_path)
    model = BackboneModel.on(language, language.tokenizer, head=head, target=target, hidden=8).eval()
    rng = np.random.default_rng(0)
    X = model.encode(["".join(rng.choice(list("ACGT"), n)) + "N" * (40 - n) for n in rng.integers(5, 40, 30)])
    with torch.no_grad():
        expected = model.features(X, pooled=head == "pooled")
    limit(model.backbone, 5)
    store, cost = cached_features(model, X, tmp_path / "cache", batch_size=16)
    torch.testing.assert_close(store.rows(np.arange(30)), expected, atol=1e-5, rtol=1e-5)
    assert cost["samples"] == 30
    if head == "conv":  # on disk stand the tokens, not the bases
        assert store.array.shape[1] < 40 and store.subset(np.arange(3, 9)).rows(np.array([2])).shape[1] == 40


def test_embeddings_in_parts(tmp_path):
    language = published("character", tmp_path)
    sequences = ["ACGTTGCA"] * 7 + ["GATTACAG"] * 6
    expected = embed(language, sequences, device="cpu")
    limit(language.base_model, 4)
    np.testing.assert_allclose(embed(language, sequences, device="cpu"), expected, atol=1e-5)


def test_frozen_weights_in_16_bits_where_it_pays(tmp_path, monkeypatch):
    language = published("dnabert2", tmp_path)
    model = BackboneModel.on(language, language.tokenizer, head="pooled", target="scalar", hidden=8).eval()
    X, seen = model.encode(["GATTACAGATTACA", "ACGTTGCA"]), []
    plain = {name: value.clone() for name, value in model.state_dict().items()}
    with torch.no_grad():
        expected = model.features(X, pooled=True)
    monkeypatch.setattr(features, "BF16_WEIGHTS", {"cpu"})
    original = model.features
    monkeypatch.setattr(model, "features", lambda *a, **k: (seen.append(model.backbone.dtype), original(*a, **k))[1])
    store, _ = cached_features(model, X, tmp_path / "cache", precision="bf16")
    assert set(seen) == {torch.bfloat16}
    torch.testing.assert_close(store.rows(np.arange(2)).float(), expected, atol=0.05, rtol=0.05)
    assert all(torch.equal(value, plain[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("kind", ["esm", "gated-esm", "bert", "gpt2", "llama", "seqlm-gpt"])
@pytest.mark.parametrize("train", ["all", "lora", 1])
def test_layers_computed_again_give_the_same_gradients(kind, train):
    language = small_model(kind)
    model = tuned(language, language.tokenizer, train, head="pooled", target="scalar", hidden=8)
    model.train()
    X = model.encode(["GATTACAGATTACA", "ACGTTGCATTGACA"])
    calls = []
    handle = layers_of(model.backbone)[-1].register_forward_hook(lambda *_: calls.append(1))

    def gradients():
        model.zero_grad()
        torch.manual_seed(0)  # what dropout drops is dropped again
        model(X).square().sum().backward()
        return [p.grad.clone() for p in model.parameters() if p.grad is not None]

    plain = gradients()
    n = len(calls)
    with checkpointed(model):
        again = gradients()
    handle.remove()
    assert len(again) == len(plain)
    for a, b in zip(again, plain, strict=True):
        torch.testing.assert_close(a, b, atol=1e-6, rtol=1e-5)
    assert "forward" not in layers_of(model.backbone)[-1].__dict__ and n >= 1


def test_activations_are_not_kept(tmp_path):
    """What autograd saves for the backward pass shrinks to what goes into each layer."""
    language = small_model("llama")
    model = tuned(language, language.tokenizer, "all", head="pooled", target="scalar", hidden=8).train()
    X = model.encode(["GATTACAGATTACA" * 4])

    def saved():
        sizes = []
        with torch.autograd.graph.saved_tensors_hooks(lambda t: (sizes.append(t.numel()), t)[1], lambda t: t):
            loss = model(X).sum()
        loss.backward()
        return sum(sizes)

    plain = saved()
    with checkpointed(model):
        assert saved() < plain / 2


def test_a_study_asks_for_it_and_a_network_without_layers_refuses():
    language = small_model("bert")
    model = tuned(language, language.tokenizer, "all", head="pooled", target="scalar", hidden=8)
    X = model.encode(["GATTACAG", "ACGTTGCA", "CCGGTTAA", "TTGGCCAA"])
    examples = ArrayData(X, np.arange(4, dtype=np.float32))
    settings = FitSettings(epochs=1, batch_size=4, precision="fp32", device="cpu", gradient_checkpointing=True)
    assert np.isfinite(fit(model, examples, examples, settings=settings).history["value"]).all()
    with pytest.raises(InputError, match="gradient_checkpointing.*language models"):
        trained(Small(), data(), gradient_checkpointing=True)
