"""Saturation mutagenesis: what each base in the place of each other does to a prediction, as a heat map a sequence."""

import numpy as np

from seqlm.report.drawing.logo import BASES, draw_letters, logo_limits, score_heights
from seqlm.report.drawing.style import FAINT, INK, SHADE, clipped, draw_nothing, drawing, looks
from seqlm.report.figures.heat_maps.colours import colour_bar, diverging, limit

MOST = 100  # positions side by side: of a longer sequence the stretch with the largest effects is drawn
BARS = 600  # in the overview of a longer one


def strongest_stretch(effects, width=MOST):
    """The `width` positions (fewer of a shorter sequence) whose largest effects sum to most: (start, end)."""
    sizes = largest(effects)
    width = min(width, len(sizes))
    sums = np.convolve(sizes, np.ones(width), "valid") if width else np.zeros(1)
    start = int(np.argmax(sums))
    return start, start + width


def largest(effects):
    """The largest effect, in either direction, at each position: effects (L, 4) -> (L,)."""
    return np.abs(np.nan_to_num(np.asarray(effects, float))).max(1, initial=0)


def mean_importance(codes, effects):
    """How far the prediction falls, on average, when a base becomes another: (L,); 0 where nothing is known."""
    others = np.where(np.asarray(codes)[:, None] == np.arange(4), np.nan, np.asarray(effects, float))
    count = np.isfinite(others).sum(1)
    return -np.nansum(others, 1) / np.maximum(count, 1)


def draw_mutagenesis(arrays, outputs, dataset, model, names=None):
    """For each example: where the stretch lies (of a long one), its letters by their importance, and the heat map.

    Parameters
    ----------
    arrays : dict of numpy.ndarray
        As of `seqlm.explanation.mutagenesis.mutagenesis`.
    outputs : list of path
    dataset, model : str
    names : list of str, optional
        The study's models, for their colours.
    """
    title = f"{dataset}, {model}: every base in the place of every other"
    codes, effects = arrays[f"{model}/codes"], arrays[f"{model}/effects"]
    shown = [row for row in range(len(effects)) if np.isfinite(effects[row]).any()]
    if not shown:
        draw_nothing(outputs, title, "no base was put in the place of another")
        return
    lengths = {row: int(np.flatnonzero((codes[row] < 4) | np.isfinite(effects[row]).any(1))[-1]) + 1 for row in shown}
    stretches = {row: strongest_stretch(effects[row, : lengths[row]]) for row in shown}
    scale = limit([value for row in shown for value in effects[row, slice(*stretches[row])].ravel()])
    ratios = [ratio for row in shown for ratio in ([0.35] if lengths[row] > MOST else []) + [0.75, 1.0]]
    colour = looks(names or [model])[model]["color"]
    with drawing(outputs, 13.3, 0.9 + 1.05 * sum(ratios) + 0.5 * len(shown)) as figure:
        panels = list(figure.subplots(len(ratios), 1, squeeze=False, height_ratios=ratios)[:, 0])
        every = list(panels)
        for row in shown:
            own, length = effects[row, : lengths[row]], lengths[row]
            start, end = stretches[row]
            head = panels[0]
            if length > MOST:
                _overview(panels.pop(0), own, start, end, colour)
            letters, heat = panels.pop(0), panels.pop(0)
            heights = score_heights(codes[row, start:end], mean_importance(codes[row], effects[row])[start:end])
            draw_letters(letters, heights, start)
            letters.set_ylim(*logo_limits(heights))
            letters.set_ylabel("−mean", fontsize=11)
            letters.locator_params(axis="y", nbins=3)
            letters.set_xticks([])
            image = heat.imshow(
                own[start:end].T, aspect="auto", cmap=diverging(), vmin=-scale, vmax=scale, interpolation="nearest",
                extent=(start - 0.5, end - 0.5, 3.5, -0.5),
            )  # fmt: skip
            known = np.flatnonzero(codes[row, start:end] < 4)
            heat.plot(start + known, codes[row, start:end][known], ".", color=INK, markersize=4)
            heat.set_yticks(range(4), list(BASES), fontsize=11)
            heat.tick_params(axis="y", length=0)
            for axes in (letters, heat):
                axes.grid(visible=False)
                axes.set_xlim(start - 0.6, end - 0.4)
            head.set_title(clipped(str(arrays["id"][row]), 60) + _stretch(start, end, length), fontsize=12)
        heat.set_xlabel("position in sequence (bases)")
        colour_bar(figure, image, every, "change of prediction")
        figure.suptitle(title, fontweight="bold")


def _stretch(start, end, length):
    return f", positions {start:,} to {end - 1:,} of {length:,}" if end - start < length else ""


def _overview(axes, effects, start, end, colour):
    """The largest effect along the whole sequence, and which stretch of it is drawn below."""
    sizes = largest(effects)
    width = -(-len(sizes) // BARS)
    bars = np.pad(sizes, (0, -len(sizes) % width)).reshape(-1, width).max(1)
    axes.bar(np.arange(len(bars)) * width + (width - 1) / 2, bars, width, color=colour, linewidth=0)
    axes.axvspan(start - 0.5, end - 0.5, color=SHADE, alpha=0.4, linewidth=0, zorder=0)
    axes.set_xlim(-0.6, len(sizes) - 0.4)
    axes.set_yticks([])
    axes.grid(visible=False)
    axes.spines["left"].set_color(FAINT)
    axes.tick_params(labelsize=10)
