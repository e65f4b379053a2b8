"""The CNN baseline: size, inputs, and what it can learn."""

import pytest
import torch
from torch import nn

from seqlm.models.networks.cnn import CNN, CNNConfig


def tiny(**options):
    torch.manual_seed(0)
    return CNN(CNNConfig(**({"filters": 8, "hidden": 8} | options))).eval()


def test_parameter_count():
    first = 4 * 128 * 11 + 128
    head = 2 * 128 + (128 * 128 * 11 + 128) + (128 + 1)
    assert (first, first + head) == (5_760, 186_497)
    assert sum(p.numel() for p in CNN(CNNConfig()).parameters()) == 186_497


def test_equals_the_plain_network():
    model = tiny()
    plain = nn.Conv1d(4, 8, 11, padding="same")
    plain.load_state_dict(model.conv.state_dict())
    second = nn.Conv1d(8, 8, 11, padding="same")
    second.load_state_dict(model.head.conv.state_dict())
    codes = model.encode(["ACGTNNACGTACCA", "TTTTGACCAGTACA"])
    one_hot = torch.zeros(2, 4, 14)
    for n in range(2):
        for i, c in enumerate(codes[n]):
            if c < 4:
                one_hot[n, int(c), i] = 1
    x = nn.functional.gelu(plain(one_hot)).transpose(1, 2)
    x = nn.functional.gelu(second(model.head.norm(x).transpose(1, 2))).transpose(1, 2)
    expected = model.head.linear(x).squeeze(-1)
    torch.testing.assert_close(model(codes), expected)
    torch.testing.assert_close(model(one_hot), expected)


def test_encode_knows_bases_only():
    assert tiny().encode(["ACGTUacgtuNRx", "A"]).tolist() == [[0, 1, 2, 3, 3, 0, 1, 2, 3, 3, 4, 4, 4], [0] + [4] * 12]


@pytest.mark.parametrize(
    ("target", "n_outputs", "shape"), [("track", 1, (3, 40)), ("scalar", 1, (3,)), ("class", 5, (3, 5))]
)
def test_output_shapes(target, n_outputs, shape):
    model = tiny(target=target, n_outputs=n_outputs)
    assert model(torch.randint(0, 5, (3, 40), dtype=torch.uint8)).shape == shape


def test_padding_changes_no_scalar():
    model = tiny(target="scalar")
    short = model.encode(["ACGTTGCATTGACCAGT" * 2])
    padded = torch.cat([short, torch.full((1, 30), 4, dtype=torch.uint8)], 1)
    torch.testing.assert_close(model(padded), model(short))


def test_gradients_reach_a_one_hot_input():
    x = torch.randn(2, 4, 30, requires_grad=True)
    tiny(target="scalar")(x).sum().backward()
    assert x.grad.abs().sum() > 0


def test_learns_one_batch_by_heart():
    model = tiny(dropout=0.0, filters=16, hidden=32).train()
    generator = torch.Generator().manual_seed(0)
    codes = torch.randint(0, 4, (4, 50), generator=generator, dtype=torch.uint8)
    target = (codes[:, :, None] == torch.tensor([0, 2])).any(-1).roll(3, 1).float()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(150):
        optimizer.zero_grad()
        loss = ((model(codes) - target) ** 2).mean()
        loss.backward()
        optimizer.step()
    assert loss < 0.01
