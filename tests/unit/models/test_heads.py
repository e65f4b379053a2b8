"""Heads: sizes, shapes and pooling under a mask."""

import pytest
import torch

from seqlm.common.errors import InputError
from seqlm.models.heads import ConvHead, PooledHead


def test_conv_head_parameter_count():
    by_hand = 2 * 384 + (384 * 128 * 11 + 128) + (128 + 1)
    assert by_hand == 541_697
    assert sum(p.numel() for p in ConvHead(384).parameters()) == by_hand


def test_conv_head_reaches_half_a_kernel():
    torch.manual_seed(0)
    head, x = ConvHead(6, hidden=4, kernel=5).eval(), torch.randn(1, 30, 6)
    changed = x.clone()
    changed[0, 10] += 1 + torch.arange(6)
    moved = (head(x) != head(changed))[0].nonzero().flatten().tolist()
    assert moved == [8, 9, 10, 11, 12]


@pytest.mark.parametrize("kernel", [5, 4])
def test_conv_head_learns_the_same_from_features_that_need_no_gradient(kernel):
    torch.manual_seed(0)
    head, x = ConvHead(6, hidden=4, kernel=kernel, dropout=0.0), torch.randn(3, 12, 6)
    torch.nn.init.normal_(head.norm.weight)
    torch.nn.init.normal_(head.norm.bias)
    target = torch.randn(3, 12)
    gradients = []
    for features in (x, x.clone().requires_grad_()):
        head.zero_grad()
        (head(features) - target).square().mean().backward()
        gradients.append([p.grad.clone() for p in head.parameters()])
    torch.testing.assert_close(*gradients, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("pooling", ["mean", "max", "first", "last"])
def test_pooling_equals_a_loop(pooling):
    torch.manual_seed(0)
    x = torch.randn(4, 7, 3)
    mask = torch.tensor([[1] * 7, [1, 1, 1, 0, 0, 0, 0], [0, 0, 1, 0, 1, 0, 0], [1, 0, 0, 0, 0, 0, 0]]).bool()
    by_hand = {
        "mean": lambda rows: rows.mean(0),
        "max": lambda rows: rows.max(0).values,
        "first": lambda rows: rows[0],
        "last": lambda rows: rows[-1],
    }[pooling]
    head = PooledHead(3, pooling=pooling)
    torch.testing.assert_close(head.pool(x, mask), torch.stack([by_hand(x[i][mask[i]]) for i in range(4)]))
    torch.testing.assert_close(head.pool(x), torch.stack([by_hand(x[i]) for i in range(4)]))


@pytest.mark.parametrize("pooling", ["mean", "max", "first", "last"])
def test_a_sequence_of_nothing_gives_a_number(pooling):
    head = PooledHead(3, pooling=pooling).eval()
    assert head(torch.randn(2, 5, 3), torch.zeros(2, 5, dtype=torch.bool)).isfinite().all()


def test_pooled_features_give_the_same_answer():
    head, x = PooledHead(3, n_outputs=4).eval(), torch.randn(2, 5, 3)
    assert head(x).shape == (2, 4)
    assert torch.equal(head(head.pool(x)), head(x))


def test_unknown_pooling():
    with pytest.raises(InputError, match="mean, max, first, last"):
        PooledHead(3, pooling="sum")
