"""Heat maps of edits: colours and marks are where the numbers say."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from seqlm.report.figures.heat_maps.colours import limit
from seqlm.report.figures.heat_maps.interactions import draw_interactions
from seqlm.report.figures.heat_maps.mutagenesis import draw_mutagenesis, mean_importance, strongest_stretch
from seqlm.report.page_tables import pairs_table


def arrays(length, strong=()):
    """Effects of a random sequence of `length`, large at the positions `strong`."""
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 4, (1, length)).astype(np.uint8)
    effects = np.float32(rng.uniform(-0.01, 0.01, (1, length, 4)))
    effects[:, list(strong)] = -1.0
    effects[codes[..., None] == np.arange(4)] = 0
    return {"models": ["cnn"], "id": ["window <1>"], "cnn/codes": codes, "cnn/effects": effects}


@pytest.fixture
def drawn(monkeypatch):
    """What is drawn, as it is before it is written."""
    figures = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, path, **_: (figures.append(figure), open(path, "w").close()))
    return figures


def images(figure):
    return [axes.images[0] for axes in figure.axes if axes.images]


def test_a_cell_has_the_colour_of_its_effect_and_own_bases_are_marked(drawn, tmp_path):
    given = arrays(30, strong=[7])
    draw_mutagenesis(given, [tmp_path / "a.png"], "d", "cnn", ["cnn"])
    (image,) = images(drawn[0])
    np.testing.assert_array_equal(image.get_array(), given["cnn/effects"][0].T)
    low, high = image.get_clim()
    assert low == -high and high == pytest.approx(limit(given["cnn/effects"]))
    assert image.cmap(0.5)[:3] == pytest.approx((1, 1, 1), abs=0.05)
    assert image.cmap(0.0)[2] > image.cmap(0.0)[0] and image.cmap(1.0)[0] > image.cmap(1.0)[2]  # falls blue, rises red
    (dots,) = image.axes.lines
    np.testing.assert_array_equal(dots.get_xdata(), np.arange(30))
    np.testing.assert_array_equal(dots.get_ydata(), given["cnn/codes"][0])


def test_of_a_long_sequence_the_strongest_stretch_is_drawn_and_named(drawn, tmp_path):
    draw_mutagenesis(arrays(5000, strong=[4010, 4090]), [tmp_path / "a.png"], "d", "cnn")
    (image,) = images(drawn[0])
    left, right = image.get_extent()[:2]
    assert right - left == 100 and left < 4010 and right > 4090
    titles = [axes.get_title("left") for axes in drawn[0].axes]
    assert f"window <1>, positions {int(left + 0.5):,} to {int(right - 0.5):,} of 5,000" in titles


def test_stretches_and_importances_are_those_of_a_plain_loop():
    rng = np.random.default_rng(2)
    effects, codes = rng.normal(size=(50, 4)), rng.integers(0, 4, 50)
    effects[:10] *= 5
    effects[3] = np.nan
    best = max(
        range(41), key=lambda start: sum(np.nan_to_num(np.abs(effects[i])).max() for i in range(start, start + 10))
    )
    assert strongest_stretch(effects, 10) == (best, best + 10) and strongest_stretch(effects, 80) == (0, 50)
    found = mean_importance(codes, effects)
    for i in range(50):
        others = [effects[i, base] for base in range(4) if base != codes[i]]
        assert found[i] == pytest.approx(0 if i == 3 else -np.mean(others))


def test_one_outlier_does_not_make_all_else_white():
    values = np.r_[np.ones(999), 1000.0]
    assert limit(values) == pytest.approx(1.0, rel=0.1) and limit([np.nan, 0]) == 1


def test_where_no_base_replaced_another_the_figure_says_so(tmp_path):
    given = arrays(10)
    given["cnn/effects"][:] = np.nan
    outputs = [tmp_path / "a.png", tmp_path / "a.svg"]
    draw_mutagenesis(given, outputs, "d", "cnn")
    assert "no base was put in the place of another" in outputs[1].read_text()


def pairs(sequence="s<1>", model="cnn"):
    rows = [(2, "A", 7, "C", 0.5), (2, "A", 40, "N", -0.25), (7, "C", 40, "N", 0.125)]
    columns = ["position_a", "base_a", "position_b", "base_b", "interaction"]
    table = pd.DataFrame(rows, columns=columns).assign(effect_a=0.1, effect_b=0.2, together=0.3)
    return table.assign(dataset="d", model=model, sequence=sequence)


def test_interactions_stand_on_both_sides_of_an_empty_diagonal(drawn, tmp_path):
    draw_interactions(pd.concat([pairs(), pairs("s2")]), [tmp_path / "a.png"], "d", "cnn")
    found = images(drawn[0])
    assert len(found) == 2 and [image.axes.get_title("left") for image in found] == ["s<1>", "s2"]
    np.testing.assert_array_equal(
        np.ma.filled(found[0].get_array(), np.nan),
        [[np.nan, 0.5, -0.25], [0.5, np.nan, 0.125], [-0.25, 0.125, np.nan]],
    )
    axes = found[0].axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["A 2", "C 7", "N 40"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["A", "C", "N"]
    low, high = found[0].get_clim()
    assert low == -high


def test_without_pairs_the_figure_says_so_and_the_table_is_none(tmp_path):
    outputs = [tmp_path / "a.png", tmp_path / "a.svg"]
    draw_interactions(pairs().iloc[:0], outputs, "d", "cnn")
    assert "no sequence has two positions that were scored" in outputs[1].read_text()
    assert pairs_table(pairs().iloc[:0]) is None and pairs_table(None) is None


def test_the_table_has_the_strongest_pairs_of_each_model_in_the_order_of_models():
    table = pairs_table(pd.concat([pairs(model="zebra"), pairs(model="ant")]), most=2)
    names = [name for name, _ in table["columns"]]
    cells = [[row[names.index(name)][0] for name in ("model", "base a", "base b")] for row in table["rows"]]
    assert cells == [[m, *pair] for m in ("zebra", "ant") for pair in (("A 2", "C 7"), ("A 2", "N 40"))]
