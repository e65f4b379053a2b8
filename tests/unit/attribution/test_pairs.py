"""Interactions of two positions: exact, by every path, and what they must be for models that are known by formula."""

import itertools

import numpy as np
import pytest
import torch

from seqlm.attribution.loo import leave_one_out
from seqlm.attribution.pairs import interactions
from seqlm.common.errors import InputError
from seqlm.datasets.scaling import unscale
from seqlm.inference.prediction import predict
from seqlm.models.language.backbone import BackboneModel
from seqlm.models.language.gpt import GPTConfig, GPTModel
from seqlm.models.networks.cnn import CNN, CNNConfig
from seqlm.models.networks.dilated import Dilated, DilatedConfig
from seqlm.models.networks.saluki import Saluki, SalukiConfig
from seqlm.tokenization import learn_tokenizer

TEXT = "ACGTTGCAGATTACAGNTTACACCGGTTAACG"


def value(model, texts, column=None):
    """What is compared, by a plain prediction."""
    found = predict(model, texts)
    if model.config.target == "track":
        return np.array([float(row[: len(t)].double().sum()) for row, t in zip(found, texts, strict=True)])
    if model.config.target == "class":
        return found.double().numpy()[:, column]
    return unscale(found.double(), model.config.label_scaling).numpy()


def brute_force(model, text, positions, edit, column=None):
    """Every single and double edit through the whole network."""

    def effect(places):
        others = [["N"] if edit == "mask" else [b for b in "ACGT" if b != text[i]] for i in places]
        copies = []
        for put in itertools.product(*others):
            letters = list(text)
            for i, base in zip(places, put, strict=True):
                letters[i] = base
            copies.append("".join(letters))
        return (value(model, copies, column) - value(model, [text], column)).mean()

    single = np.array([effect([i]) for i in positions])
    both = np.array([[np.nan if i == j else effect([i, j]) for j in positions] for i in positions])
    return single, both, both - single[:, None] - single


def with_random_weights(model):
    """Weights large enough that every layer matters."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, 0.4, generator=generator)
    return model.eval()


def network(kind, target):
    options = {"target": target, "hidden": 5}
    if target == "class":
        options |= {"n_outputs": 3, "classes": ["1", "0", "all"]}
    if target == "scalar":
        options["label_scaling"] = {"kind": "log", "offset": 0.3, "scale": 0.2}
    if kind == "cnn":
        return with_random_weights(CNN(CNNConfig(filters=6, kernel=5, **options)))
    if kind == "dilated":
        return with_random_weights(Dilated(DilatedConfig(filters=6, layers=2, kernel=5, **options)))
    core = GPTModel(GPTConfig(vocab_size=4, block_size=64, n_layer=1, n_head=2, n_embd=8))
    tokenizer = learn_tokenizer("character", alphabet="ACGT")
    head = "conv" if target == "track" else "pooled"
    return with_random_weights(BackboneModel.on(core, tokenizer, head=head, **options))


@pytest.mark.parametrize("edit", ["mask", "replace"])
@pytest.mark.parametrize(
    ("kind", "target"),
    [("cnn", "track"), ("cnn", "scalar"), ("cnn", "class"), ("dilated", "track"), ("gpt", "class"), ("gpt", "track")],
)
def test_interactions_are_those_of_brute_force(kind, target, edit):
    """Also for classes called as numbers and options are, labels on a logarithmic scale, a position without a base."""
    model, positions = network(kind, target), [3, 4, 9, 16, 30]
    column = None
    if target == "class":
        column = int(predict(model, [TEXT]).argmax())
    single, both, expected = brute_force(model, TEXT, positions, edit, column)
    found = interactions(model, TEXT, positions[::-1], edit)
    assert found.positions == positions
    size = np.abs(single).max()
    np.testing.assert_allclose(found.single, single, atol=1e-4 * size)
    np.testing.assert_allclose(found.both, both, atol=1e-4 * size)
    np.testing.assert_allclose(found.interaction, expected, atol=2e-4 * size)
    plain = interactions(model, TEXT, positions, edit, method="reference")
    np.testing.assert_allclose(found.interaction, plain.interaction, atol=2e-4 * size)


class Pair(torch.nn.Module):
    """A weight for each base and position, and 5 more where an A at 2 meets a C at 6."""

    def __init__(self):
        super().__init__()
        self.weights = torch.nn.Parameter(torch.randn(4, 10, generator=torch.Generator().manual_seed(0)))

    def forward(self, X):
        return (X * self.weights).sum((1, 2)) + 5 * X[:, 0, 2] * X[:, 1, 6]


def test_only_positions_that_work_together_interact():
    found = interactions(Pair().eval(), "GGAGGGCGGG", range(10)).interaction
    expected = np.zeros((10, 10))
    expected[2, 6] = expected[6, 2] = 5  # masking both loses it once, the sum of both counts it twice
    np.fill_diagonal(expected, np.nan)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_class_of_the_unedited_sequence_or_a_named_one_is_compared():
    """Also where edits change which class is predicted."""
    model, positions = network("cnn", "class"), [3, 9]
    for column, name in enumerate(["1", "0", "all"]):
        expected = brute_force(model, TEXT, positions, "mask", column)[2]
        found = interactions(model, TEXT, positions, class_index=column if name == "all" else name)
        np.testing.assert_allclose(found.interaction, expected, atol=1e-4)


def test_scores_of_some_positions_are_those_among_the_scores_of_all():
    model, texts = network("cnn", "track"), [TEXT, TEXT[:12] * 2]
    every = leave_one_out(model, texts, "remove").scores
    some = leave_one_out(model, texts, "remove", positions=[[0, 4, 5], []]).scores
    np.testing.assert_allclose(some[0, [0, 4, 5]], every[0, [0, 4, 5]], atol=1e-4)
    assert np.isnan(some[1]).all() and np.isfinite(some[0]).sum() == 3


def test_what_cannot_be_edited_in_pairs_is_told():
    with pytest.raises(InputError, match="no such edit: remove"):
        interactions(network("cnn", "track"), TEXT, [1, 2], "remove")
    saluki = Saluki(SalukiConfig(length=60, layout={"encoding": "mrna", "separator": " "}, target="scalar"))
    with pytest.raises(InputError, match="atomic tokens"):
        interactions(saluki, "a c g t", [1, 2])
