"""Training settings that follow from the data, and what a study says of them."""

import pytest
from test_fitting import dataset, run

import seqlm
from seqlm.models.registry import network
from seqlm.report.collecting import collect_settings
from seqlm.report.page_tables import settings_table
from seqlm.training import FitSettings
from seqlm.training.defaults import training_settings


@pytest.mark.parametrize(("n", "batch", "epochs"), [(200, 16, 60), (6000, 32, 8), (28_000, 128, 7), (10**6, 128, 6)])
def test_batches_and_epochs_grow_with_the_data(n, batch, epochs):
    own = training_settings({}, n, network("dilated"))
    assert (own["batch_size"], own["epochs"], own["learning_rate"], own["schedule"]) == (batch, epochs, 1e-3, "cosine")
    FitSettings(**own)


def test_a_study_has_the_last_word():
    said = {"learning_rate": 0.5, "epochs": 3, "copies": 2}
    own = training_settings(said, 6000, network("cnn"))
    assert (own["learning_rate"], own["epochs"]) == (0.5, 3) and "copies" not in own
    assert own["warmup"] < 6000 / own["batch_size"] * 3 / 10


def test_saluki_and_heads_keep_their_own():
    published = FitSettings()
    saluki = FitSettings(**training_settings({}, 6000, network("saluki")))
    assert saluki == published == FitSettings(**training_settings({}, 6000))


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
