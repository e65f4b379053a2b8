"""Every figure is drawn from tables and small arrays, and its marks are where the numbers say."""

import subprocess
import sys
from pathlib import Path

import made_up
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from seqlm.common.errors import InputError
from seqlm.report.collecting import collect_loo, cost_totals
from seqlm.report.drawing.logo import BASES, draw_letters, score_heights
from seqlm.report.drawing.style import looks, memory, ordered, short, wrap
from seqlm.report.figure_arrays import loo_examples
from seqlm.report.figures import (
    classes,
    cost,
    embedding,
    language,
    loo,
    performance,
    readings,
    tracks,
    training,
    transcript,
)
from seqlm.sequences.information import information
from seqlm.study import model_kinds, model_readings

ROOT = Path(__file__).parents[3]
MOTIF = ROOT / "resources/motifs/MA0446.1.jaspar"
NAMES = made_up.MODELS


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    rng = np.random.default_rng(0)
    paths = made_up.loo_files(rng, tmp_path_factory.mktemp("loo"))
    costs = made_up.cost_table()
    return {
        "history": made_up.history_table(rng), "costs": costs, "language": made_up.language_table(),
        "totals": cost_totals(costs, model_kinds(made_up.CONFIG)),
        "loo": collect_loo(paths), "loo_examples": loo_examples(paths),
        **{target: made_up.dataset_tables(rng, target, k=1 if target != "scalar" else 5) for target in
           ("track", "scalar", "class")},
    }  # fmt: skip


def regions():
    rows = [
        ["tf_binding", model, region, -0.01, -0.02, 0.0] for model in NAMES[:2] for region in ("5'UTR", "CDS", "3'UTR")
    ]
    return pd.DataFrame(rows, columns=["dataset", "model", "region", "mean", "low", "high"])


def transcript_arrays():
    rng = np.random.default_rng(3)
    return {
        "id": "FBtr1", "codes": rng.integers(0, 4, 900), "models": NAMES[:2], "scores": rng.normal(size=(2, 900)) / 10,
        "cds": np.array([120, 720]), "junctions": np.array([200, 450]),
    }  # fmt: skip


def umap_table():
    rng = np.random.default_rng(1)
    table = pd.DataFrame({"x": rng.normal(size=60), "y": rng.normal(size=60), "label": rng.choice(["a", "b"], 60)})
    return table.assign(panel=np.where(np.arange(60) % 2, "pretrained", "fine-tuned"))


def masked_history():
    rows = [["pretraining", "nt-mini", None, None, step / 100, step, part, metric, end * step / 200]
            for step in (100, 200) for part in ("train", "validation")
            for metric, end in (("loss", 3.7), ("accuracy", 0.15), ("base_accuracy", 0.4))]  # fmt: skip
    columns = ["dataset", "model", "fold", "seed", "epoch", "step", "part", "metric", "value"]
    return pd.DataFrame(rows, columns=columns)


READ = {
    "backbones": {"gpt": {"steps": 10}, "gpt-random": {"steps": 0}},
    "models": {
        "cnn": {"network": "cnn"},
        "last": {"backbone": "gpt", "layers": "last"},
        "random": {"backbone": "gpt-random", "layers": "last"},
        "mix": {"backbone": "gpt", "layers": [0, 2], "context": "both_strands", "skip": "onehot"},
        "lora": {"backbone": "gpt", "train": "lora"},
        "lora-slow": {"backbone": "gpt", "train": "lora", "training": {"epochs": 99}},
    },
}


def draw_readings(outputs):
    rows = [["t", name, "pearson", 0.5 + i / 20, 0.48 + i / 20, 0.53 + i / 20] for i, name in enumerate(READ["models"])]
    table = pd.DataFrame(rows, columns=["dataset", "model", "metric", "value", "low", "high"])
    read = model_readings(READ, list(READ["models"]))
    readings.draw_readings(table, outputs, "t", read, model_kinds(READ), names=["cnn", "gpt", "gpt-random"])
    return read


D = "tf_binding"
FIGURES = {
    "loss": lambda s, o: language.draw_loss(s["history"], s["language"], o, names=NAMES),
    "loss of one": lambda s, o: language.draw_loss(s["history"], s["language"], o, "gpt-full", NAMES),
    "loss of a masked one": lambda s, o: language.draw_loss(masked_history(), s["language"].iloc[:0], o, "nt-mini"),
    "pretraining time": lambda s, o: language.draw_pretraining_time(s["costs"], o, NAMES),
    "training": lambda s, o: training.draw_training(s["history"], o, D, names=NAMES),
    "training of one": lambda s, o: training.draw_training(s["history"], o, D, "cnn", names=NAMES),
    "fit time": lambda s, o: training.draw_fit_time(s["totals"], o, D, NAMES),
    "performance": lambda s, o: performance.draw_performance(
        s["track"]["intervals"], s["track"]["metrics"], o, D, names=NAMES
    ),
    "readings": lambda s, o: draw_readings(o),
    "differences": lambda s, o: performance.draw_differences(s["track"]["comparisons"], o, D),
    "folds": lambda s, o: performance.draw_folds(s["scalar"]["metrics"], s["scalar"]["intervals"], o, D, names=NAMES),
    "cost": lambda s, o: cost.draw_cost_performance(s["track"]["intervals"], s["totals"], s["history"], o, D),
    "tracks": lambda s, o: tracks.draw_tracks(s["track"]["arrays"], o, D, NAMES),
    "scatter": lambda s, o: tracks.draw_scatter(s["scalar"]["arrays"], o, D, NAMES),
    "confusion": lambda s, o: classes.draw_confusion(s["class"]["arrays"], o, D, NAMES),
    "reliability": lambda s, o: classes.draw_reliability(s["class"]["arrays"], o, D, NAMES),
    "loo": lambda s, o: loo.draw_loo(s["loo_examples"], o, D, MOTIF, NAMES),
    "loo precision": lambda s, o: loo.draw_loo_precision(s["loo"], o, D, NAMES),
    "regions": lambda s, o: loo.draw_regions(regions(), o, D, NAMES),
    "transcript": lambda s, o: transcript.draw_transcript(transcript_arrays(), o, NAMES),
    "umap": lambda s, o: embedding.draw_umap(umap_table(), o, "map"),
}


@pytest.mark.parametrize("name", FIGURES)
def test_figure_is_written_as_png_and_svg(name, study, tmp_path):
    outputs = [tmp_path / "figures" / "f.png", tmp_path / "figures" / "f.svg"]
    FIGURES[name](study, outputs)
    assert outputs[0].read_bytes()[:4] == b"\x89PNG"
    assert outputs[1].read_text().rstrip().endswith("</svg>")
    assert sorted(path.name for path in outputs[0].parent.iterdir()) == ["f.png", "f.svg"]


def test_masked_models_show_what_they_find_and_no_bits(study, tmp_path):
    history = pd.concat([study["history"], masked_history()], ignore_index=True)
    for name, table, title in (("one", masked_history(), False), ("all", history, True)):
        language.draw_loss(table, study["language"][: 99 * title], [tmp_path / f"{name}.svg"])
        text = (tmp_path / f"{name}.svg").read_text()
        assert "Hidden tokens found again" in text and "nt-mini, bases  0.400" in text and "tokens  0.150" in text
        assert ("Bits per base" in text) == title


def test_ways_to_read_a_language_model_are_rows_with_the_control_hollow(tmp_path, monkeypatch):
    figures = []
    monkeypatch.setattr(
        Figure, "savefig", lambda figure, *args, **options: figures.append(figure) or Path(args[0]).touch()
    )
    read = draw_readings([tmp_path / "f.png"])
    axes = figures[0].axes[0]
    labels = [label.get_text().replace("\n", " ") for label in axes.get_yticklabels()]
    assert labels == ["LoRA, all layers (lora-slow)", "LoRA, all layers",
                      "frozen, layers 0, 2, both strands, bases beside", "frozen, last layer"]  # fmt: skip
    marks = {round(float(line.get_xdata()[0]), 3): line for line in axes.lines if line.get_marker() in "os^"}
    assert round(float(marks[0.55].get_ydata()[0])) == round(float(marks[0.6].get_ydata()[0])) == 3
    assert marks[0.6].get_markerfacecolor() == "white" != marks[0.55].get_markerfacecolor()
    dashed = [line for line in axes.lines if line.get_linestyle() == "--"]
    assert [line.get_xdata()[0] for line in dashed] == [0.5]  # the CNN
    assert "cnn" not in read


def test_same_table_same_bytes(study, tmp_path):
    for name in ("a", "b"):
        FIGURES["performance"](study, [tmp_path / f"{name}.png", tmp_path / f"{name}.svg"])
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


@pytest.mark.parametrize(
    "draw",
    [
        lambda s, o: training.draw_training(s["history"], o, "elsewhere"),
        lambda s, o: language.draw_loss(s["history"].iloc[:0], s["language"], o),
        lambda s, o: performance.draw_performance(s["track"]["intervals"], s["track"]["metrics"], o, "elsewhere"),
        lambda s, o: performance.draw_differences(s["track"]["comparisons"].iloc[:0], o, D),
        lambda s, o: loo.draw_loo_precision(s["loo"].iloc[:0], o, D),
        lambda s, o: tracks.draw_tracks({"models": []}, o, D),
        lambda s, o: classes.draw_confusion({}, o, D),
        lambda s, o: embedding.draw_umap(umap_table().iloc[:0], o),
    ],
)
def test_nothing_to_draw_is_one_line_and_no_file(draw, study, tmp_path):
    with pytest.raises(InputError) as error:
        draw(study, [tmp_path / "f.png"])
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())


def test_a_model_looks_the_same_in_every_figure():
    assert looks(NAMES) == {name: looks(NAMES)[name] for name in NAMES}
    assert len({look["color"] for look in looks(NAMES).values()}) == len(NAMES)
    assert ordered(["z", "gpt-full", "cnn"], NAMES) == ["cnn", "gpt-full", "z"]


def test_words_on_axes():
    assert [short(v) for v in (950, 12_345, 4.6e6, 0.5)] == ["950", "12.3k", "4.6M", "0.5"]
    assert [memory(v) for v in (6e8, 1.3e9)] == ["600 MB", "1.30 GB"]
    assert wrap("a-rather-long-model-name").count("\n") == 1
    assert wrap("short") == "short"


def test_logo_letters_are_as_tall_as_their_values():
    axes = Figure().subplots()
    draw_letters(axes, [[0.5, 0, 0, 1.5], [-1.0, 0, 0, 0]], start=10)
    boxes = [patch.get_path().get_extents() for patch in axes.patches]
    assert sorted(round(box.height, 6) for box in boxes) == [0.5, 1.0, 1.5]
    # The larger letter stands on the smaller one; a negative one hangs from zero.
    assert [(round(b.y0, 6), round(b.y1, 6)) for b in boxes] == [(0, 0.5), (0.5, 2.0), (-1.0, 0)]
    assert boxes[0].x0 == pytest.approx(9.54)


def test_information_content_equals_its_definition():
    even, sure = information(np.full((1, 4), 25.0)), information(np.array([[100.0, 0, 0, 0]]), pseudocount=1e-9)
    assert even == pytest.approx(np.zeros((1, 4)), abs=1e-9)
    assert sure[0, 0] == pytest.approx(2)


def test_scores_stand_at_their_own_letters_and_no_base_has_none():
    assert score_heights(np.array([2, 4]), np.array([0.7, 9.0])).tolist() == [[0, 0, 0.7, 0], [0, 0, 0, 0]]


@pytest.mark.parametrize("turned", [False, True])
def test_the_motif_is_found_on_its_strand(turned):
    counts, name = loo.read_counts(MOTIF)
    assert name == "MA0446.1 fkh"
    best = counts.argmax(1)
    site = 3 - best[::-1] if turned else best
    codes = np.full(60, BASES.index("G"), np.uint8)
    codes[20 : 20 + len(site)] = site
    known = np.zeros(60, bool)
    known[20 : 20 + len(site)] = True
    start, heights = loo.find_site(codes, known, counts)
    assert start == 20
    np.testing.assert_allclose(heights, information(counts)[::-1, ::-1] if turned else information(counts))


def test_zoom_holds_the_known_motif():
    known = np.zeros(100, bool)
    known[5:15] = known[60:70] = True
    assert loo.zoom_range(known, 41) == (45, 86)
    assert loo.zoom_range(np.zeros(30, bool), 41) == (0, 30)


def test_transcript_strips_are_means_and_the_zoom_is_the_strongest_stretch():
    assert transcript.averaged([1.0, 3.0, 5.0, 7.0], 2).tolist() == [2, 6]
    assert transcript.averaged([1.0, 3.0], 9).tolist() == [1, 3]
    assert transcript.strongest(np.array([0.0, 1, 0, -5, 2, 0]), 2) == (3, 5)


def test_what_was_not_trained_step_by_step_has_no_bar_and_no_curve(study, tmp_path, monkeypatch):
    """An ensemble trains nothing; a model that is solved for has no curve beside those that have."""
    drawn = []
    monkeypatch.setattr(training, "time_bars", lambda axes, names, *rest: drawn.append(names))
    row = study["totals"].query("dataset == 'tf_binding'").iloc[:1].assign(model="both", fit=np.nan, total=0.0)
    training.draw_fit_time(pd.concat([study["totals"], row]), [tmp_path / "a.png"], "tf_binding", NAMES)
    assert drawn[0] and "both" not in drawn[0]
    titles = []
    monkeypatch.setattr(training, "_run", lambda top, bottom, run, *rest: titles.append(run["model"].iloc[0]))
    own = study["history"].query("dataset == 'tf_binding'")
    solved = own[own["epoch"] == own["epoch"].min()].assign(model="ridge", epoch=0)
    training.draw_training(pd.concat([own, solved]), [tmp_path / "b.png"], "tf_binding")
    assert set(titles) == set(own["model"])
    training.draw_training(solved, [tmp_path / "c.png"], "tf_binding")
    assert titles[-1] == "ridge"


def test_the_star_stands_where_weights_were_kept_and_not_where_the_metric_shown_is_best(tmp_path, monkeypatch):
    figures = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, path, **options: figures.append(figure) or Path(path).touch())
    rows = [["d", "cnn", 0, 1, epoch, epoch, "validation", metric, value]
            for metric, values in (("loss", [0.5, 0.3, 0.45]), ("accuracy", [0.6, 0.8, 0.9]))
            for epoch, value in enumerate(values, 1)]  # fmt: skip
    history = pd.DataFrame(
        rows, columns=["dataset", "model", "fold", "seed", "epoch", "step", "part", "metric", "value"]
    )
    settings = pd.DataFrame([["d", "cnn", 0, 1, "metric", "loss"]], columns=[*history.columns[:4], "setting", "value"])
    training.draw_training(history, [tmp_path / "a.png"], "d", metric="accuracy", settings=settings)
    top, bottom = figures[0].axes
    stars = [float(line.get_xdata()[0]) for axes in (top, bottom) for line in axes.lines
             if line.get_marker() == "*" and len(line.get_xdata())]  # fmt: skip
    assert stars == [2, 2]
    assert bottom.get_xlabel() == "epoch (kept: 2)"


def test_best_epoch_is_by_the_validation_metric():
    rows = [[e, part, m, v] for e, r in enumerate([0.1, 0.9, 0.5], 1) for part, m, v in
            [("validation", "pearson", r), ("train", "pearson", e), ("validation", "loss", r)]]  # fmt: skip
    run = pd.DataFrame(rows, columns=["epoch", "part", "metric", "value"])
    assert training._best(run, "pearson") == 2
    assert training._best(run, "loss") == 1


def test_confusion_counts():
    counts = classes.confusion([0, 0, 1, 2], [0, 1, 1, 0], 3)
    assert counts.tolist() == [[1, 1, 0], [0, 1, 0], [1, 0, 0]]


def test_drawing_imports_no_training_library():
    code = (
        "import sys; import seqlm.report.figures.loo, seqlm.report.figures.language;"
        "import seqlm.report.figures.tracks, seqlm.report.page;"
        "print([m for m in ('torch', 'transformers', 'pyplot') if m in sys.modules])"
    )
    environment = {"PYTHONPATH": str(ROOT / "workflow/scripts"), "PATH": ""}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert done.stdout.strip() == "[]", done.stderr
