"""Classification: confusion matrices and calibration."""

import numpy as np

from seqlm.common.errors import InputError
from seqlm.evaluation.metrics import expected_calibration_error, reliability
from seqlm.report.class_tables import MOST_WRITTEN, confusion, confusion_cells, most_confused
from seqlm.report.drawing.style import FAINT, clipped, drawing, legend, looks, ordered

MOST_NAMED = 40  # classes; of more, rows and columns of the matrix are not named
MOST_LISTED = 20  # pairs that are confused


def _checked(examples, what):
    if not len(examples.get("models", ())) or not len(examples.get("observed", ())):
        raise InputError(what, "no predictions to draw", "predict with at least one model on labelled test examples")
    return list(map(str, examples["models"]))


def draw_confusion(examples, outputs, dataset, names=None):
    """Confusion matrices, one per model: in each cell the share of the observed class, and below it the count.

    Of many classes the cells are coloured only, and the pairs that are confused most often are listed beside.

    Parameters
    ----------
    examples : dict of arrays
        classes (c,), observed (n,) class codes, models (m,), prediction (m, n, c) probabilities.
    """
    found = _checked(examples, f"confusion of {dataset}")
    drawn, classes = ordered(found, names), list(map(str, examples["classes"]))
    counts = {
        name: confusion(examples["observed"], examples["prediction"][found.index(name)].argmax(1), len(classes))
        for name in drawn
    }
    if len(classes) > MOST_WRITTEN:
        _draw_many(counts, classes, outputs)
        return
    columns = len(drawn) if len(drawn) <= 3 else 2 if len(drawn) == 4 else 3
    rows = -(-len(drawn) // columns)
    size = max(3.6, 1.0 + 0.72 * len(classes))
    with drawing(outputs, 1.4 + size * columns, 0.9 + (0.4 + size) * rows) as figure:
        grid = figure.subplots(rows, columns, squeeze=False)
        for axes, name in zip(grid.flat, drawn, strict=False):
            _matrix(axes, name, counts[name])
            _write_cells(axes, counts[name])
        for axes in grid.flat[len(drawn) :]:
            axes.set_visible(False)
        for row in grid:
            _name_rows(row[0], classes)
        for axes in grid.flat[max(0, len(drawn) - columns) : len(drawn)]:  # those with nothing below them
            _name_columns(axes, classes)


def _draw_many(counts, classes, outputs):
    """A model a row: its matrix in one size for any number of classes, and its most confused pairs."""
    with drawing(outputs, 13.3, 0.4 + 6.8 * len(counts)) as figure:
        grid = figure.subplots(len(counts), 2, width_ratios=[1, 1.1], squeeze=False)
        for (axes, beside), (name, own) in zip(grid, counts.items(), strict=True):
            _matrix(axes, name, own)
            axes.set_anchor("NW")  # level with what stands beside
            if len(classes) <= MOST_NAMED:
                _name_rows(axes, classes, fontsize=9)
                _name_columns(axes, classes, fontsize=9)
            else:
                axes.set(xlabel=f"predicted ({len(classes)} classes)", ylabel=f"observed ({len(classes)} classes)")
            pairs = most_confused(confusion_cells("", name, classes, own), MOST_LISTED)
            lines = [
                f"{clipped(row.observed)} → {clipped(row.predicted)}: {row.count:,} ({row.share:.2f})"
                for row in pairs.itertuples(index=False)
            ]
            beside.set_axis_off()
            beside.set_title("Confused most often: observed → predicted", fontsize=13)
            beside.text(0, 0.98, "\n".join(lines) or "none", va="top", fontsize=11, linespacing=1.45,
                        transform=beside.transAxes)  # fmt: skip


def _matrix(axes, name, counts):
    axes.imshow(_shares(counts), cmap="Blues", vmin=0, vmax=1, aspect="equal")
    axes.grid(visible=False)
    axes.set_title(f"{name}: accuracy {np.trace(counts) / max(counts.sum(), 1):.3f}", fontsize=13)
    axes.set(xticks=[], yticks=[])


def _shares(counts):
    return counts / np.maximum(counts.sum(1, keepdims=True), 1)


def _write_cells(axes, counts):
    for (i, j), share in np.ndenumerate(_shares(counts)):
        colour = "white" if share > 0.55 else "#222222"
        for text, shift, points in ((f"{share:.2f}", -0.14, 11), (f"{counts[i, j]:,}", 0.24, 8.5)):
            axes.text(j, i + shift, text, ha="center", va="center", fontsize=points, color=colour)


def _name_rows(axes, classes, **look):
    axes.set_yticks(np.arange(len(classes)), list(map(clipped, classes)), **look)
    axes.set_ylabel("observed")


def _name_columns(axes, classes, **look):
    names = list(map(clipped, classes))
    axes.set_xticks(np.arange(len(classes)), names, rotation=45, ha="right", rotation_mode="anchor", **look)
    axes.set_xlabel("predicted")


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
            entries = [
                _reliability(axes, below, observed, examples[key][found.index(name)], bins, name, look[name])
                for name in drawn
            ]
            axes.set(title=title, ylim=(-0.02, 1.02))
            legend(axes, entries, loc="best")
            below.set(xlabel="confidence (highest probability)", xlim=(0, 1))
        grid[0, 0].set_ylabel("accuracy")
        grid[1, 0].set(ylabel="share", ylim=(0, None))
        figure.suptitle(f"{dataset}: are probabilities what they say?")


def _reliability(axes, below, observed, probabilities, bins, name, look):
    confidence, accuracy, share = reliability(observed, probabilities, bins)
    filled, colour = share > 0, look["color"]
    label = f"{name}: ECE {expected_calibration_error(observed, probabilities):.3f}"
    line = axes.plot(confidence[filled], accuracy[filled], marker=look["marker"], markersize=7, color=colour)[0]
    edges = np.linspace(0, 1, bins + 1)
    below.step(edges, np.append(share, share[-1]), where="post", color=colour, linewidth=1.8)
    return line, label
