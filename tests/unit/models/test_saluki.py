"""The Saluki network: its size, its arithmetic over whole blocks, its input forms, and that it learns."""

import pytest
import torch
import torch.nn.functional as F

from seqlm.common.errors import InputError
from seqlm.models.bundle import load_model, save_bundle
from seqlm.models.networks.saluki import Saluki, SalukiConfig

MRNA = {"encoding": "mrna", "separator": " "}
SMALL = {"layout": MRNA, "filters": 8, "blocks": 2, "length": 120, "dropout": 0.0, "max_shift": 0}


def small(**options):
    torch.manual_seed(0)
    model = Saluki(SalukiConfig(**(SMALL | options)))
    for norm in (model.head.norm_1, model.head.norm_2):  # as after some training, not mean 0 and variance 1
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.5, 2)
    return model.eval()


def random_codes(lengths, width, tokens=20, seed=0):
    generator = torch.Generator().manual_seed(seed)
    X = torch.full((len(lengths), width), tokens, dtype=torch.uint8)
    for row, length in zip(X, lengths, strict=True):
        row[:length] = torch.randint(tokens, (length,), generator=generator, dtype=torch.uint8)
    return X


def plain(model, channels):
    """The published network over the whole block, step by step."""
    config = model.config
    x = F.conv1d(channels, model.first.weight)
    for block in model.blocks:
        x = F.layer_norm(x.transpose(1, 2), (config.filters,), block.norm.weight, block.norm.bias, 0.007)
        x = F.conv1d(x.relu().transpose(1, 2), block.conv.weight, block.conv.bias)
        x = torch.stack([x[:, :, 0 : 2 * (x.shape[2] // 2) : 2], x[:, :, 1::2]]).amax(0)
    x = F.layer_norm(x.transpose(1, 2), (config.filters,), model.norm.weight, model.norm.bias, 0.007).relu()
    state = torch.zeros(len(x), config.filters)
    gru = model.gru
    for t in reversed(range(x.shape[1])):
        r, z, n = (x[:, t] @ gru.weight_ih_l0.T + gru.bias_ih_l0).chunk(3, 1)
        hr, hz, hn = (state @ gru.weight_hh_l0.T + gru.bias_hh_l0).chunk(3, 1)
        z = torch.sigmoid(z + hz)
        state = z * state + (1 - z) * torch.tanh(n + torch.sigmoid(r + hr) * hn)
    head = model.head
    y = head.dense_1(head.norm_1(state).relu())
    y = head.dense_2(head.norm_2(y).relu())
    return y.squeeze(1) if config.target == "scalar" else y


def test_published_size():
    model = Saluki(SalukiConfig(layout=MRNA))
    first = 6 * 64 * 5  # no bias
    block = 2 * 64 + (64 * 64 * 5 + 64)  # LayerNorm, conv
    gru = 3 * (64 * 64 + 64 * 64 + 64 + 64)  # three gates with two biases
    head = 2 * 64 + (64 * 64 + 64) + 2 * 64 + (64 + 1)  # BatchNorm, dense, BatchNorm, dense
    assert first + 6 * block + 2 * 64 + gru + head == 155_521
    assert sum(p.numel() for p in model.parameters()) == 155_521
    assert sum(p.numel() for p in Saluki(SalukiConfig(layout=MRNA, memory=100)).parameters()) == 155_521
    assert (model.steps, model.stride, model.window) == (188, 64, 320)


def test_memory_is_how_long_a_state_lasts():
    """Without input a state fades over 1 to `memory` steps; without the option it halves in each."""
    for memory in (0, 50):
        model = small(filters=256, blocks=1, memory=memory)
        with torch.no_grad():
            model.gru.weight_ih_l0.zero_()
            model.gru.weight_hh_l0.zero_()
            states = model.recurrence(torch.randn(1, 200, 256), torch.ones(1, 256))[0].flip(0)
        if not memory:
            torch.testing.assert_close(states[:10], 0.5 ** torch.arange(1.0, 11)[:, None].expand(-1, 256))
            continue
        lasted = (states > 1 / torch.e).sum(0)  # steps until 1/e
        assert lasted.min() >= 1
        assert lasted.max() in range(45, 52)
        assert 22 < lasted.float().mean() < 29
        quarters = torch.histc(lasted.float(), 4, 0, 52)
        assert quarters.min() > 40  # of 256: uniform, not bunched


def test_equals_the_whole_block():
    model = small()
    lengths = [0, 1, 7, 33, 64, 100, 119, 120]
    X = random_codes(lengths, 120)
    with torch.no_grad():
        padded = F.pad(model.dense(X), (0, model.inputs_of(model.steps) - 120))
        expected = plain(model, padded)
        torch.testing.assert_close(model(X), expected, rtol=0, atol=1e-6)
        torch.testing.assert_close(model(X[:5, :64]), expected[:5], rtol=0, atol=1e-6)  # padding left out
        torch.testing.assert_close(model(model.dense(X)), expected, rtol=0, atol=1e-6)
        torch.testing.assert_close(model(X.long()), expected, rtol=0, atol=1e-6)


def test_lower_precision_keeps_what_the_recurrence_adds_up():
    """Each step adds a little to the state: rounded to bfloat16 each time, 200 steps ended 9% off."""
    torch.manual_seed(0)
    model = Saluki(SalukiConfig(memory=64)).eval()
    features = torch.rand(1, 64).expand(1, 200, 64)
    with torch.no_grad():
        state = model.recurrence(features)[:, 0]
        with torch.autocast("cpu", torch.bfloat16):
            rounded = model.recurrence(features.bfloat16())[:, 0]
    assert (rounded - state).norm() < 0.005 * state.norm()


def test_order_of_batch_does_not_matter(monkeypatch):
    model = small()
    X = random_codes([50, 3, 120, 64, 20, 99], 120)
    with torch.no_grad():
        whole = model(X)
        monkeypatch.setattr("seqlm.models.networks.saluki.POSITIONS_AT_ONCE", {"cpu": 1})
        torch.testing.assert_close(model(X), whole, rtol=0, atol=1e-6)


def test_gradients_equal_the_whole_block():
    model = small().train()
    X, y = random_codes([12, 120, 47, 80], 120), torch.tensor([0.3, -1.0, 0.5, 2.0])
    padded = F.pad(model.dense(X), (0, model.inputs_of(model.steps) - 120))
    (plain(model, padded) - y).square().mean().backward()
    expected = {name: p.grad.clone() for name, p in model.named_parameters()}
    model.zero_grad()
    (model(X) - y).square().mean().backward()
    for name, p in model.named_parameters():
        torch.testing.assert_close(p.grad, expected[name], rtol=1e-4, atol=1e-5)


def test_a_step_sees_its_window_alone():
    model = small()
    X = model.dense(random_codes([120], 120))
    changed = X.clone()
    changed[0, :, 57] = 1 - changed[0, :, 57]
    with torch.no_grad():
        differs = (model.tower(X) - model.tower(changed)).abs().amax((0, 2)) > 0
    seen = [t for t in range(len(differs)) if 4 * t <= 57 < 4 * t + model.window]
    assert differs.nonzero().flatten().tolist() == seen


def test_masked_and_unknown_tokens_are_zeros():
    model = small()
    X = random_codes([40], 40)
    X[0, 11] = 255
    dense = model.dense(X)
    assert dense[0, :, 11].abs().sum() == 0
    assert dense[0, :, :11].abs().sum() > 0


def test_specifiers_are_channels():
    layout = {"encoding": "one_hot", "tokens": ["a", "c", "T"], "separator": " ", "specifier_separator": "#"}
    model = small(layout=layout | {"specifiers": 2}, length=30)
    X = model.encode(["a#2.5#0.2 c T x#3 a"])
    dense = model.dense(X)
    assert X.shape == (1, 3, 30)
    assert dense.shape == (1, 5, 30)
    assert dense[0, :, :5].T.tolist() == [
        [1, 0, 0, 2.5, pytest.approx(0.2)], [0, 1, 0, 0, 0], [0, 0, 1, 0, 0], [0, 0, 0, 3, 0], [1, 0, 0, 0, 0]
    ]  # fmt: skip
    with torch.no_grad():
        torch.testing.assert_close(model(X), model(dense))


def test_shift_moves_each_sequence_by_up_to_max_shift():
    model = small(max_shift=3)
    X = random_codes([50], 120)
    blank = torch.full((1, 3), 20, dtype=torch.uint8)
    with torch.no_grad():
        expected = [model(torch.cat([blank[:, :s], X[:, : 120 - s]], 1)).item() for s in range(4)]
        model.train()  # one sequence: BatchNorm uses its running statistics
        torch.manual_seed(1)
        found = [model(X).item() for _ in range(40)]
    nearest = [min(range(4), key=lambda s: abs(expected[s] - y)) for y in found]
    assert set(nearest) == {0, 1, 2, 3}
    assert all(abs(expected[s] - y) < 1e-5 for s, y in zip(nearest, found, strict=True))


def test_longest_sequences_are_cut_after_a_shift():
    model = small(max_shift=3)
    X = random_codes([120], 120)
    with torch.no_grad():
        expected = [model(torch.cat([X.new_full((1, s), 20), X[:, : 120 - s]], 1)).item() for s in range(4)]
        model.train()
        found = {round(model(X).item(), 4) for _ in range(30)}
    assert found <= {round(y, 4) for y in expected}


def test_no_base_of_any_block_is_dropped():
    for length in (1, 19, 20, 21, 119, 120, 121, 122, 123, 124):
        model = small(length=length)
        assert model.inputs_of(model.steps) >= length
        assert model.inputs_of(model.steps - 1) < length or model.steps == 1


def test_class_target_and_bundle(tmp_path):
    model = small(target="class", n_outputs=3, classes=["x", "y", "z"])
    X = random_codes([12, 90], 120)
    save_bundle(model, tmp_path / "bundle")
    again = load_model(tmp_path / "bundle")
    with torch.no_grad():
        assert model(X).shape == (2, 3)
        torch.testing.assert_close(again(X), model(X))
    assert again.encode(["a Gej c"])[0, :4].tolist() == model.encode(["a Gej c"])[0, :4].tolist()
    assert again.config.classes == ["x", "y", "z"]


def test_learns_a_batch():
    model = small(dropout=0.1, max_shift=1)
    X, y = random_codes([30, 60, 90, 120] * 4, 120), torch.randn(16, generator=torch.Generator().manual_seed(3))
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    torch.manual_seed(0)
    model.train()
    for _ in range(150):
        optimizer.zero_grad()
        (model(X) - y).square().mean().backward()
        optimizer.step()
    with torch.no_grad():
        assert torch.corrcoef(torch.stack([model.eval()(X), y]))[0, 1] > 0.9


def test_long_sequences_are_cut_as_asked(tmp_path):
    sequence = " ".join("acgtacgtAa")
    for options, read in (
        ({}, "acgt"),
        ({"left_tailing": True}, "gtAa"),
        ({"center_token": "A"}, "gtAa"),
    ):
        model = small(length=4, **options)
        save_bundle(model, tmp_path / read / str(len(options)))
        again = load_model(tmp_path / read / str(len(options)))
        assert again.encode([sequence]).tolist() == model.encode([" ".join(read)]).tolist()


def test_what_it_refuses():
    with pytest.raises(InputError, match="track"):
        Saluki(SalukiConfig(target="track"))
    with pytest.raises(ValueError, match="block"):
        small()(random_codes([200], 200))
