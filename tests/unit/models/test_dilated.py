"""The dilated network: shapes, reach, padding, strands."""

import pytest
import torch

from seqlm import leave_one_out
from seqlm.models.networks.cnn import CNN, CNNConfig
from seqlm.models.networks.dilated import Dilated, DilatedConfig
from seqlm.sequences import reverse_complement


def tiny(cls=Dilated, config=DilatedConfig, **options):
    torch.manual_seed(0)
    return cls(config(**({"filters": 8, "hidden": 8} | options))).eval()


@pytest.mark.parametrize("gated", [False, True])
@pytest.mark.parametrize(
    ("target", "n_outputs", "shape"), [("track", 1, (3, 40)), ("scalar", 1, (3,)), ("class", 5, (3, 5))]
)
def test_output_shapes(target, n_outputs, shape, gated):
    model = tiny(target=target, n_outputs=n_outputs, gated=gated)
    X = torch.randint(0, 5, (3, 40), dtype=torch.uint8)
    assert model(X).shape == shape
    one_hot = torch.nn.functional.one_hot(X.long(), 5)[..., :4].transpose(1, 2).float()
    torch.testing.assert_close(model(one_hot), model(X))


@pytest.mark.parametrize("kernel", [4, 5])
@pytest.mark.parametrize("strands", [False, True])
def test_a_track_depends_on_what_is_within_reach(kernel, strands):
    models = [tiny(layers=3, kernel=kernel, reverse_complement=strands)]
    models += [] if strands else [tiny(CNN, CNNConfig, kernel=kernel)]
    for model in models:
        X, middle = torch.randint(0, 4, (1, 121)), 60
        changes = set()
        for base in range(4):  # any change may by chance leave an output as it is
            other = X.clone()
            other[0, middle] = base
            changes |= set((model(X) != model(other))[0].nonzero().flatten().tolist())
        distances = [abs(place - middle) for place in changes]
        assert max(distances) == model.reach


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("pooling", ["mean_max", "attention"])
def test_padding_changes_no_scalar(side, pooling):
    model = tiny(target="scalar", pooling=pooling)
    short = model.encode(["ACGTTGCATTGACCAGT" * 2])
    padding = torch.full((1, 30), 4, dtype=torch.uint8)
    padded = torch.cat([short, padding] if side == "right" else [padding, short], 1)
    torch.testing.assert_close(model(padded), model(short))


@pytest.mark.parametrize("target", ["track", "class"])
def test_both_strands_give_the_same(target):
    sequence = "ACGTTGCATTGACCAGTNAC"
    options = {"target": target, "n_outputs": 3 if target == "class" else 1}
    for averaged in (True, False):
        model = tiny(reverse_complement=averaged, **options)
        y, other = (model(model.encode([text])) for text in (sequence, reverse_complement(sequence)))
        assert torch.allclose(y, other.flip(1) if target == "track" else other, atol=1e-6) == averaged


def test_leave_one_out_edits_columns():
    model = tiny(target="scalar", pooling="positions", length=20, bases=20)
    sequence = "ACGTTGCATTGACCAGTGAC"
    scores = leave_one_out(model, [sequence], edit="remove").scores[0]
    X = model.encode([sequence])
    removed = torch.cat([X[:, :4], X[:, 5:], torch.tensor([[4]], dtype=torch.uint8)], 1)
    assert scores[4] == pytest.approx((model(removed) - model(X)).item(), abs=1e-6)
