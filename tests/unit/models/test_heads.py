"""Heads: sizes, shapes and pooling under a mask."""

import pytest
import torch
from published import published

from seqlm.common.errors import InputError
from seqlm.models.heads import HEAD_POOLINGS, Attention, ConvHead, LinearHead, PooledHead, pool
from seqlm.models.language.backbone import BackboneModel
from seqlm.models.registry import model_class


def test_conv_head_parameter_count():
    by_hand = 2 * 384 + (384 * 128 * 11 + 128) + (128 + 1)
    assert by_hand == 541_697
    assert sum(p.numel() for p in ConvHead(384).parameters()) == by_hand


@pytest.mark.parametrize(("kernel", "depth", "sees"), [(5, 1, (2, 2)), (5, 3, (6, 6)), (4, 2, (2, 4))])
def test_conv_head_reaches_half_a_kernel_with_each_convolution(kernel, depth, sees):
    torch.manual_seed(0)
    head, x = ConvHead(6, hidden=4, kernel=kernel, depth=depth).eval(), torch.randn(1, 30, 6)
    changed = x.clone()
    changed[0, 12] += 1 + torch.arange(6)
    moved = (head(x) != head(changed))[0].nonzero().flatten().tolist()
    before, after = sees
    assert moved == list(range(12 - after, 12 + before + 1))
    assert head.sees == sees and head.reach == max(sees)


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


@pytest.mark.parametrize(("kernel", "depth"), [(5, 1), (4, 1), (5, 3)])
def test_convolutions_before_pooling_see_a_padded_sequence_as_if_it_were_alone(kernel, depth):
    torch.manual_seed(0)
    head = PooledHead(6, n_outputs=3, hidden=4, pooling="mean_max", dropout=0.0, depth=depth, kernel=kernel).eval()
    torch.nn.init.normal_(head.convolutions.norm.weight)
    torch.nn.init.normal_(head.convolutions.norm.bias)
    x, lengths = torch.randn(3, 12, 6), (12, 7, 1)
    mask = torch.arange(12) < torch.tensor(lengths)[:, None]
    alone = []
    for row, length in zip(x, lengths, strict=True):
        y = torch.nn.functional.layer_norm(
            row[:length], (6,), head.convolutions.norm.weight, head.convolutions.norm.bias
        ).T[None]
        for conv in (head.convolutions.conv, *head.convolutions.deeper):
            y = torch.nn.functional.gelu(torch.nn.functional.conv1d(y, conv.weight, conv.bias, padding="same"))
        y = torch.cat([y[0].mean(1), y[0].amax(1)])
        alone.append(head.linear(torch.nn.functional.gelu(head.hidden(head.norm(y)))))
    expected = torch.stack(alone).detach()
    torch.testing.assert_close(head(x, mask).detach(), expected)  # the norm moved into the convolution
    with torch.no_grad():
        torch.testing.assert_close(head(x, mask), expected)


@pytest.mark.parametrize("pooling", ["mean", "max", "mean_max", "first", "last"])
def test_pooling_equals_a_loop(pooling):
    torch.manual_seed(0)
    x = torch.randn(4, 7, 3)
    mask = torch.tensor([[1] * 7, [1, 1, 1, 0, 0, 0, 0], [0, 0, 1, 0, 1, 0, 0], [1, 0, 0, 0, 0, 0, 0]]).bool()
    by_hand = {
        "mean": lambda rows: rows.mean(0),
        "max": lambda rows: rows.max(0).values,
        "mean_max": lambda rows: torch.cat([rows.mean(0), rows.max(0).values]),
        "first": lambda rows: rows[0],
        "last": lambda rows: rows[-1],
    }[pooling]
    head = PooledHead(3, pooling=pooling)
    torch.testing.assert_close(head.pool(x, mask), torch.stack([by_hand(x[i][mask[i]]) for i in range(4)]))
    torch.testing.assert_close(head.pool(x), torch.stack([by_hand(x[i]) for i in range(4)]))


@pytest.mark.parametrize("pooling", HEAD_POOLINGS)
def test_a_sequence_of_nothing_gives_a_number(pooling):
    head = PooledHead(3, pooling=pooling, length=5).eval()
    assert head(torch.randn(2, 5, 3), torch.zeros(2, 5, dtype=torch.bool)).isfinite().all()


def test_pooled_features_give_the_same_answer():
    head, x = PooledHead(3, n_outputs=4).eval(), torch.randn(2, 5, 3)
    assert head(x).shape == (2, 4)
    assert torch.equal(head(head.pool(x)), head(x))


def test_unknown_pooling():
    with pytest.raises(InputError, match="mean, max, mean_max, first, last"):
        PooledHead(3, pooling="sum")


def trained_on_places(pooling):
    """Accuracy of a head on telling a spike in the left half from the same spike in the right half."""
    torch.manual_seed(0)
    place = torch.randint(0, 20, (256,))
    x = 0.1 * torch.randn(256, 20, 4)
    x[torch.arange(256), place] += torch.tensor([3.0, -3.0, 2.0, 0.0])
    y = (place >= 10).long()
    head = PooledHead(4, n_outputs=2, hidden=16, pooling=pooling, dropout=0.0, length=20)
    optimiser = torch.optim.Adam(head.parameters(), 1e-2)
    for _ in range(60):
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(head(x[:128]), y[:128]).backward()
        optimiser.step()
    return (head.eval()(x[128:]).argmax(1) == y[128:]).double().mean().item()


def test_only_positions_know_where_something_is():
    assert trained_on_places("positions") > 0.95
    assert trained_on_places("mean_max") < 0.7


def test_attention_starts_as_the_mean_and_its_weights_add_up_to_one():
    torch.manual_seed(0)
    head, x = PooledHead(3, pooling="attention"), torch.randn(2, 5, 3)
    mask = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0]]).bool()
    torch.testing.assert_close(head.pool(x, mask), PooledHead(3).pool(x, mask))
    torch.nn.init.normal_(head.learned.score.weight)
    same = torch.ones(2, 5, 3) * torch.tensor([1.0, 2.0, 5.0])
    torch.testing.assert_close(head.pool(same, mask), same[:, 0])
    longer = torch.cat([x[1:, :2], torch.randn(1, 3, 3)], 1)
    torch.testing.assert_close(head.pool(x[1:], mask[1:]), head.pool(longer, mask[1:]))


@pytest.mark.parametrize("network", ["cnn", "dilated", "codon", "backbone"])
def test_attention_starts_as_the_mean_in_a_whole_model(network, tmp_path):
    """However often the model initialises its layers."""
    torch.manual_seed(0)
    if network == "backbone":
        language = published("character", tmp_path)
        options = {"target": "scalar", "head": "pooled", "pooling": "attention"}
        model = BackboneModel.on(language, language.tokenizer, **options)
    else:
        cls = model_class(f"seqlm-{network}")
        model = cls(cls.config_class(target="scalar", pooling="attention"))
    (attention,) = (module for module in model.modules() if isinstance(module, Attention))
    x = torch.randn(2, 7, attention.norm.normalized_shape[0])
    mask = torch.arange(7) < torch.tensor([[7], [4]])
    torch.testing.assert_close(attention(x, mask), pool(x, mask))


def test_long_inputs_are_binned():
    head = PooledHead(3, pooling="positions", length=1000).eval()
    assert head.learned.width < 256 * 16 + 10
    assert head(torch.randn(2, 1000, 3)).shape == (2,)


def test_positions_want_one_length():
    with pytest.raises(InputError, match="one length"):
        PooledHead(3, pooling="positions")
    with pytest.raises(InputError, match="has 9 positions, .* reads exactly 8"):
        PooledHead(3, pooling="positions", length=8)(torch.randn(2, 9, 3))
    with pytest.raises(InputError, match="linear head"):
        LinearHead(3, pooling="positions")
