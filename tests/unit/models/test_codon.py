"""The codon network: against a strided convolution, blind to nothing but the frame, and what it learns by it."""

import pytest
import torch
import torch.nn.functional as F

from seqlm.common.errors import InputError
from seqlm.models.bundle import load_model, save_bundle
from seqlm.models.networks.codon import CodonCNN, CodonConfig


def model(**options):
    torch.manual_seed(0)
    options = {"n_outputs": 3, "filters": 16, "hidden": 8, "classes": list("abc")} | options
    return CodonCNN(CodonConfig(**options)).eval()


@pytest.mark.parametrize("kernel", [3, 9, 15])
@pytest.mark.parametrize("length", [30, 31, 32])
def test_equals_a_strided_convolution(kernel, length):
    m = model(kernel=kernel)
    X = torch.randint(0, 4, (5, length))
    one_hot = F.one_hot(X, 4).transpose(1, 2).float()
    weight = m.conv.weight.view(16, kernel, 4).transpose(1, 2)
    x = F.gelu(F.conv1d(one_hot, weight, m.conv.bias, stride=3, padding=(kernel - 3) // 2))
    assert x.shape[2] == length // 3
    expected = m.head(x.transpose(1, 2))
    torch.testing.assert_close(m(X), expected)
    torch.testing.assert_close(m(one_hot), expected)


def test_padding_and_unknown_bases_change_nothing_elsewhere():
    m = model()
    sequences = ["ATGGCTAAACGT", "ATGGCTAAACGTTTTGGGCCC"]
    together = m(m.encode(sequences))
    alone = m(m.encode(sequences[:1]))
    torch.testing.assert_close(together[:1], alone)
    assert torch.isfinite(m(m.encode(["NNNNNN"]))).all()


def test_learns_the_position_in_the_codon(tmp_path):
    """Both classes have the same composition; one has its G first in each codon, the other last."""
    m = model(n_outputs=2, dropout=0.0, classes=["first", "last"])
    X = torch.zeros(200, 30, dtype=torch.long) + torch.randint(0, 2, (200, 30)) * 3
    y = torch.arange(200) % 2
    X.view(200, 10, 3)[torch.arange(200), :, torch.where(y == 0, 0, 2)] = 2
    optimizer = torch.optim.Adam(m.parameters(), 1e-2)
    for _ in range(40):
        optimizer.zero_grad()
        F.cross_entropy(m(X), y).backward()
        optimizer.step()
    assert (m(X).argmax(1) == y).all()
    save_bundle(m, tmp_path)
    again = load_model(tmp_path)
    assert torch.equal(again(again.encode(["ATGGCTAAACGT"])), m(m.encode(["ATGGCTAAACGT"])))


def test_scalar():
    assert model(target="scalar", n_outputs=1)(torch.zeros(4, 12, dtype=torch.long)).shape == (4,)


@pytest.mark.parametrize(("options", "message"), [({"kernel": 6}, "odd multiple"), ({"target": "track"}, "cnn")])
def test_mistakes(options, message):
    with pytest.raises(InputError, match=message):
        model(**options)
    with pytest.raises(InputError, match="no codon"):
        model()(torch.zeros(1, 2, dtype=torch.long))
