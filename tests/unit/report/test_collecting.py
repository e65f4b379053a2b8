"""Collected tables: the full grid exactly once, cells read from places, leave-one-out against the known motif."""

import json

import made_up
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score

from seqlm.common import tables
from seqlm.common.errors import InputError
from seqlm.evaluation.calibration import fit_temperature, rescale
from seqlm.report import collecting
from seqlm.report.class_tables import class_tables
from seqlm.report.figure_arrays import loo_examples, prediction_arrays
from seqlm.report.page_tables import totals_table
from seqlm.study import model_kinds

GRID = [("tf", model, 0, seed) for model in ("cnn", "gpt") for seed in (1, 2)]


def metric_files(folder, grid=GRID, names=("pearson", "spearman", "mse", "r2", "auprc")):
    paths = []
    for dataset, model, fold, seed in grid:
        path = folder / "predictions" / dataset / model / f"fold{fold}" / f"seed{seed}.metrics.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = [[part, name, 0.5] for part in ("validation", "test") for name in names]
        pd.DataFrame(rows, columns=["part", "metric", "value"]).to_csv(path, sep="\t", index=False)
        paths.append(path)
    return paths


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("results/s/models/d.1/gpt-full/fold2/seed10/history.tsv", ("d.1", "gpt-full", 2, 10)),
        ("results/s/predictions/d/cnn/fold0/seed1.metrics.tsv", ("d", "cnn", 0, 1)),
        ("results/s/predictions/d/cnn/fold0/seed1.parquet", ("d", "cnn", 0, 1)),
        ("results/s/backbones/gpt.a/cost.json", ("pretraining", "gpt.a", None, None)),
        ("results/s/attributions/d/gpt.a.npz", ("d", "gpt.a", None, None)),
        ("results/s/attributions/d/cnn.cost.json", ("d", "cnn", None, None)),
    ],
)
def test_a_file_belongs_where_it_lies(path, expected):
    assert tuple(tables.place_of(path).values()) == expected


def test_a_file_from_elsewhere_is_refused():
    with pytest.raises(InputError, match="no known place"):
        tables.place_of("elsewhere/cost.json")


def test_metrics_hold_the_full_grid(tmp_path):
    table = collecting.collect_metrics(metric_files(tmp_path), GRID, {"tf": "track"})
    assert list(table) == ["dataset", "model", "fold", "seed", "part", "metric", "value"]
    assert len(table) == 4 * 2 * 5
    assert not table.duplicated(["dataset", "model", "fold", "seed", "part", "metric"]).any()
    tables.write_table(table, tmp_path / "metrics.tsv")
    again = tables.read_table(tmp_path / "metrics.tsv")
    pd.testing.assert_frame_equal(again, table.astype({"fold": int, "seed": int}), check_dtype=False)


def test_a_hole_a_stranger_a_double_and_a_missing_metric_are_named(tmp_path):
    paths = metric_files(tmp_path)
    with pytest.raises(InputError, match="no test metrics of tf gpt fold 0 seed 2"):
        collecting.collect_metrics(paths[:-1], GRID)
    with pytest.raises(InputError, match="tf gpt fold 0 seed 2 is not part of the study"):
        collecting.collect_metrics(paths, GRID[:-1])
    with pytest.raises(InputError, match="two rows for dataset tf, model cnn, fold 0, seed 1"):
        collecting.collect_metrics([paths[0], *paths], GRID)
    with pytest.raises(InputError, match="lacks accuracy, auroc"):
        collecting.collect_metrics(paths, GRID, {"tf": "class"})


def test_costs_have_units_and_devices(tmp_path):
    cost = {"stage": "fit", "seconds": 3.5, "samples": 10, "device": "a CPU", "precision": "fp32", "done": True}
    paths = [
        made_up.write_json(tmp_path / "models/tf/cnn/fold0/seed1/cost.json", [cost, {**cost, "stage": "features"}]),
        made_up.write_json(tmp_path / "backbones/gpt/cost.json", {**cost, "stage": "pretrain"}),
    ]
    table = collecting.collect_costs(paths)
    assert list(table) == ["dataset", "model", "fold", "seed", "stage", "quantity", "value", "unit", "device"]
    assert len(table) == 6  # words and truth values are no quantities
    assert table.groupby("quantity")["unit"].first().to_dict() == {"samples": "samples", "seconds": "s"}
    assert table.loc[table["dataset"] == "pretraining", "fold"].isna().all()
    with pytest.raises(InputError, match="two rows"):
        collecting.collect_costs([paths[0], paths[0]])
    with pytest.raises(InputError, match="names no stage"):
        collecting.collect_costs([made_up.write_json(tmp_path / "backbones/x/cost.json", {"seconds": 1})])


def test_history_and_language_are_labelled_by_place(tmp_path):
    path = tmp_path / "models/tf/cnn/fold0/seed1/history.tsv"
    path.parent.mkdir(parents=True)
    path.write_text("epoch\tstep\tpart\tmetric\tvalue\n1\t30\ttrain\tloss\t0.5\n")
    table = collecting.collect_history([path])
    assert table.iloc[0].to_list() == ["tf", "cnn", 0, 1, 1, 30, "train", "loss", 0.5]
    bits = made_up.write_json(
        tmp_path / "backbones/gpt/bits_per_base.json", {"bits_per_base": 1.9, "markov": {"order": 5}}
    )
    assert collecting.collect_language([bits]).to_numpy().tolist() == [
        ["gpt", "bits_per_base", 1.9], ["gpt", "markov_order", 5.0]
    ]  # fmt: skip


def test_empty_studies_give_empty_tables_with_columns(tmp_path):
    assert list(collecting.collect_loo([])) == ["dataset", "model", "measure", "value"]
    assert list(collecting.collect_language([])) == ["backbone", "measure", "value"]
    assert list(collecting.collect_data([])) == ["dataset", "fold", "part", "measure", "value"]
    for name, table in {"loo": collecting.collect_loo([]), "costs": collecting.collect_costs([])}.items():
        tables.write_table(table, tmp_path / f"{name}.tsv")
        assert list(tables.read_table(tmp_path / f"{name}.tsv", empty=True)) == list(table)


def test_damaged_tables_and_json_are_one_line(tmp_path):
    (tmp_path / "short.tsv").write_text("part\tmetric\n")
    (tmp_path / "broken.json").write_text(json.dumps({"a": 1})[:-1])
    for read, message in [
        (lambda: tables.read_table(tmp_path / "none.tsv"), "no such table"),
        (lambda: tables.read_table(tmp_path / "short.tsv", ["value"]), "no column value"),
        (lambda: tables.read_table(tmp_path / "short.tsv"), "holds no row"),
        (lambda: tables.read_json(tmp_path / "broken.json"), "cannot be read as JSON"),
        (lambda: tables.read_arrays(tmp_path / "broken.json"), "cannot be read as arrays"),
    ]:
        with pytest.raises(InputError, match=message) as error:
            read()
        assert "\n" not in str(error.value)


def test_costs_of_a_model_include_its_backbones_pretraining_once():
    totals = collecting.cost_totals(made_up.cost_table(), model_kinds(made_up.CONFIG)).set_index("model")
    assert totals.loc["cnn", ["pretrain", "features", "fit", "total"]].to_list() == [0, 0, 41.5, 41.5]
    assert totals.loc["gpt-full", ["pretrain", "features", "fit", "total"]].to_list() == [95, 9, 13.5, 117.5]
    assert totals.loc["gpt-random", "pretrain"] == 0
    assert totals.loc["cnn", "device"] == "2-core CPU"


def test_the_price_is_of_all_attempts_on_all_devices(tmp_path):
    """Two hours at 3 an hour; half an hour that became one, twice, on two devices: pretraining, once for all models."""
    costs = {
        "backbones/gpt": {"stage": "pretrain", "seconds": 7200, "energy_joules": 100.0},
        "models/d/m/fold0/seed1": [
            {"stage": "features", "seconds": 0},
            {"stage": "fit", "seconds": 1800, "wall_seconds": 3600, "attempts": 2, "devices": 2, "energy_joules": 5.0},
        ],
    }
    for place, cost in costs.items():
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "cost.json").write_text(json.dumps(cost))
    paths = [tmp_path / place / "cost.json" for place in costs]
    table = collecting.collect_costs(paths, price_per_hour=3)
    assert table.query("quantity == 'price'").set_index("stage")["value"].to_dict() == {
        "pretrain": 6, "features": 0, "fit": 6,
    }  # fmt: skip
    totals = collecting.cost_totals(table, {"m": {"backbone": "gpt"}}).iloc[0]
    assert (totals["price"], totals["energy_joules"], totals["total"]) == (12, 105, 9000)
    plain = collecting.cost_totals(collecting.collect_costs(paths), {"m": {"backbone": "gpt"}})
    assert np.isnan(plain["price"].iloc[0])
    shown = [totals_table(of)["columns"] for of in (plain, collecting.cost_totals(table, {"m": {"backbone": "gpt"}}))]
    assert [("price", False) in columns for columns in shown] == [False, True]


def test_leaks_between_training_and_test_are_counted():
    examples = pd.DataFrame({
        "id": list("abcd"), "sequence": ["ACGT", "AAAA", "ACGT", "CCC"], "target": [1.0, np.nan, 2.0, 3.0],
        "group": ["g", "h", None, "g"],
    })  # fmt: skip
    folds = pd.DataFrame({"id": list("abcd"), "fold": 0, "part": ["train", "train", "test", "test"]})
    counts = collecting.count_parts(examples, folds).set_index(["part", "measure"])["value"]
    assert counts["train"].to_dict() == {"examples": 2, "labelled": 1, "groups": 2, "letters": 8}
    assert counts["test"].to_dict() == {
        "examples": 2, "labelled": 2, "groups": 2, "letters": 7, "shared_groups": 1, "shared_sequences": 1,
    }  # fmt: skip


def test_loo_precision_is_sklearns_on_real_bases_only(tmp_path):
    rng = np.random.default_rng(2)
    path = made_up.loo_files(rng, tmp_path, models=["gpt-full"])[0]
    arrays = dict(np.load(path))
    arrays["codes"][0, :50] = 4  # padding: its scores must not count
    arrays["scores"][0, :50] = -99
    arrays["known"][0, :50] = False
    np.savez(path, **arrays)
    found = collecting.collect_loo([path]).set_index("measure")["value"]
    real = arrays["codes"] < 4
    known, scores = arrays["known"][real], arrays["scores"][real]
    assert found["ap_negative"] == pytest.approx(average_precision_score(known, -scores))
    assert found["ap_absolute"] == pytest.approx(average_precision_score(known, np.abs(scores)))
    assert found["chance"] == pytest.approx(known.mean())
    assert found["bases"] == real.sum()


def test_loo_examples_are_the_same_windows_for_all_models(tmp_path):
    paths = made_up.loo_files(np.random.default_rng(2), tmp_path)
    found = loo_examples(paths, n=2)
    assert list(found["tf_binding/models"]) == made_up.MODELS
    assert found["tf_binding/scores"].shape == (4, 2, 120)
    assert found["tf_binding/known"].any(1).all()
    row = int(found["tf_binding/id"][1][1:])
    np.testing.assert_array_equal(found["tf_binding/scores"][0, 1], np.load(paths[0])["scores"][row])
    arrays = dict(np.load(paths[1]))
    np.savez(paths[1], **{**arrays, "id": arrays["id"][::-1]})
    with pytest.raises(InputError, match="other windows"):
        loo_examples(paths)


def test_arrays_are_written_without_pickles(tmp_path):
    tables.write_arrays({"d/id": np.array(["a"]), "x": np.arange(3)}, tmp_path / "a.npz")
    assert tables.read_arrays(tmp_path / "a.npz")["d/id"].tolist() == ["a"]


@pytest.mark.parametrize("target", ["track", "scalar", "class"])
def test_arrays_of_tested_examples_are_means_over_seeds(target):
    rng = np.random.default_rng(4)
    examples = made_up.example_table(rng, target)
    folds = made_up.fold_table(examples, 2)
    cells = made_up.predictions(rng, examples, folds, target, models=["cnn", "gpt-full"])
    arrays = prediction_arrays(examples, folds, cells, target, ["ant", "bee", "cow"])
    assert list(arrays["models"]) == ["cnn", "gpt-full"]
    tested = folds[folds["part"] == "test"].set_index("id")["fold"]
    assert set(arrays["id"]) <= set(tested.index)
    assert len(arrays["id"]) == (3 if target == "track" else len(tested))
    for i in (0, len(arrays["id"]) - 1):
        name = arrays["id"][i]
        seeds = [
            np.asarray(frame.set_index("id")["prediction"][name], float)
            for model, fold, _, frame in cells
            if model == "gpt-full" and fold == tested[name]
        ]
        assert len(seeds) == 2
        np.testing.assert_allclose(arrays["prediction"][1, i], np.mean(seeds, axis=0), rtol=1e-5)


def test_class_tables_equal_scikit_learn():
    from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

    rng = np.random.default_rng(0)
    names = ["ant", "bee", "cow"]
    observed, prediction = rng.integers(0, 3, 200), rng.dirichlet(np.ones(3), (2, 200))
    arrays = {"target": "class", "classes": names, "models": ["x", "y"], "observed": observed, "prediction": prediction}
    by_class, cells = class_tables({"d": arrays, "other": {"target": "track"}})
    for model, own in zip("xy", prediction, strict=True):
        expected = precision_recall_fscore_support(observed, own.argmax(1))
        found = by_class[by_class["model"] == model]
        assert found["class"].tolist() == names
        for column, values in zip(("precision", "recall", "f1", "observed"), expected, strict=True):
            np.testing.assert_allclose(found[column], values)
        counts = cells[cells["model"] == model].pivot(index="observed", columns="predicted", values="count")
        np.testing.assert_array_equal(counts.loc[names, names], confusion_matrix(observed, own.argmax(1)))
    assert set(by_class["dataset"]) == {"d"}
    assert cells.groupby(["model", "observed"])["share"].sum().tolist() == pytest.approx([1] * 6)


def test_calibrated_arrays_use_the_validation_part_alone():
    rng = np.random.default_rng(0)
    examples = pd.DataFrame({"id": [f"x{i}" for i in range(120)], "target": rng.choice(["ant", "bee"], 120)})
    folds = examples[["id"]].assign(fold=0, part=["validation"] * 60 + ["test"] * 60)
    p = rng.dirichlet([0.2, 0.2], 120)
    frame = folds.assign(prediction=list(p))
    arrays = prediction_arrays(examples, folds, [("m", 0, 1, frame)], "class", ["ant", "bee"])
    temperature = fit_temperature(p[:60], (examples["target"] == "bee").to_numpy(int)[:60])
    np.testing.assert_allclose(arrays["calibrated"][0], rescale(p[60:], temperature), rtol=1e-5)
    np.testing.assert_allclose(arrays["prediction"][0], p[60:], rtol=1e-5)
    without = prediction_arrays(examples, folds, [("m", 0, 1, frame[60:])], "class", ["ant", "bee"])
    np.testing.assert_allclose(without["calibrated"][0], p[60:], rtol=1e-5)
