"""Classification: confusion matrices and calibration."""

import numpy as np

from seqlm.common.errors import InputError
from seqlm.evaluation.metrics import expected_calibration_error, reliability
from seqlm.report.class_tables import confusion
from seqlm.report.drawing.style import FAINT, drawing, looks, ordered


def _checked(examples, what):
    if not len(examples.get("models", ())) or not len(examples.get("observed", ())):
        raise InputError(what, "no predictions to draw", "predict with at least one model on labelled test examples")
    return list(map(str, examples["models"]))


def draw_confusion(examples, outputs, dataset, names=None):
    """Confusion matrices, one per model: in each cell the share of the observed class, and below it the count.

    Parameters
    ----------
    examples : dict of arrays
        classes (c,), observed (n,) class codes, models (m,), prediction (m, n, c) probabilities.
    """
    found = _checked(examples, f"confusion of {dataset}")
    drawn, classes = ordered(found, names), list(map(str, examples["classes"]))
    columns = len(drawn) if len(drawn) <= 3 else 2 if len(drawn) == 4 else 3
    rows = -(-len(drawn) // columns)
    size = max(3.6, 1.0 + 0.72 * len(classes))
    with drawing(outputs, 1.4 + size * columns, 0.9 + (0.4 + size) * rows) as figure:
        grid = figure.subplots(rows, columns, squeeze=False)
        for axes, name in zip(grid.flat, drawn, strict=False):
            counts = confusion(examples["observed"], examples["prediction"][found.index(name)].argmax(1), len(classes))
            _matrix(axes, counts)
            axes.set_title(f"{name}: accuracy {np.trace(counts) / max(counts.sum(), 1):.3f}", fontsize=13)
            axes.set(xticks=[], yticks=[])
        for axes in grid.flat[len(drawn) :]:
            axes.set_visible(False)
        places = np.arange(len(classes))
        for row in grid:
            row[0].set_yticks(places, classes)
            row[0].set_ylabel("observed")
        for index in range(max(0, len(drawn) - columns), len(drawn)):  # those with nothing below them
            axes = grid.flat[index]
            axes.set_xticks(places, classes, rotation=45, ha="right", rotation_mode="anchor")
            axes.set_xlabel("predicted")


def _matrix(axes, counts):
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="equal")
    axes.grid(visible=False)
    for (i, j), share in np.ndenumerate(shares):
        colour = "white" if share > 0.55 else "#222222"
        for text, shift, points in ((f"{share:.2f}", -0.14, 11), (f"{counts[i, j]:,}", 0.24, 8.5)):
            axes.text(j, i + shift, text, ha="center", va="center", fontsize=points, color=colour)


def draw_reliability(examples, outputs, dataset, names=None, bins=10):
    """Confidence against accuracy with expected calibration error (15 bins), and how often each confidence occurs.

    As predicted on the left, after temperature scaling on the right.

    Parameters
    ----------
    examples : dict of arrays
        As for `draw_confusion`, and calibrated (m, n, c) where there are scaled probabilities too.
    """
    found = _checked(examples, f"reliability of {dataset}")
    drawn, observed = ordered(found, names), np.asarray(examples["observed"], int)
    kinds = {"prediction": "as predicted", "calibrated": "after temperature scaling"}
    kinds = {key: title for key, title in kinds.items() if key in examples}
    look = looks(names or drawn)
    with drawing(outputs, 1.5 + 6.5 * len(kinds), 7.6) as figure:
        grid = figure.subplots(2, len(kinds), sharex=True, sharey="row", height_ratios=[3, 1], squeeze=False)
        for (axes, below), (key, title) in zip(grid.T, kinds.items(), strict=True):
            axes.plot([0, 1], [0, 1], color=FAINT, linestyle="--", linewidth=1.5)
            for name in drawn:
                _reliability(axes, below, observed, examples[key][found.index(name)], bins, name, look[name])
            axes.set(title=title, ylim=(-0.02, 1.02))
            axes.legend(loc="best")
            below.set(xlabel="confidence (highest probability)", xlim=(0, 1))
        grid[0, 0].set_ylabel("accuracy")
        grid[1, 0].set(ylabel="share", ylim=(0, None))
        figure.suptitle(f"{dataset}: are probabilities what they say?")


def _reliability(axes, below, observed, probabilities, bins, name, look):
    confidence, accuracy, share = reliability(observed, probabilities, bins)
    filled, colour = share > 0, look["color"]
    label = f"{name}: ECE {expected_calibration_error(observed, probabilities):.3f}"
    axes.plot(confidence[filled], accuracy[filled], marker=look["marker"], markersize=7, color=colour, label=label)
    edges = np.linspace(0, 1, bins + 1)
    below.step(edges, np.append(share, share[-1]), where="post", color=colour, linewidth=1.8)
