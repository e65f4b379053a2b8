"""Predicted against observed: tracks along a few test windows, and one dot per example for scalar targets."""

import numpy as np

from seqlm.common.errors import InputError
from seqlm.evaluation.metrics import pearson, spearman
from seqlm.report.drawing.style import FAINT, INK, drawing, legend, looks, ordered


def _models(examples, what):
    if "models" not in examples or not len(examples["models"]):
        raise InputError(what, "no model's predictions to draw", "predict with at least one model")
    return list(map(str, examples["models"]))


def draw_tracks(examples, outputs, dataset, names=None, unit="label score"):
    """The observed track and each model's prediction on a few test windows.

    Parameters
    ----------
    examples : dict of arrays
        id (k,), observed (k, L) padded with nan, models (m,), prediction (m, k, L).
    """
    found = _models(examples, f"tracks of {dataset}")
    drawn = ordered(found, names)
    look = looks(names or drawn)
    n = len(examples["id"])
    if not n:
        raise InputError(
            f"tracks of {dataset}", "no test window to draw", "check that the test part holds labelled examples"
        )
    with drawing(outputs, 12.5, 1.2 + 2.0 * n) as figure:
        panels = figure.subplots(n, 1, squeeze=False)[:, 0]
        for i, axes in enumerate(panels):
            observed = examples["observed"][i]
            length = int(np.isfinite(observed).sum())
            place = np.arange(length)
            area = axes.fill_between(place, observed[:length], step="mid", color="#BDBDBD", linewidth=0)
            entries = [(area, "observed")]
            for name in drawn:
                predicted, colour = examples["prediction"][found.index(name), i, :length], look[name]["color"]
                entries.append((axes.plot(place, predicted, color=colour, linewidth=1.7, alpha=0.9)[0], name))
            axes.set_title(f"test window {examples['id'][i]}", fontsize=12)
            axes.set_xlim(-0.5, length - 0.5)
            axes.set_ylabel(unit)
        panels[-1].set_xlabel("position in window (bases)")
        legend(figure, entries, loc="outside lower center", ncols=min(6, len(entries)))


def draw_scatter(examples, outputs, dataset, names=None, unit=""):
    """Predicted against observed with the density of dots, r and rho, one panel per model.

    Parameters
    ----------
    examples : dict of arrays
        observed (n,), models (m,), prediction (m, n): means over seeds of every tested example.
    """
    found = _models(examples, f"predicted against observed of {dataset}")
    drawn = ordered(found, names)
    columns = 2 if len(drawn) == 4 else min(3, len(drawn))
    rows = -(-len(drawn) // columns)
    observed = np.asarray(examples["observed"], float)
    with drawing(outputs, 4.6 * columns + 1.0, 4.5 * rows + 0.4) as figure:
        grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
        every = np.concatenate([observed, np.asarray(examples["prediction"], float).ravel()])
        low, high = np.nanpercentile(every, [0.2, 99.8])
        margin = 0.05 * (high - low)
        for axes, name in zip(grid.ravel(), drawn, strict=False):
            predicted = np.asarray(examples["prediction"][found.index(name)], float)
            known = np.isfinite(observed) & np.isfinite(predicted)
            x, y = observed[known], predicted[known]
            density = _density(x, y, low, high)
            order = np.argsort(density)
            axes.scatter(
                x[order],
                y[order],
                c=density[order],
                cmap="viridis",
                s=14 if len(x) < 3000 else 6,
                linewidths=0,
                rasterized=True,
            )
            axes.plot([low, high], [low, high], color=FAINT, linestyle="--", linewidth=1.4)
            axes.set_title(name)
            note = f"r = {pearson(x, y):.3f}\nρ = {spearman(x, y):.3f}\nn = {len(x):,}"
            axes.text(0.04, 0.96, note, transform=axes.transAxes, va="top", color=INK,
                      bbox={"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 2})  # fmt: skip
            axes.set(xlim=(low - margin, high + margin), ylim=(low - margin, high + margin))
            axes.set_aspect("equal")
        for axes in grid.ravel()[len(drawn) :]:
            axes.set_visible(False)
        suffix = f" ({unit})" if unit else ""
        figure.supxlabel(f"observed{suffix}")
        figure.supylabel(f"predicted{suffix}")
        figure.suptitle(
            f"{dataset}: predicted against observed, brighter = more examples", fontsize=13, fontweight="bold"
        )


def _density(x, y, low, high, bins=60):
    """How crowded each dot's neighbourhood is: a smoothed two-dimensional histogram looked up at the dots."""
    from scipy.ndimage import gaussian_filter

    edges = np.linspace(low, high, bins + 1)
    counts = gaussian_filter(np.histogram2d(x, y, [edges, edges])[0], 1.2)
    at = [np.clip(np.searchsorted(edges, values) - 1, 0, bins - 1) for values in (x, y)]
    return counts[at[0], at[1]]
