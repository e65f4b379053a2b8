"""Predictions against direct calls of the module, and against tangermeme's functions of the same names."""

import numpy as np
import pytest
import torch
from torch import nn

from seqlm.common.errors import InputError
from seqlm.inference.prediction import predict, predict_cross, predict_targets
from seqlm.models.bundle import save_bundle
from seqlm.models.networks.cnn import CNN, CNNConfig


class Dense(nn.Module):
    def __init__(self):
        super().__init__()
        self.dense = nn.Linear(40, 3)

    def forward(self, X, alpha=0, beta=1):
        return self.dense(X.reshape(len(X), 40)) * beta + alpha


class TwoOutputs(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(4, 6, 3)
        self.norm = nn.BatchNorm1d(6)
        self.dropout = nn.Dropout(0.5)

    def forward(self, X, alpha=0):
        x = self.dropout(self.norm(self.conv(X)))
        return x + alpha, x.sum((1, 2))


@pytest.fixture
def X():
    codes = torch.randint(4, (13, 10), generator=torch.Generator().manual_seed(0))
    return nn.functional.one_hot(codes, 4).transpose(1, 2).float()


@pytest.fixture
def args():
    generator = torch.Generator().manual_seed(1)
    return torch.randn(13, 1, generator=generator), torch.randn(13, 1, generator=generator)


@pytest.mark.parametrize("batch_size", [None, 1, 4, 13, 100])
def test_any_batch_size_gives_what_the_module_gives(X, args, batch_size):
    model = Dense()
    y = predict(model, X, args=args, batch_size=batch_size)
    torch.testing.assert_close(y, model(X, *args).detach())
    assert not y.requires_grad


def test_several_outputs_come_as_a_list_without_dropout(X):
    model = TwoOutputs()
    y = predict(model, X, batch_size=4)
    assert isinstance(y, list) and [len(part) for part in y] == [13, 13]
    again = model.eval()(X)
    for part, expected in zip(y, again, strict=True):
        torch.testing.assert_close(part, expected.detach())


def test_mode_of_every_submodule_and_device_are_restored_even_after_an_error(X):
    model = TwoOutputs().train()
    model.norm.eval()
    predict(model, X)
    assert (model.training, model.norm.training, model.dropout.training) == (True, False, True)
    with pytest.raises(RuntimeError):
        predict(model, X[:, :2])
    assert (model.training, model.norm.training, model.dropout.training) == (True, False, True)
    assert next(model.parameters()).device.type == "cpu"


def test_func_and_dtype(X):
    model = Dense()
    y = predict(model, X.to(torch.int8), func=lambda y: y[:, :2])
    torch.testing.assert_close(y, model(X)[:, :2].detach())
    half = predict(model, X, dtype="bfloat16")
    assert half.dtype == torch.bfloat16
    torch.testing.assert_close(half.float(), model(X).detach(), atol=0.05, rtol=0.05)


def test_misuse_is_a_value_error(X, args):
    model = Dense()
    with pytest.raises(ValueError, match="empty"):
        predict(model, X[:0])
    with pytest.raises(ValueError, match="rows"):
        predict(model, X, args=(args[0][:5],))
    with pytest.raises(ValueError, match="rows"):
        predict(model, X, args=args[0])
    for wrong in (5, (5,), [args[0].numpy()], [None], [torch.tensor(1.0)]):
        with pytest.raises(ValueError, match="args"):
            predict(model, X, args=wrong)
        with pytest.raises(ValueError, match="args"):
            predict_cross(model, X, args=wrong)
    with pytest.raises(TypeError):  # as tangermeme's
        predict(model, X, args=5)
    with pytest.raises(AttributeError):
        predict(model, X, args=(5,))
    with pytest.raises(ValueError, match="dict"):
        predict(lambda_module(lambda X: {"y": X}), X)
    with pytest.raises(ValueError, match="empty"):
        predict_cross(model, X[:0], args=args)
    with pytest.raises(ValueError, match="same number of rows"):
        predict_cross(model, X, args=(args[0], args[1][:4]))


def lambda_module(function):
    module = nn.Module()
    module.forward = function
    return module


@pytest.mark.parametrize("batch_size", [1, 7, 1000])
def test_cross_is_every_example_with_every_row(X, args, batch_size):
    model = Dense()
    alpha, beta = args[0][:5], args[1][:5]
    y = predict_cross(model, X, args=(alpha, beta), batch_size=batch_size)
    expected = model(X).detach()[:, None] * beta[None] + alpha[None]
    assert y.shape == (13, 5, 3)
    torch.testing.assert_close(y, expected)


def test_cross_of_a_model_with_several_outputs(X, args):
    y = predict_cross(TwoOutputs(), X, args=(args[0][:5, :, None],), batch_size=4)
    assert [part.shape for part in y] == [(13, 5, 6, 8), (13, 5)]


def test_equal_to_tangermeme(X, args):
    theirs = pytest.importorskip("tangermeme.predict").predict
    pairwise = pytest.importorskip("tangermeme.product").apply_pairwise
    for model in (Dense(), TwoOutputs()):
        given = args[:1] if isinstance(model, Dense) else (args[0][:, :, None],)
        for y, expected in zip(
            _as_list(predict(model, X, args=given)), _as_list(theirs(model, X, args=given, device="cpu")), strict=True
        ):
            torch.testing.assert_close(y, expected)
        crossed, expected = predict_cross(model, X, args=given), pairwise(theirs, model, X, args=given, device="cpu")
        for y, other in zip(_as_list(crossed), _as_list(expected), strict=True):
            torch.testing.assert_close(y, other)


def _as_list(y):
    return y if isinstance(y, (list, tuple)) else [y]


def test_sequences_for_a_foreign_module_are_one_hot():
    sequences = ["ACGTNacgtu", "TTTTTTTTTT"]
    y = predict(lambda_module(lambda X: X), sequences)
    assert y.shape == (2, 4, 10)
    assert y[0].sum(0).tolist() == [1, 1, 1, 1, 0, 1, 1, 1, 1, 1]
    assert y[0].argmax(0)[[0, 1, 2, 3, 5, 6, 7, 8, 9]].tolist() == [0, 1, 2, 3, 0, 1, 2, 3, 3]
    with pytest.raises(ValueError, match="one length"):
        predict_cross(Dense(), ["ACGT", "ACG"], args=(torch.ones(1, 1),))


def test_sequences_of_many_lengths_keep_their_order_and_see_no_padding():
    torch.manual_seed(0)
    model = CNN(CNNConfig(filters=8, hidden=8, kernel=5)).eval()
    sequences = ["ACGTACGTAA", "GGG", "TTTTTTT", "CCC", "A"]
    y = predict(model, sequences)
    for sequence, track in zip(sequences, y, strict=True):
        torch.testing.assert_close(track, model(model.encode([sequence]))[0].detach())


@pytest.mark.parametrize("kernel", [1, 4, 11])
@pytest.mark.parametrize("length", [None, 30_000])
def test_long_sequences_in_pieces_are_what_the_network_makes_of_them_whole(kernel, length):
    torch.manual_seed(0)
    model = CNN(CNNConfig(filters=4, hidden=4, kernel=kernel, length=length)).eval().double()
    sequences = ["".join(np.random.default_rng(i).choice(list("ACGTN"), n)) for i, n in enumerate((20_011, 9000, 50))]
    with torch.no_grad():
        whole = [model(model.encode([sequence]))[0, : len(sequence)] for sequence in sequences]
    seen = []
    model.register_forward_hook(lambda _, given, __: seen.append(given[0].shape[-1]))
    for sequence, track, own in zip(sequences, predict_targets(model, sequences, device="cpu"), whole, strict=True):
        assert len(track) == len(sequence)
        torch.testing.assert_close(torch.from_numpy(track), own.float(), rtol=0, atol=1e-7)
    assert max(seen) < 9000
    # A tensor, and what `func` sees, are of the whole length.
    X = one_hot_of(sequences[0]).double()
    y = predict(model, X, device="cpu", func=lambda y: y.cumsum(-1))
    torch.testing.assert_close(y[0], model(X)[0].detach().cumsum(-1), rtol=1e-9, atol=1e-9)


def one_hot_of(sequence):
    codes = torch.tensor(["ACGTN".find(letter) for letter in sequence])
    return torch.nn.functional.one_hot(codes, 5)[:, :4].T[None].float()


@pytest.mark.parametrize("kernel", [1, 2, 5, 8])
def test_the_reach_of_the_cnn_covers_all_that_a_value_depends_on(kernel):
    torch.manual_seed(0)
    model = CNN(CNNConfig(filters=4, hidden=4, kernel=kernel)).eval()
    X = torch.rand(1, 4, 61, requires_grad=True)
    (gradient,) = torch.autograd.grad(model(X)[0, 30], X)
    read = gradient.abs().sum((0, 1)).nonzero().flatten() - 30
    assert max(-int(read.min()), int(read.max())) == model.reach
    assert CNN(CNNConfig(filters=4, hidden=4, kernel=kernel, target="scalar")).reach is None


def test_too_little_memory_is_one_line():
    def fails(X):
        raise torch.OutOfMemoryError("CUDA out of memory")

    for rows in (1, 2):
        with pytest.raises(InputError, match="one of 7 positions.*windows"):
            predict(lambda_module(fails), torch.zeros(rows, 4, 7), batch_size=rows)


def test_a_batch_that_does_not_fit_is_predicted_in_halves():
    sizes = []

    def limited(X):
        sizes.append(len(X))
        if len(X) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return X.sum((1, 2)), X[:, 0]

    X = torch.randn(10, 4, 7)
    found = predict(lambda_module(limited), X, batch_size=10)
    torch.testing.assert_close(found[0], X.sum((1, 2)))
    torch.testing.assert_close(found[1], X[:, 0])
    assert sizes == [10, 5, 3, 3, 3, 1]


def test_bundle_from_its_folder(tmp_path):
    torch.manual_seed(0)
    model = CNN(CNNConfig(filters=8, hidden=8, kernel=5)).eval()
    save_bundle(model, tmp_path / "bundle")
    sequences = ["ACGTACGTAA", "GGGTTTACAN"]
    assert torch.equal(predict(tmp_path / "bundle", sequences), predict(model, sequences))
    assert torch.equal(predict(model, model.encode(sequences)), predict(model, sequences))


def test_targets_are_in_the_units_of_the_labels():
    torch.manual_seed(0)
    sequences = ["ACGTACGTAA", "GGGTTTACAN", "ACG"]
    scaling = {"kind": "log", "offset": 2.0, "scale": 3.0}
    scalar = CNN(CNNConfig(filters=4, hidden=4, kernel=3, target="scalar", label_scaling=scaling)).eval()
    y = predict(scalar, sequences).double().numpy()
    np.testing.assert_allclose(predict_targets(scalar, sequences), np.exp(y * 3 + 2))
    classes = CNN(CNNConfig(filters=4, hidden=4, kernel=3, target="class", n_outputs=3)).eval()
    np.testing.assert_allclose(predict_targets(classes, sequences).sum(1), 1)
    track = CNN(CNNConfig(filters=4, hidden=4, kernel=3, length=12)).eval()
    assert [len(values) for values in predict_targets(track, sequences)] == [10, 10, 3]


def test_jobs_of_the_workflow_write_their_tables(tmp_path):
    import pandas as pd
    import pyarrow.parquet as pq

    from predict_targets import main as predict_job
    from score_loo import main as score_job
    from seqlm.attribution.result import COLUMNS
    from seqlm.datasets import write_dataset, write_folds

    rng = np.random.default_rng(0)
    sequences = ["".join(rng.choice(list("ACGT"), 20)) for _ in range(6)]
    motif = np.repeat([0, 1.5], 10)
    tracks = [motif * (i % 2) for i in range(6)]
    examples = pd.DataFrame({"id": list("abcdef"), "sequence": sequences, "target": tracks})
    summary = {"dataset": "toy", "target": "track", "classes": None, "examples": 6, "length": {"min": 20, "max": 20}}
    write_dataset(tmp_path / "data", examples, summary)
    folds = pd.DataFrame({"id": list("abcdef"), "fold": 0, "part": ["validation"] + ["test"] * 5})
    write_folds(tmp_path / "data/folds.tsv", folds)
    torch.manual_seed(0)
    model = CNN(CNNConfig(filters=8, hidden=8, kernel=5)).eval()
    save_bundle(model, tmp_path / "bundle")
    inputs = {"model": tmp_path / "bundle", "examples": tmp_path / "data/examples.parquet"}
    resources = {"torch_threads": 1, "device": "cpu"}

    outputs = {name: tmp_path / name for name in ("predictions", "metrics", "cost", "table", "arrays")}
    params = {"dataset_name": "toy", "model_name": "cnn", "fold": 0, "seed": 3, "parts": ["validation", "test"]}
    predict_job(_job(inputs, outputs, params, resources))
    predictions = pq.read_table(outputs["predictions"]).to_pandas()
    assert list(predictions.columns) == ["id", "part", "prediction"]
    assert predictions["part"].tolist() == ["validation"] + ["test"] * 5
    for sequence, track in zip(sequences, predictions["prediction"], strict=True):
        np.testing.assert_allclose(track, model(model.encode([sequence]))[0].detach(), atol=1e-6)
    metrics = pd.read_csv(outputs["metrics"], sep="\t")
    assert list(metrics.columns) == ["dataset", "model", "fold", "seed", "part", "metric", "value"]
    observed, predicted = np.concatenate(tracks[1:]), np.concatenate(list(predictions["prediction"][1:]))
    pearson = metrics.set_index(["part", "metric"])["value"]["test", "pearson"]
    assert pearson == pytest.approx(np.corrcoef(observed, predicted)[0, 1])

    loo = {"edit": "replace", "examples": 3}
    score_job(_job(inputs, outputs, {"loo": loo, "fold": 0, "shard": [1, 1]}, resources))
    table = pq.read_table(outputs["table"]).to_pandas()
    assert list(table.columns) == list(COLUMNS)
    assert len(table) == 3 * 20 * 4
    arrays = np.load(outputs["arrays"])
    assert arrays["id"].tolist() == ["b", "d", "f"]  # those with a motif first
    assert arrays["known"].sum() == 30
    scores = table["loo"].to_numpy().reshape(3, 20, 4)
    np.testing.assert_allclose(arrays["scores"], scores.sum(2) / 3, atol=1e-5)
    assert (np.take_along_axis(scores, arrays["codes"][..., None].astype(int), 2) == 0).all()


def _job(inputs, outputs, params, resources):
    """What Snakemake hands to a script."""
    from types import SimpleNamespace

    names = dict(zip(("input", "output", "params", "resources"), (inputs, outputs, params, resources), strict=True))
    return SimpleNamespace(log=None, **{name: SimpleNamespace(**values) for name, values in names.items()})
