"""Heat maps of edits: colours and marks are where the numbers say."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from seqlm.report.figures.heat_maps.colours import limit
from seqlm.report.figures.heat_maps.mutagenesis import draw_mutagenesis, mean_importance, strongest_stretch


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
