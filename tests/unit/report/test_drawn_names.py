"""Names and ids are drawn as they are written, whatever they hold, and however many there are."""

import subprocess
import sys

import made_up
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.text import Text
from test_figures import FIGURES, ROOT, transcript_arrays
from test_figures import study as plain_study  # noqa: F401, the tables that are renamed here

from seqlm.report.class_tables import class_tables, most_confused
from seqlm.report.figures import classes, embedding, loo, performance, tracks, transcript

ODD = ["_cnn", "gpt $x$ and $y", "a<b>&amp;c", "_nolegend_"]
NEW_NAME = dict(zip(made_up.MODELS, ODD, strict=True))


@pytest.fixture
def drawn(monkeypatch):
    """The figures that are drawn while a test runs, rendered at low resolution."""
    figures, save = [], Figure.savefig

    def savefig(self, path, dpi=None, **options):
        figures.append(self)
        save(self, path, dpi=40, **options)

    monkeypatch.setattr(Figure, "savefig", savefig)
    return figures


def renamed(thing):
    """Tables and arrays with other names of models."""
    if isinstance(thing, pd.DataFrame):
        words = thing.map(lambda cell: NEW_NAME.get(cell, cell) if isinstance(cell, str) else cell)
        whole = {name: thing[name].dtype for name in thing if name in ("fold", "seed")}
        return words.rename(index=NEW_NAME).astype(whole)
    if isinstance(thing, dict):
        return {key: renamed(value) for key, value in thing.items()}
    if isinstance(thing, np.ndarray) and thing.dtype.kind == "U":
        return np.array([NEW_NAME.get(str(name), str(name)) for name in thing.ravel()]).reshape(thing.shape)
    return thing


@pytest.fixture(scope="module")
def study(plain_study):  # noqa: F811
    return renamed(plain_study)


def texts(figure):
    """What stands in a figure, line ends of wrapped names taken out, a legend's entries among it."""
    return [text.get_text().replace("\n", " ") for text in figure.findobj(Text) if text.get_visible()]


def legends(figure):
    found = [*figure.legends, *(axes.get_legend() for axes in figure.axes if axes.get_legend())]
    return [[text.get_text() for text in legend.get_texts()] for legend in found]


WITH_ALL = ["performance", "differences", "folds", "cost", "tracks", "scatter", "confusion", "reliability", "loo",
            "loo precision", "training", "fit time"]  # fmt: skip
WITH_LEGEND = ["folds", "cost", "tracks", "reliability"]
OWN_NAMES = ["readings", "regions", "transcript", "umap", "loss of a masked one", "loss of one", "training of one"]


@pytest.mark.parametrize("name", [name for name in FIGURES if name not in OWN_NAMES])
def test_models_of_any_name_are_drawn(name, study, drawn, tmp_path, monkeypatch):
    monkeypatch.setattr("test_figures.NAMES", ODD)
    FIGURES[name](study, [tmp_path / "f.png", tmp_path / "f.svg"])
    for text in drawn[0].findobj(Text):
        assert not text.get_parse_math() or "$" not in text.get_text()
    there = " ".join(texts(drawn[0]))
    for model in ODD if name in WITH_ALL else ODD[1:3]:
        assert model.replace(" ", "") in there.replace(" ", ""), f"{model} is nowhere in {name}"
    if name in WITH_LEGEND:
        for entries in legends(drawn[0]):
            for model in ODD:
                assert any(entry.startswith(model) for entry in entries), f"{model} is not in the legend {entries}"


def test_backbones_of_any_name_stand_in_the_legend_of_readings(drawn, tmp_path):
    from seqlm.report.figures.readings import draw_readings

    rows = [["d", name, "pearson", 0.5, 0.4, 0.6] for name in ODD]
    table = pd.DataFrame(rows, columns=["dataset", "model", "metric", "value", "low", "high"])
    read = {name: f"way {i}" for i, name in enumerate(ODD[1:])}
    kinds = {name: {"family": "language models", "backbone": name} for name in read}
    kinds[ODD[0]] = {"family": "networks from scratch"}
    draw_readings(table, [tmp_path / "a.png"], "d", read, kinds)
    assert legends(drawn[0]) == [[*sorted(ODD[1:]), f"{ODD[0]}, from scratch"]]


def test_the_legend_of_regions_and_of_losses(drawn, tmp_path):
    rows = [["d", model, region, 0.1, 0.0, 0.2] for model in ODD for region in ("5'UTR", "CDS")]
    table = pd.DataFrame(rows, columns=["dataset", "model", "region", "mean", "low", "high"])
    loo.draw_regions(table, [tmp_path / "a.png"], "d")
    assert legends(drawn[0]) == [sorted(ODD)]


def test_backbones_that_begin_with_an_underscore_have_their_curve_named(drawn, tmp_path):
    from seqlm.report.figures import language

    history = made_up.history_table(np.random.default_rng(0), models=(), backbones=("_a", "b"))
    bits = history.assign(metric="bits_per_base")
    table = pd.DataFrame([["_a", "markov_bits_per_base", 1.9]], columns=["backbone", "measure", "value"])
    language.draw_loss(pd.concat([history, bits]), table, [tmp_path / "a.png"])
    nats, bits = legends(drawn[0])
    assert nats == ["_a", "b", "training", "validation"]
    assert [entry.split()[0] for entry in bits] == ["_a", "b", "Markov", "guessing:"]
    masked = history.assign(metric="base_accuracy")
    language.draw_loss(pd.concat([history, masked]), table[:0], [tmp_path / "b.png"])
    assert any("_a, bases" in entry for entry in sum(legends(drawn[1]), []))


def test_ids_and_labels_are_drawn_as_they_are_written(drawn, tmp_path):
    name = "chr$1$_<2>&"
    transcript.draw_transcript({**transcript_arrays(), "id": name}, [tmp_path / "a.png"])
    assert any(name in text for text in texts(drawn[0]))
    track = {"id": [name], "models": ["cnn"], "observed": np.ones((1, 9)), "prediction": np.ones((1, 1, 9))}
    tracks.draw_tracks(track, [tmp_path / "b.png"], "d")
    assert f"test window {name}" in texts(drawn[1])
    labels = ["_x", "$\\alpha$", "<b>"]
    umap = pd.DataFrame({"x": [0, 1, 2], "y": [0, 1, 0], "label": labels, "panel": "_p"})
    embedding.draw_umap(umap, [tmp_path / "c.png"], "t")
    assert legends(drawn[2]) == [sorted(labels)]
    assert "_p" in texts(drawn[2])
    every = [text for figure in drawn for text in figure.findobj(Text)]
    assert not [text for text in every if text.get_parse_math() and "$" in text.get_text()]


@pytest.mark.parametrize(("n", "models"), [(3, 2), (25, 1), (25, 3), (60, 1), (300, 2)])
def test_confusion_of_many_classes_is_a_picture_of_bounded_size(n, models, drawn, tmp_path):
    arrays, wrong = made_up.classifier(n, ["cnn", "gpt", "kmer"][:models])
    classes.draw_confusion(arrays, [tmp_path / "a.png", tmp_path / "a.svg"], "d")
    figure = drawn[0]
    width, height = figure.get_size_inches()
    assert width < 30 and height < 30
    matrices = [axes for axes in figure.axes if axes.findobj(AxesImage)]
    assert len(matrices) == models
    assert matrices[0].images[0].get_array().shape == (n, n)
    assert len(texts(figure)) < 400
    for axes in matrices:  # nothing is cut off at the figure's edge
        box = axes.get_tightbbox()
        assert box.x0 >= -1 and box.y0 >= -1 and box.x1 <= figure.bbox.width + 1 and box.y1 <= figure.bbox.height + 1
    written = " ".join(texts(figure))
    if n == 3:
        assert "class 2" in written
    else:
        assert f"class 0 → class 1: {wrong}" in written
        assert "accuracy" in written
    if n > 40:
        assert "class 20" not in written and f"{n} classes" in written
    assert (tmp_path / "a.svg").stat().st_size < 2_000_000


def test_of_many_pairs_of_models_the_largest_differences_are_drawn(drawn, tmp_path):
    rng = np.random.default_rng(0)
    pairs = [(f"m{i}", f"m{j}") for i in range(30) for j in range(i)]
    table = pd.DataFrame(pairs, columns=["model_a", "model_b"]).assign(
        dataset="d", metric="pearson", difference=rng.normal(size=len(pairs)), p_holm=0.5, better="neither", question=""
    )
    table = table.assign(low=table["difference"] - 1, high=table["difference"] + 1)
    table.loc[7, ["difference", "question"]] = 0.0, "families"
    performance.draw_differences(table, [tmp_path / "a.png"], "d")
    shown = drawn[0].axes[0].get_yticklabels()
    largest = table.loc[table["difference"].abs().nlargest(59).index, ["model_a", "model_b"]]
    expected = {frozenset(pair) for pair in largest.to_numpy().tolist()} | {frozenset(pairs[7])}
    assert {frozenset(label.get_text().split(" − ")) for label in shown} == expected
    assert shown[0].get_fontweight() == "bold" and "375 smaller differences" in " ".join(texts(drawn[0]))


def test_drawing_three_hundred_classes_takes_less_than_a_gigabyte(tmp_path):
    code = (
        "import sys; import made_up; from seqlm.report.figures.classes import draw_confusion;"
        "draw_confusion(made_up.classifier(300, [f'm{i}' for i in range(6)])[0], [sys.argv[1]], 'd');"
        # Not ru_maxrss: that begins with what the process held that started this one.
        "print(next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')))"
    )
    path = f"{ROOT / 'workflow/scripts'}:{ROOT / 'tests/helpers'}"
    command = [sys.executable, "-c", code, str(tmp_path / "a.png")]
    done = subprocess.run(command, capture_output=True, text=True, env={"PYTHONPATH": path})
    assert int(done.stdout) < 1_000_000, done.stderr  # kilobytes


def test_the_most_confused_pairs_are_those_with_the_most_examples():
    arrays, wrong = made_up.classifier(25)
    cells = class_tables({"d": {**arrays, "target": "class"}})[1]
    pairs = most_confused(cells, 5)
    assert pairs[["dataset", "model", "observed", "predicted"]].to_numpy().tolist() == [
        ["d", "cnn", "class 0", "class 1"], ["d", "gpt", "class 0", "class 1"]
    ]  # fmt: skip
    assert pairs["count"].tolist() == [wrong, wrong]


def test_a_map_of_many_labels_has_a_legend_of_bounded_length(drawn, tmp_path):
    rng = np.random.default_rng(0)
    n = 3000
    labels = rng.integers(0, 300, n).astype(str)
    table = pd.DataFrame({"x": rng.normal(size=n), "y": rng.normal(size=n), "label": labels})
    table.loc[:50, "label"] = "common"
    embedding.draw_umap(table, [tmp_path / "a.png"])
    (entries,) = legends(drawn[0])
    assert "common" in entries and len(entries) <= 25 and "281 others" in entries[-1]
    assert drawn[0].axes[0].get_position().height > 0.4
    embedding.draw_umap(table.assign(label=[f"{value:.4f}" for value in table["x"]]), [tmp_path / "b.png"])
    assert not legends(drawn[1])  # numbers are coloured by value, with a scale beside them
    assert len(drawn[1].axes) == 2
