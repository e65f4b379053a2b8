"""Training settings that follow from the data, and what a study says of them."""

import json

import pytest
from test_fitting import dataset, run

import seqlm
from seqlm.models.registry import network
from seqlm.report.collecting import collect_settings
from seqlm.report.page_tables import settings_table
from seqlm.training import FitSettings
from seqlm.training.defaults import head_settings, training_settings


@pytest.mark.parametrize(("n", "batch", "epochs"), [(200, 16, 60), (6000, 32, 8), (28_000, 128, 7), (10**6, 128, 6)])
def test_batches_and_epochs_grow_with_the_data(n, batch, epochs):
    own = training_settings({}, n, network("dilated"), pooling="mean")
    assert (own["batch_size"], own["epochs"], own["learning_rate"], own["schedule"]) == (batch, epochs, 1e-3, "cosine")
    FitSettings(**own)


def test_a_study_has_the_last_word():
    said = {"learning_rate": 0.5, "epochs": 3, "copies": 2}
    own = training_settings(said, 6000, network("cnn"))
    assert (own["learning_rate"], own["epochs"]) == (0.5, 3) and "copies" not in own
    assert own["warmup"] < 6000 / own["batch_size"] * 3 / 10


@pytest.mark.parametrize(("pooling", "rate"), [("mean", 1e-2), ("mean_max", 1e-3), ("positions", 1e-3), (None, 1e-3)])
def test_a_cnn_that_averages_learns_faster(tmp_path, pooling, rate):
    assert training_settings({}, 6000, network("cnn"), pooling=pooling)["learning_rate"] == rate
    assert training_settings({"learning_rate": 5e-4}, 6000, network("cnn"), pooling=pooling)["learning_rate"] == 5e-4
    data = dataset(target="track" if pooling is None else "class")
    entry = {"network": "cnn", "filters": 4} | ({"pooling": pooling} if pooling else {})
    output, _, _ = run(tmp_path, data, entry, training={"epochs": 1})
    assert json.loads((output / "config.json").read_text())["trained_with"]["learning_rate"] == rate


def test_saluki_keeps_its_own():
    assert FitSettings(**training_settings({}, 6000, network("saluki"))) == FitSettings()


@pytest.mark.parametrize(("width", "rate"), [(None, 1e-3), (64, 1e-3), (256, 3.9e-4), (1024, 9.8e-5)])
def test_heads_learn_as_networks_do_and_wide_encoders_slower(width, rate):
    own = training_settings({}, 6000, width=width)
    assert own["learning_rate"] == pytest.approx(rate, rel=0.01)
    assert own | {"learning_rate": 0} == training_settings({}, 6000, network("cnn")) | {"learning_rate": 0}


@pytest.mark.parametrize(
    ("entry", "target", "frozen", "room", "expected"),
    [
        ({}, "class", True, 1e9, {"head": "pooled", "layers": "all", "before_pooling": 1}),
        ({}, "class", True, 3e9, {"head": "pooled", "layers": "all", "before_pooling": 0}),
        ({"layers": [0, 2]}, "scalar", True, 3e9, {"head": "pooled", "layers": [0, 2], "before_pooling": 1}),
        ({"depth": 2}, "class", True, 3e9, {"head": "pooled", "layers": "all", "before_pooling": 2}),
        ({}, "class", False, 3e9, {"head": "pooled", "layers": "all", "before_pooling": 1}),
        ({"skip": "onehot"}, "class", True, 3e9, {"head": "pooled", "layers": "all", "before_pooling": 1}),
        ({}, "track", True, 3e9, {"head": "conv", "layers": "all", "depth": 2}),
        ({"head": "linear"}, "class", True, 1e9, {"head": "linear", "layers": "last", "before_pooling": 0}),
    ],
)  # fmt: skip
def test_a_pooled_head_convolves_where_features_of_all_tokens_have_room(entry, target, frozen, room, expected):
    assert head_settings(entry, target, frozen, room, n_layers=5) == expected


def test_class_tasks_stop_by_loss_and_bundles_say_how(tmp_path):
    folder = tmp_path / "models/d/cnn/fold0/seed1"
    folder.parent.mkdir(parents=True)
    _, model, history = run(tmp_path, dataset("class"), {"network": "cnn", "filters": 4}, training={"epochs": 3},
                            name="models/d/cnn/fold0/seed1")  # fmt: skip
    loss = history.query("part == 'validation' and metric == 'loss'").set_index("epoch")["value"]
    assert f"| best epoch | {loss.idxmin()} |" in (folder / "README.md").read_text()
    trained = seqlm.load_model(folder).config.trained_with
    assert (trained["epochs"], trained["batch_size"], trained["metric"]) == (3, 16, "loss")
    table = collect_settings([folder])
    assert set(table["setting"]) >= {"pooling", "epochs", "learning_rate"}
    assert table.set_index("setting")["value"]["pooling"] == "mean_max"
    assert "mean_max" in str(settings_table(table))
