"""Tables of text come back as they were written, whatever the names in them look like to pandas."""

import string

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqlm.common.errors import InputError
from seqlm.common.tables import NUMBERS, read_table, write_table
from seqlm.datasets.storage import read_folds, write_folds

ODD = [
    "null", "NA", "01", "2024", "None", "003", "nan", "True", "1e3", "", '"', "a\tb", "'x", "<b>", "_x", "é\u2028",
]  # fmt: skip


def test_names_are_text_and_numbers_are_numbers(tmp_path):
    rows = [[name, name, i, 1, "test", "pearson", i / 7] for i, name in enumerate(ODD)]
    table = pd.DataFrame(rows, columns=["dataset", "model", "fold", "seed", "part", "metric", "value"])
    write_table(table, tmp_path / "metrics.tsv")
    again = read_table(tmp_path / "metrics.tsv")
    assert again["dataset"].tolist() == again["model"].tolist() == ODD
    assert again["fold"].tolist() == list(range(len(ODD)))
    assert again["value"].tolist() == table["value"].tolist()  # to the last bit


@pytest.mark.parametrize("suffix", ["tsv", "csv"])
def test_one_odd_name_alone_is_text(suffix, tmp_path):
    """Where every cell looks like a number or like nothing, guessing goes wrong for the whole column."""
    for name in ("2024", "NA", "01"):
        path = tmp_path / f"x.{suffix}"
        separator = "," if suffix == "csv" else "\t"
        pd.DataFrame({"model": [name] * 3, "value": [1.0, np.nan, 2.0]}).to_csv(path, sep=separator, index=False)
        table = read_table(path)
        assert table["model"].tolist() == [name] * 3
        np.testing.assert_array_equal(table["value"], [1.0, np.nan, 2.0])


def test_observed_and_predicted_are_classes_of_one_table_and_counts_of_the_other(tmp_path):
    cells = pd.DataFrame({"observed": ["1", "NA"], "predicted": ["01", "1"], "count": [3, 4], "share": [0.5, np.nan]})
    write_table(cells, tmp_path / "confusion.tsv")
    pd.testing.assert_frame_equal(read_table(tmp_path / "confusion.tsv"), cells, check_dtype=False)
    counts = pd.DataFrame({"class": ["003"], "observed": [10], "predicted": [12]})
    write_table(counts, tmp_path / "classes.tsv")
    pd.testing.assert_frame_equal(read_table(tmp_path / "classes.tsv"), counts, check_dtype=False)


def test_folds_and_maps_keep_their_names(tmp_path):
    folds = pd.DataFrame({"id": ["01", "NA", "1.0"], "fold": [0, 0, 1], "part": ["train", "test", "test"]})
    write_folds(tmp_path / "folds.tsv", folds.assign(cluster=[5, 6, 7]))
    again = read_folds(tmp_path / "folds.tsv")
    assert again["id"].tolist() == ["01", "NA", "1.0"] and again["fold"].tolist() == [0, 0, 1]
    assert again["cluster"].tolist() == [5, 6, 7]
    umap = pd.DataFrame({"id": ["01"], "label": ["NA"], "panel": ["null"], "x": [0.1], "y": [2]})
    write_table(umap, tmp_path / "umap.tsv")
    assert read_table(tmp_path / "umap.tsv").iloc[0].tolist() == ["01", "NA", "null", 0.1, 2]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model\tvalue\ncnn\thigh\n", "column value holds 'high'"),
        ("model\tvalue\ncnn\t1\t\n", "more cells than its header"),
        ("id\tfold\tpart\na\t\ttest\n", "without a fold"),
    ],
)
def test_a_damaged_table_is_one_line(text, message, tmp_path):
    path = tmp_path / "x.tsv"
    path.write_text(text)
    with pytest.raises(InputError, match=message) as error:
        (read_folds if "fold" in text else read_table)(path)
    assert "\n" not in str(error.value)


def test_every_column_of_every_table_is_declared():
    """A column of numbers that nobody declared would come back as text."""
    from seqlm.evaluation.contest.comparison import INTERVAL_COLUMNS, PAIR_COLUMNS
    from seqlm.report import class_tables, collecting

    text = {
        "dataset", "model", "part", "metric", "stage", "quantity", "unit", "device", "model_a", "model_b", "better",
        "verdict", "class", "family", "question", "representative",
    }  # fmt: skip
    columns = {
        *INTERVAL_COLUMNS, *PAIR_COLUMNS, *collecting.METRIC_COLUMNS, *collecting.COST_COLUMNS,
        *collecting.HISTORY_COLUMNS, *class_tables.CLASS_COLUMNS, *class_tables.CONFUSION_COLUMNS,
    }  # fmt: skip
    assert columns - NUMBERS == text


NAMES = st.text(alphabet=string.printable + "éµ\u2028\u00a0", max_size=8).filter(lambda text: "\r" not in text)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(NAMES, st.floats(allow_nan=True)), min_size=1, max_size=6))
def test_any_names_and_numbers_come_back(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("tables") / "x.tsv"
    write_table(pd.DataFrame(rows, columns=["model", "value"]), path)
    again = read_table(path)
    assert again["model"].tolist() == [name for name, _ in rows]
    np.testing.assert_array_equal(again["value"], [value for _, value in rows])


def test_every_column_of_a_comparison_comes_back_as_it_was(tmp_path):
    """What `compare` computes is what verdict and figures read: a family without a name, a flag, nan where unknown."""
    intervals = pd.DataFrame({
        "metric": ["pearson", "pearson"], "model": ["01", "null"], "family": ["linear", ""],
        "validation": [0.5, float("nan")], "representative": [True, False], "value": [0.4, 0.1],
    })  # fmt: skip
    pairs = pd.DataFrame({
        "question": ["families"], "p_holm": [0.01], "among": [3], "detectable": [0.02], "better": ["neither"],
    })  # fmt: skip
    for name, table in (("intervals", intervals), ("comparisons", pairs)):
        write_table(table, tmp_path / f"{name}.tsv")
        pd.testing.assert_frame_equal(read_table(tmp_path / f"{name}.tsv"), table)
