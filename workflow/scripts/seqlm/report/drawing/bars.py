"""Horizontal bars with figures written beside them: names have room, and nothing overlaps."""

import numpy as np

from seqlm.report.drawing.style import FAINT, INK, legend, time_unit, wrap


def time_bars(axes, names, parts, notes, colours):
    """Stacked bars of time, one per name.

    Parameters
    ----------
    axes : matplotlib Axes
    names : list of str
        From top to bottom.
    parts : dict of str to sequence of float
        Stage -> seconds of each name, drawn from left to right; stages after the first are paler.
    notes : list of str
        What is written beside each bar.
    colours : list
        One colour per name.
    """
    total = np.sum([np.nan_to_num(np.asarray(values, float)) for values in parts.values()], axis=0)
    divisor, unit = time_unit(total.max())
    places = np.arange(len(names))[::-1]
    left = np.zeros(len(names))
    for i, values in enumerate(parts.values()):
        values = np.nan_to_num(np.asarray(values, float)) / divisor
        if not values.any():
            continue
        hatch, alpha = ("", "//", "..")[i % 3], (1.0, 0.6, 0.35)[i % 3]
        axes.barh(
            places,
            values,
            left=left,
            color=colours,
            alpha=alpha,
            hatch=hatch,
            edgecolor="white",
            linewidth=0.5,
            height=0.62,
        )
        left += values
    room = left.max() if left.max() > 0 else 1
    for place, end, note in zip(places, left, notes, strict=True):
        axes.text(end + 0.015 * room, place, note, va="center", ha="left", fontsize=11, color=INK, linespacing=1.25)
    axes.set_yticks(places, [wrap(name) for name in names])
    axes.set_xlim(0, room * 1.62)
    # The room right of the longest bar is for notes, so no tick stands there.
    axes.set_xticks([tick for tick in axes.get_xticks() if tick <= room * 1.001])
    axes.set_xlabel(f"time ({unit})")
    axes.set_ylim(-0.6, len(names) - 0.4)
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_color(FAINT)
    axes.spines["bottom"].set_visible(False)


def stage_legend(figure, stages):
    """A legend of stages in grey (colours are the models')."""
    from matplotlib.patches import Patch

    looks = [("", 1.0), ("//", 0.6), ("..", 0.35)]
    entries = [
        (Patch(facecolor="#666666", alpha=looks[i % 3][1], hatch=looks[i % 3][0], edgecolor="white"), stage)
        for i, stage in enumerate(stages)
    ]
    legend(figure, entries, loc="outside lower center", ncols=len(entries), handlelength=1.6)
