"""Can scores be believed? Deletion and insertion curves, and the agreement with other scores."""

import numpy as np

from seqlm.report.drawing.style import FAINT, INK, clipped, draw_nothing, drawing, legend, looks, ordered

STYLES = {"scores": ("-", None), "k-mers": ("--", "#8A6D3B"), "random": (":", "#777777")}


def draw_belief(curves, agreement, outputs, dataset, names=None):
    """A row for each model: predictions while bases are masked, while they come back, and rank correlations.

    Parameters
    ----------
    curves, agreement : DataFrame
        As of `seqlm.explanation.dataset_checks`, of one dataset.
    outputs : list of path
    dataset : str
    names : list of str, optional
        The study's models, for their colours.
    """
    drawn = ordered([*curves["model"], *agreement["model"]], names)
    if not drawn:
        draw_nothing(outputs, f"{dataset}: can these scores be believed?", "nothing was measured")
        return
    look = looks(names or drawn)
    with drawing(outputs, 13.3, 1.6 + 2.7 * len(drawn)) as figure:
        grid = figure.subplots(len(drawn), 3, squeeze=False)
        entries = {}
        for model, panels in zip(drawn, grid, strict=True):
            own = curves[curves["model"] == model]
            for way, axes in zip(("deletion", "insertion"), panels, strict=False):
                for order, (line, colour) in STYLES.items():
                    rows = own[(own["way"] == way) & (own["order"] == order)]
                    colour = colour or look[model]["color"]
                    (drawn_line,) = axes.plot(100 * rows["fraction"], rows["value"], line, color=colour, marker=".")
                    entries.setdefault(order, drawn_line)
                axes.set_xscale("symlog", linthresh=1)
                axes.set_xticks([0, 1, 10, 100], ["0", "1", "10", "100"])
                axes.minorticks_off()
                axes.set_xlabel("bases masked (%)" if way == "deletion" else "bases shown (%)")
            panels[0].set_ylabel("change of prediction", fontsize=11)
            panels[0].set_title(clipped(model), color=look[model]["color"])
            _agreements(panels[2], agreement[agreement["model"] == model], look[model]["color"])
        figure.suptitle(f"{dataset}: can these scores be believed?", fontweight="bold")
        legend(
            figure, [(line, f"order: {name}") for name, line in entries.items()], loc="outside lower center", ncols=3
        )


def _agreements(axes, rows, colour):
    places = np.arange(len(rows))[::-1]
    error = np.abs(np.stack([rows["mean"] - rows["low"], rows["high"] - rows["mean"]]).astype(float))
    axes.errorbar(rows["mean"], places, xerr=error, fmt="o", color=colour, ecolor=INK, capsize=4)
    labels = [f"{kind} {clipped(other, 18)}" for kind, other in zip(rows["kind"], rows["other"], strict=True)]
    axes.set_yticks(places, labels)
    axes.set_ylim(-0.7, max(len(rows), 1) - 0.3)
    axes.set_xlim(-1.05, 1.05)
    axes.axvline(0, color=FAINT, linewidth=1)
    axes.set_xlabel("rank correlation with (mean, 95%)")
    if not len(rows):
        axes.text(0, 0, "no other scores", ha="center", va="center", color=FAINT)
