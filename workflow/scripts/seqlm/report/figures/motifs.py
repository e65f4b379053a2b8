"""Motifs that models read, as logos of both strands, each with what is known of it."""

import numpy as np

from seqlm.report.drawing.logo import draw_letters
from seqlm.report.drawing.style import FAINT, INK, clipped, draw_nothing, drawing, looks
from seqlm.sequences.information import information

MOST = 8  # motifs drawn of a model


def draw_motifs(found, logos, outputs, dataset, model, names=None):
    """A row for each motif: its logo, its reverse complement's, and its name.

    Parameters
    ----------
    found : DataFrame
        Of one model: motif, effect, seqlets, match, q_value; see `seqlm.explanation.dataset_motifs`.
    logos : dict of arrays
        counts_<motif> (w, 4).
    outputs : list of path
    dataset, model : str
    names : list of str, optional
        The study's models, for their colours.
    """
    title = f"{dataset}, {model}: motifs that are read"
    rows = list(found.head(MOST).itertuples())
    if not rows:
        draw_nothing(outputs, title, "no motif was found in its scores")
        return
    colour = looks(names or [model])[model]["color"]
    width = max(len(logos[f"counts_{row.motif}"]) for row in rows)
    with drawing(outputs, 13.3, 1.2 + 1.15 * len(rows)) as figure:
        grid = figure.subplots(len(rows), 3, squeeze=False, width_ratios=[1, 1, 0.85])
        for row, panels in zip(rows, grid, strict=True):
            heights = information(logos[f"counts_{row.motif}"])
            for panel, own in zip(panels, (heights, heights[::-1, ::-1]), strict=False):
                draw_letters(panel, own)
                panel.set_xlim(-0.6, width - 0.4)
                panel.set_ylim(0, 2.05)
                panel.set_yticks([0, 1, 2])
                panel.set_xticks([])
                panel.grid(visible=False)
            panels[0].set_ylabel("bits", fontsize=11)
            _write(panels[2], row, colour)
        grid[0, 0].set_title("forward", fontsize=12)
        grid[0, 1].set_title("reverse complement", fontsize=12)
        figure.suptitle(title, fontweight="bold")


def _write(axes, row, colour):
    axes.set_axis_off()
    effect = "supports predictions" if row.effect == "supports" else "opposes predictions"
    name = f"{clipped(row.match)}, q = {row.q_value:.1g}" if row.match else "like no known motif"
    axes.text(0, 0.82, row.motif, color=colour, fontweight="bold", va="center", transform=axes.transAxes)
    axes.text(0, 0.5, name, color=INK if row.match else FAINT, va="center", transform=axes.transAxes)
    axes.text(0, 0.18, f"{int(np.asarray(row.seqlets)):,} places, {effect}", fontsize=11, color=INK, va="center",
              transform=axes.transAxes)  # fmt: skip
