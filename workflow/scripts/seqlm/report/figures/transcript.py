"""Leave-one-out scores along an mRNA, with its coding sequence and exon junctions."""

import numpy as np

from seqlm.report.drawing.logo import draw_letters, logo_limits, score_heights
from seqlm.report.drawing.style import FAINT, INK, draw_nothing, drawing, looks, ordered, wrap

CDS, JUNCTION = "#56B4E9", "#D55E00"
STRIPS = 600  # columns of a heat strip; longer transcripts are averaged


def draw_transcript(arrays, outputs, names=None, zoom=61):
    """Gene structure, a heat strip of ``-loo`` per model, and a logo where the first model's scores are strongest.

    Parameters
    ----------
    arrays : dict of arrays
        id (str), codes (L,), models (m,), scores (m, L), cds (2,): start and end (0-based, half-open; equal when there
        is none), junctions (j,): last base before each.
    """
    if not len(arrays.get("models", ())) or not len(arrays["codes"]):
        draw_nothing(outputs, "−LOO along an mRNA", "no transcript was scored by every model")
        return
    codes, found = np.asarray(arrays["codes"]), list(map(str, arrays["models"]))
    drawn = ordered(found, names)
    look, length = looks(names or drawn), len(codes)
    scores = {name: -np.asarray(arrays["scores"][found.index(name)], float) for name in drawn}
    start, end = strongest(scores[drawn[0]], zoom)
    with drawing(outputs, 13.3, 3.6 + 0.8 * len(drawn)) as figure:
        panels = figure.subplots(len(drawn) + 2, 1, height_ratios=[0.55, *[0.6] * len(drawn), 1.5])
        _structure(panels[0], length, arrays["cds"], arrays["junctions"])
        panels[0].set_title(f"transcript {arrays['id']}: −LOO along the mRNA")
        for panel, name in zip(panels[1:-1], drawn, strict=True):
            strip = averaged(scores[name], STRIPS)
            limit = np.nanpercentile(np.abs(strip), 99) or 1.0
            image = panel.imshow(strip[None], aspect="auto", cmap="PuOr_r", vmin=-limit, vmax=limit,
                                 extent=(-0.5, length - 0.5, 0, 1))  # fmt: skip
            figure.colorbar(image, ax=panel, pad=0.01, aspect=4, ticks=[-limit, limit], format="%.2g")
            panel.set_yticks([0.5], [wrap(name)], color=look[name]["color"], fontweight="bold")
            for color, line in (("white", 4.5), (INK, 1.8)):  # to be seen on any colour
                panel.axvspan(start - 0.5, end - 0.5, facecolor="none", edgecolor=color, linewidth=line, zorder=3)
            panel.grid(visible=False)
        for panel in panels[:-1]:
            panel.set_xlim(-0.5, length - 0.5)
        panels[-2].set_xlabel("position in transcript (bases) · framed: enlarged below")
        heights = score_heights(codes[start:end], scores[drawn[0]][start:end])
        draw_letters(panels[-1], heights, start)
        panels[-1].set_ylim(*logo_limits(heights))
        _structure_behind(panels[-1], (start, end), arrays["cds"], arrays["junctions"])
        panels[-1].grid(visible=False)
        panels[-1].set_ylabel(f"−LOO of\n{wrap(drawn[0])}")


def _structure(axes, length, cds, junctions):
    """Untranslated regions as a line, the coding sequence as a box, junctions as ticks."""
    axes.plot([0, length], [0.5, 0.5], color=FAINT, linewidth=3)
    if cds[1] > cds[0]:
        axes.barh(0.5, cds[1] - cds[0], left=cds[0], height=0.55, color=CDS, edgecolor=INK, linewidth=0.8, zorder=3)
        axes.text((cds[0] + cds[1]) / 2, 0.5, "CDS", ha="center", va="center", fontsize=11, zorder=6,
                  bbox={"facecolor": CDS, "edgecolor": "none", "pad": 1.5})  # fmt: skip
    axes.vlines(np.asarray(junctions) + 0.5, 0.05, 0.95, color=JUNCTION, linewidth=1.8, zorder=5)
    axes.set(ylim=(0, 1), yticks=[], xticks=[])
    axes.set_ylabel("CDS and\njunctions", rotation=0, ha="right", va="center", fontsize=11)
    axes.grid(visible=False)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _structure_behind(axes, stretch, cds, junctions):
    """The coding part of a stretch shaded, and its junctions."""
    low, high = max(stretch[0], cds[0]), min(stretch[1], cds[1])
    if low < high:
        axes.axvspan(low - 0.5, high - 0.5, color=CDS, alpha=0.15, linewidth=0, zorder=0)
    for junction in junctions:
        if stretch[0] <= junction < stretch[1] - 1:
            axes.axvline(junction + 0.5, color=JUNCTION, linewidth=1.8, linestyle="--", zorder=1)


def strongest(scores, width):
    """The stretch of `width` positions with the largest sum of absolute scores: (start, end)."""
    width = min(width, len(scores))
    sums = np.convolve(np.abs(np.nan_to_num(scores)), np.ones(width), "valid")
    start = int(sums.argmax())
    return start, start + width


def averaged(scores, columns):
    """Scores as at most `columns` means of neighbouring positions."""
    scores = np.asarray(scores, float)
    edges = np.linspace(0, len(scores), min(columns, len(scores)) + 1).round().astype(int)
    return np.add.reduceat(scores, edges[:-1]) / np.diff(edges)
