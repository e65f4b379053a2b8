"""Classification: confusion matrices and calibration."""

import numpy as np

from seqlm.class_tables import confusion
from seqlm.errors import InputError
from seqlm.figures.style import FAINT, drawing, looks, ordered, short
from seqlm.metrics import expected_calibration_error, reliability


def _checked(examples, what):
    if not len(examples.get("models", ())) or not len(examples.get("observed", ())):
        raise InputError(what, "no predictions to draw", "predict with at least one model on labelled test examples")
    return list(map(str, examples["models"]))


def draw_confusion(examples, outputs, dataset, names=None):
    """Confusion matrices, one column per model: counts on top, shares of each observed class below.

    Parameters
    ----------
    examples : dict of arrays
        classes (c,), observed (n,) class codes, models (m,), prediction (m, n, c) probabilities.
    """
    found = _checked(examples, f"confusion of {dataset}")
    drawn, classes = ordered(found, names), list(map(str, examples["classes"]))
    size = max(3.6, 1.2 + 0.62 * len(classes))
    with drawing(outputs, 1.4 + size * len(drawn), 2 * size + 0.5) as figure:
        grid = figure.subplots(2, len(drawn), squeeze=False, sharex=True, sharey=True)
        for column, name in enumerate(drawn):
            counts = confusion(examples["observed"], examples["prediction"][found.index(name)].argmax(1), len(classes))
            shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
            accuracy = np.trace(counts) / max(counts.sum(), 1)
            _matrix(grid[0, column], counts, counts / max(counts.max(), 1), short)
            _matrix(grid[1, column], shares, shares, "{:.2f}".format)
            grid[0, column].set_title(f"{name}: accuracy {accuracy:.3f}", fontsize=13)
            grid[1, column].set_xticks(
                np.arange(len(classes)), classes, rotation=45, ha="right", rotation_mode="anchor"
            )
            grid[1, column].set_xlabel("predicted")
        for row, kind in zip(grid, ("counts", "share of observed"), strict=True):
            row[0].set_yticks(np.arange(len(classes)), classes)
            row[0].set_ylabel(f"observed ({kind})")


def _matrix(axes, values, shades, write):
    axes.imshow(shades, cmap="Blues", vmin=0, vmax=1, aspect="equal")
    axes.grid(visible=False)
    for (i, j), value in np.ndenumerate(values):
        axes.text(
            j,
            i,
            write(value),
            ha="center",
            va="center",
            fontsize=10,
            color="white" if shades[i, j] > 0.55 else "#222222",
        )


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
            axes.legend(loc="upper left")
            below.set(xlabel="confidence (highest probability)", xlim=(0, 1), ylim=(0, None))
        grid[0, 0].set_ylabel("accuracy")
        grid[1, 0].set_ylabel("share")
        figure.suptitle(f"{dataset}: are probabilities what they say?")


def _reliability(axes, below, observed, probabilities, bins, name, look):
    confidence, accuracy, share = reliability(observed, probabilities, bins)
    filled, colour = share > 0, look["color"]
    label = f"{name}: ECE {expected_calibration_error(observed, probabilities):.3f}"
    axes.plot(confidence[filled], accuracy[filled], marker=look["marker"], markersize=7, color=colour, label=label)
    edges = np.linspace(0, 1, bins + 1)
    below.step(edges, np.append(share, share[-1]), where="post", color=colour, linewidth=1.8)
