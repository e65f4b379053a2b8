"""The fast layers mean what PyTorch's own mean."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from seqlm.models import layers

SHAPES = [  # channels in, out, kernel, length, options
    (4, 8, 11, 30, {"padding": "same"}),
    (6, 5, 4, 17, {"padding": "same"}),
    (6, 4, 3, 20, {"stride": 2, "padding": 1, "bias": False}),
    (6, 4, 3, 20, {"dilation": 3, "groups": 2}),
]


@pytest.mark.parametrize(("c_in", "c_out", "kernel", "length", "options"), SHAPES)
@pytest.mark.parametrize("channels_last", [True, False])
@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
def test_conv1d_equals_torch(c_in, c_out, kernel, length, options, channels_last):
    torch.manual_seed(0)
    ours, theirs = layers.Conv1d(c_in, c_out, kernel, **options), nn.Conv1d(c_in, c_out, kernel, **options)
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(3, length, c_in).transpose(1, 2) if channels_last else torch.randn(3, c_in, length)
    x_ours, x_theirs = x.clone().requires_grad_(), x.clone().requires_grad_()
    y, expected = ours(x_ours), theirs(x_theirs)
    torch.testing.assert_close(y, expected, rtol=1e-5, atol=1e-5)
    weights = torch.randn_like(expected)
    (y * weights).sum().backward()
    (expected * weights).sum().backward()
    torch.testing.assert_close(x_ours.grad, x_theirs.grad, rtol=1e-5, atol=1e-5)
    for ours_p, theirs_p in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(ours_p.grad, theirs_p.grad, rtol=1e-5, atol=1e-4)


def test_conv1d_keeps_channels_last_in_memory():
    y = layers.Conv1d(4, 8, 3, padding="same")(torch.randn(2, 10, 4).transpose(1, 2))
    assert y.transpose(1, 2).is_contiguous()


def test_dropout_rate_scale_and_gradient():
    torch.manual_seed(1)
    x = torch.full((500, 401), 2.0, requires_grad=True)  # a size that is no multiple of four
    y = layers.Dropout(0.2)(x)
    y.sum().backward()
    assert set(y.detach().unique().tolist()) == {0.0, 2.5}
    dropped = (y == 0).float()
    assert abs(dropped.mean() - 0.2) < 4 * (0.16 / x.numel()) ** 0.5
    # neighbours share a 64-bit number but not their fate
    for lag in (1, 2, 3):
        both = (dropped.flatten()[lag:] * dropped.flatten()[:-lag]).mean()
        assert abs(both - 0.04) < 0.002
    assert torch.equal(x.grad, y.detach() / 2)


def test_dropout_is_seeded_and_off_in_evaluation():
    x, layer = torch.ones(100), layers.Dropout(0.5)
    torch.manual_seed(3)
    first = layer(x)
    torch.manual_seed(3)
    assert torch.equal(first, layer(x))
    assert torch.equal(layer.eval()(x), x)


@pytest.mark.parametrize("T", [1, 5, 64, 150])
def test_attention_equals_torch(T):
    torch.manual_seed(0)
    ours = [torch.randn(2, 3, T, 8, dtype=torch.float64, requires_grad=True) for _ in range(3)]
    theirs = [x.detach().clone().requires_grad_() for x in ours]
    y, expected = layers._CausalAttention.apply(*ours, 0.0), F.scaled_dot_product_attention(*theirs, is_causal=True)
    torch.testing.assert_close(y, expected)
    weights = torch.randn_like(y)
    for a, b in zip(torch.autograd.grad(y, ours, weights), torch.autograd.grad(expected, theirs, weights), strict=True):
        torch.testing.assert_close(a, b)


def test_attention_with_dropout_equals_its_definition(monkeypatch):
    T, p, masks = 130, 0.3, []
    draw = layers.keep_mask

    def recorded(shape, p):
        masks.append(draw(shape, p))
        return masks[-1]

    monkeypatch.setattr(layers, "keep_mask", recorded)
    torch.manual_seed(0)
    q, k, v = (torch.randn(2, 2, T, 4, dtype=torch.float64, requires_grad=True) for _ in range(3))
    y = layers.causal_attention(q, k, v, p)
    keep = torch.zeros(4, T, T)
    for (start, end), mask in zip(layers._blocks(T), masks, strict=True):
        keep[:, start:end, :end] = mask.float()
    scores = (q @ k.transpose(-1, -2) / 2).masked_fill(~torch.ones(T, T).tril().bool(), -torch.inf)
    expected = (scores.softmax(-1) * keep.view(2, 2, T, T) / (1 - p)) @ v
    torch.testing.assert_close(y, expected)
    weights = torch.randn_like(y)
    ours, theirs = (torch.autograd.grad(z, (q, k, v), weights) for z in (y, expected))
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b)
