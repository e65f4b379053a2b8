"""Sequence logos: letters as tall as their values, drawn as paths (sharp at any size, fast for hundreds of letters)."""

from functools import cache

import numpy as np
from matplotlib.font_manager import FontProperties
from matplotlib.patches import PathPatch
from matplotlib.textpath import TextPath
from matplotlib.transforms import Affine2D

from seqlm.report.drawing.style import BASE_COLOURS

BASES = "ACGT"


@cache
def _letter(letter):
    """Outline of a letter, scaled to the unit square."""
    path = TextPath((0, 0), letter, size=1, prop=FontProperties(family="DejaVu Sans", weight="bold"))
    box = path.get_extents()
    return path.transformed(Affine2D().translate(-box.x0, -box.y0).scale(1 / box.width, 1 / box.height))


def draw_letters(axes, heights, start=0.0):
    """Stack letters at each position: positive values upwards (largest on top), negative ones downwards and paler.

    Parameters
    ----------
    axes : matplotlib Axes
    heights : array, shape (length, 4)
        Signed height of A, C, G, T at each position.
    start : float
        Position of the first column's centre.
    """
    heights = np.nan_to_num(np.asarray(heights, float))
    for place, column in enumerate(heights):
        for sign, alpha in ((1, 1.0), (-1, 0.45)):
            foot = 0.0
            for base in sorted(np.flatnonzero(sign * column > 0), key=lambda b: abs(column[b])):
                size = column[base]
                move = (
                    Affine2D().scale(0.92, abs(size)).translate(start + place - 0.46, foot if sign > 0 else foot + size)
                )
                colour = BASE_COLOURS[BASES[base]]
                axes.add_patch(
                    PathPatch(move.transform_path(_letter(BASES[base])), facecolor=colour, linewidth=0, alpha=alpha)
                )
                foot += size
    axes.axhline(0, color="#555555", linewidth=0.8)
    axes.set_xlim(start - 0.6, start + len(heights) - 0.4)
    axes.set_ylim(*logo_limits(heights))


def logo_limits(heights):
    """Limits of the vertical axis that hold every stack of letters."""
    heights = np.nan_to_num(np.asarray(heights, float))
    top, bottom = np.clip(heights, 0, None).sum(1).max(initial=0), np.clip(heights, None, 0).sum(1).min(initial=0)
    margin = 0.06 * (top - bottom) or 1.0
    return bottom - (margin if bottom < 0 else 0), top + margin


def score_heights(codes, scores):
    """Put each base's score at its own letter: codes (L,) in 0..4 and scores (L,) -> heights (L, 4)."""
    heights = np.zeros((len(codes), 4))
    real = np.asarray(codes) < 4
    heights[np.flatnonzero(real), np.asarray(codes)[real]] = np.asarray(scores)[real]
    return heights
