"""Convolutions in blocks equal the sum over taps."""

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from seqlm.models.fourier import BlockConvolution
from seqlm.models.layers import Conv1d


def assert_close(y, exact):
    np.testing.assert_allclose(y.numpy(), exact.numpy(), rtol=0, atol=2e-6 * exact.abs().max().item())


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    taps=st.integers(1, 12), length=st.integers(1, 40), padding=st.integers(0, 12), blocks=st.integers(1, 4),
    seed=st.integers(0, 10**6),
)  # fmt: skip
def test_blocks(taps, length, padding, blocks, seed):
    padding = max(min(padding, taps - 1), -(-(taps - length) // 2), 0)  # at least one output
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(5, 3, taps, generator=generator)
    x = torch.randn(length, blocks, 3, generator=generator)
    exact = F.conv1d(x.permute(1, 2, 0).double(), weight.double(), padding=padding).permute(2, 0, 1)
    assert_close(BlockConvolution(weight, length, padding)(x), exact)


@pytest.mark.parametrize("taps", [7, 11, 12])
@pytest.mark.parametrize(("n", "length"), [(1, 1), (3, 21), (2, 22), (5, 300), (1, 5000), (70, 40)])
def test_a_layer_predicts_as_it_trains(taps, n, length):
    torch.manual_seed(0)
    layer, x = Conv1d(64, 96, taps, padding="same"), torch.randn(n, 64, length)
    with torch.no_grad():
        y = layer(x)
    assert layer._in_blocks()
    exact = F.conv1d(x.double(), layer.weight.double(), layer.bias.double(), padding="same").detach()
    assert_close(y, exact)
    assert_close(layer(x).detach(), exact)


def test_changed_weights_are_used():
    torch.manual_seed(0)
    layer, x = Conv1d(64, 64, 11, padding="same", bias=False), torch.randn(2, 64, 50)
    with torch.inference_mode():
        before = layer(x).clone()
    twin = copy.deepcopy(layer)
    optimizer = torch.optim.SGD(layer.parameters(), lr=1.0)
    layer.weight.grad = layer.weight.detach().clone() * 2
    optimizer.step()
    with torch.inference_mode():
        assert_close(layer(x), -before)
        assert_close(twin(x), before)
    layer.load_state_dict(twin.state_dict())
    with torch.inference_mode():
        assert_close(layer(x), before)
