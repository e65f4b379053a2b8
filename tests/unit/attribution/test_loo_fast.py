"""The fast paths equal the reference, whatever the network's shape, the sequences and the edit."""

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small_models import small_model

from seqlm import leave_one_out
from seqlm.attribution.fast.pooling import StitchedPool
from seqlm.attribution.loo import FAST_PATHS, _choose_path
from seqlm.models.heads import POOLINGS, PooledHead
from seqlm.models.language.backbone import BackboneModel
from seqlm.models.language.gpt import GPTConfig, GPTModel
from seqlm.models.networks.cnn import CNN, CNNConfig
from seqlm.models.networks.dilated import Dilated, DilatedConfig
from seqlm.models.networks.saluki import Saluki, SalukiConfig
from seqlm.tokenization import learn_tokenizer

some = settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
edits = st.sampled_from(["mask", "remove", "replace"])
targets = st.sampled_from(["track", "scalar", "class"])
sequences = st.lists(st.text("ACGTN", min_size=1, max_size=40), min_size=1, max_size=3)
seeds = st.integers(0, 10**6)


def with_random_weights(model, seed):
    """Weights large enough that every layer matters, statistics of normalisation included."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, 0.4, generator=generator)
        for buffer in model.buffers():
            if buffer.is_floating_point():
                buffer.uniform_(0.5, 1.5, generator=generator)
    return model.eval()


def assert_same(model, texts, edit, **options):
    fast = leave_one_out(model, texts, edit, **options)
    exact = leave_one_out(model, texts, edit, method="reference", **options)
    np.testing.assert_array_equal(np.isnan(fast.scores), np.isnan(exact.scores))
    np.testing.assert_allclose(fast.prediction, exact.prediction, rtol=1e-5, atol=1e-5)
    largest = np.nanmax(np.abs(exact.scores), initial=0)
    # Both are differences of float32 predictions, which round on their own.
    rounding = 2e-6 * max(1, np.nanmax(np.abs(exact.prediction)))
    np.testing.assert_allclose(fast.scores, exact.scores, rtol=0, atol=1e-5 * largest + rounding)


@some
@given(
    texts=sequences, edit=edits, target=targets, seed=seeds, kernel=st.integers(1, 8), filters=st.integers(1, 9),
    hidden=st.integers(1, 9), pooling=st.sampled_from(POOLINGS), length=st.sampled_from([None, 45]),
    reduce=st.sampled_from(["sum", "mean", "track"]),
)  # fmt: skip
def test_cnn(texts, edit, target, seed, kernel, filters, hidden, pooling, length, reduce):
    config = CNNConfig(filters=filters, hidden=hidden, kernel=kernel, target=target, pooling=pooling, length=length,
                       n_outputs=3 if target == "class" else 1)  # fmt: skip
    assert_same(with_random_weights(CNN(config), seed), texts, edit, reduce=reduce)


@some
@given(
    texts=sequences, edit=edits, target=targets, seed=seeds, kernel=st.integers(1, 8), head_kernel=st.integers(1, 6),
    layers=st.integers(0, 4), gated=st.booleans(), both=st.booleans(), pooling=st.sampled_from(POOLINGS),
    length=st.sampled_from([None, 45]), reduce=st.sampled_from(["sum", "mean", "track"]),
)  # fmt: skip
def test_dilated(texts, edit, target, seed, kernel, head_kernel, layers, gated, both, pooling, length, reduce):
    config = DilatedConfig(filters=6, hidden=5, kernel=kernel, head_kernel=head_kernel, layers=layers, gated=gated,
                           reverse_complement=both, pooling=pooling, target=target, length=length,
                           n_outputs=3 if target == "class" else 1)  # fmt: skip
    model = with_random_weights(Dilated(config), seed)
    assert _path_of(model, texts=texts) == "Widening"
    assert_same(model, texts, edit, reduce=reduce)


@some
@given(
    size=st.integers(1, 40), edit=edits, seed=seeds, kernel=st.integers(1, 8), data=st.data(),
    pooling=st.sampled_from(["attention", "positions"]), kind=st.sampled_from(["cnn", "dilated", "backbone"]),
)  # fmt: skip
def test_heads_that_learn_how_to_pool(size, edit, seed, kernel, data, pooling, kind):
    texts = data.draw(st.lists(st.text("ACGTN", min_size=size, max_size=size), min_size=1, max_size=3))
    options = {"target": "class", "n_outputs": 3, "pooling": pooling, "length": size, "bases": size, "hidden": 5}
    if kind == "backbone":
        core = GPTModel(GPTConfig(vocab_size=4, block_size=64, n_layer=1, n_head=2, n_embd=8))
        options |= {"before_pooling": seed % 3, "kernel": kernel}
        model = BackboneModel.on(core, learn_tokenizer("character", alphabet="ACGT"), head="pooled", **options)
    elif kind == "dilated":
        model = Dilated(DilatedConfig(filters=6, kernel=kernel, layers=2, reverse_complement=seed % 2 == 1, **options))
    else:
        model = CNN(CNNConfig(filters=6, kernel=kernel, **options))
    model = with_random_weights(model, seed)
    assert _path_of(model, texts=texts) != "Reference"
    assert_same(model, texts, edit)


@some
@given(
    texts=sequences, edit=edits, target=targets, seed=seeds, kernel=st.integers(1, 7), layers=st.integers(1, 3),
    context=st.sampled_from(["forward", "both_strands"]), pooling=st.sampled_from(POOLINGS),
    length=st.sampled_from([None, 45]), alphabet=st.sampled_from(["ACGT", "ACGTNacgt\n"]),
    read=st.sampled_from(["last", "all", [0], [1, 0]]), skip=st.booleans(), depth=st.integers(1, 3),
)  # fmt: skip
def test_causal_backbone(
    texts, edit, target, seed, kernel, layers, context, pooling, length, alphabet, read, skip, depth
):
    core = GPTModel(GPTConfig(vocab_size=len(alphabet), block_size=64, n_layer=layers, n_head=2, n_embd=8))
    model = BackboneModel.on(
        core, learn_tokenizer("character", alphabet=alphabet), head="conv" if target == "track" else "pooled",
        target=target, n_outputs=3 if target == "class" else 1, kernel=kernel, hidden=6, context=context,
        pooling=pooling, length=length, layers=read, depth=depth,
        skip="onehot" if skip and (target == "track" or depth > 1) else "none",
        before_pooling=depth - 1 if target != "track" else 0,
    )  # fmt: skip
    assert_same(with_random_weights(model, seed), texts, edit)


@some
@given(
    lengths=st.lists(st.integers(1, 130), min_size=1, max_size=2), edit=edits, seed=seeds, blocks=st.integers(1, 3),
    kernel=st.integers(2, 5), target=targets.filter(lambda target: target != "track"),
    encoding=st.sampled_from(["mrna", "one_hot"]),
)  # fmt: skip
def test_saluki(lengths, edit, seed, blocks, kernel, target, encoding):
    layout = {"encoding": encoding, "separator": " "}
    if encoding == "one_hot":
        layout |= {"tokens": ["a", "c", "g", "t"], "specifier_separator": "#", "specifiers": 1}
    config = SalukiConfig(length=120, layout=layout, filters=5, kernel=kernel, blocks=blocks, target=target,
                          n_outputs=3 if target == "class" else 1)  # fmt: skip
    rng = np.random.default_rng(seed)
    tokens = ["a", "C", "gej", "t", "n"] if encoding == "mrna" else ["a", "c#0.5", "g", "t#-2", "x"]
    texts = [" ".join(rng.choice(tokens, n)) for n in lengths]
    assert_same(with_random_weights(Saluki(config), seed), texts, edit)


@pytest.mark.parametrize("size", [1, 3, 1000])
@pytest.mark.parametrize("edit", ["mask", "remove", "replace"])
def test_batches_do_not_matter(monkeypatch, size, edit):
    from seqlm.attribution import loo
    from seqlm.attribution.fast import prefix, recurrent, widening, windowed

    monkeypatch.setitem(loo.EDITS_AT_ONCE, "cpu", size)
    for module in (windowed, widening, recurrent):
        monkeypatch.setitem(module.EDITS_IN_BATCH, "cpu", size)
    monkeypatch.setitem(prefix.TOKENS_IN_BATCH, "cpu", size)
    texts = ["ACGTNACCCATTACAGATTAGGC", "GATTACA", "ACG"]
    assert_same(with_random_weights(CNN(CNNConfig(filters=6, hidden=5, kernel=5)), 0), texts, edit)
    assert_same(with_random_weights(Dilated(DilatedConfig(filters=6, hidden=5, kernel=5, layers=3)), 0), texts, edit)
    core = GPTModel(GPTConfig(vocab_size=4, block_size=32, n_layer=2, n_head=2, n_embd=8))
    tokenizer = learn_tokenizer("character", alphabet="ACGT")
    assert_same(with_random_weights(BackboneModel.on(core, tokenizer, kernel=3, hidden=4), 0), texts, edit)
    config = SalukiConfig(length=60, filters=4, blocks=2, kernel=3)
    assert_same(with_random_weights(Saluki(config), 0), texts, edit)


def test_paths_are_taken_only_for_networks_they_know():
    class Other(CNN):
        def forward(self, X):
            return super().forward(X) ** 2

    config = CNNConfig(filters=4, hidden=4, kernel=3)
    assert _path_of(CNN(config)) == "Windowed"
    assert _path_of(Other(config)) == "Reference"
    assert _path_of(CNN(config), method="reference") == "Reference"
    tokenizer = learn_tokenizer("character", alphabet="ACGT")
    model = BackboneModel.on(GPTModel(GPTConfig(vocab_size=4, n_layer=1, n_embd=8, n_head=2)), tokenizer)
    assert _path_of(model) == "Prefix"
    model.backbone.blocks[0].attention.qkv = torch.nn.Sequential(model.backbone.blocks[0].attention.qkv)
    assert _path_of(model) == "Reference"
    assert set(FAST_PATHS) == {"seqlm-cnn", "seqlm-dilated", "seqlm-backbone", "seqlm-saluki"}


def test_texts_of_both_strands_are_edited_before_they_are_complemented():
    encoder = small_model("esm")
    options = {"context": "both_strands", "layers": "all", "head": "pooled", "target": "scalar", "hidden": 6}
    model = with_random_weights(BackboneModel.on(encoder, encoder.tokenizer, **options), 0)
    text = "ATGGTAGCTACATCA"
    edited = [text[:i] + "N" + text[i + 1 :] for i in range(len(text))]
    with torch.no_grad():
        expected = torch.cat([model(model.encode([copy])) - model(model.encode([text])) for copy in edited])
    found = leave_one_out(model, [text], "mask", device="cpu")
    np.testing.assert_allclose(np.ravel(found.scores), expected, atol=1e-5)


def _path_of(model, method="auto", texts=("ACGT",)):
    from seqlm.attribution.loo import make_inputs
    from seqlm.inference.prediction import prepared

    with prepared(model, device="cpu") as run:
        inputs = make_inputs(model, list(texts), "mask")
        return type(_choose_path(model, run, inputs, method, None, None)).__name__


@some
@given(pooling=st.sampled_from(POOLINGS), seed=seeds, length=st.integers(1, 9), width=st.integers(1, 5))
def test_stitched_pooling(pooling, seed, length, width):
    generator = torch.Generator().manual_seed(seed)
    left, right = torch.randn(2, 2, length, 3, generator=generator)
    known_left, known_right = torch.rand(2, 2, length, generator=generator) < 0.6
    start = torch.randint(-width, length, (4,), generator=generator)
    row = torch.tensor([0, 1, 1, 0])
    window, known = torch.randn(4, width, 3, generator=generator), torch.rand(4, width, generator=generator) < 0.6
    place = start[:, None] + torch.arange(width)
    known &= (place >= 0) & (place < length)
    expected = []
    for m in range(4):
        x, mask = left[row[m]].clone(), known_left[row[m]].clone()
        end = max(0, int(start[m]) + width)
        x[end:], mask[end:] = right[row[m], end:], known_right[row[m], end:]
        for j, p in enumerate(place[m].tolist()):
            if 0 <= p < length:
                x[p], mask[p] = window[m, j], known[m, j]
        expected.append(PooledHead(3, pooling=pooling).pool(x[None], mask[None])[0])
    pooled = StitchedPool(pooling, left, right, known_left, known_right)(row, start, window, known)
    torch.testing.assert_close(pooled, torch.stack(expected))
