"""Two-dimensional maps of embeddings."""

import numpy as np
import pandas as pd

from seqlm.report.drawing.style import PALETTE, clipped, drawing, legend, some

MOST_LABELS, OTHERS = 20, "#C8C8C8"


def draw_umap(table, outputs, title="", panel="panel"):
    """Dots coloured by label; one panel for each value of the column `panel` (pretrained beside fine-tuned).

    Of many labels the most frequent ones have a colour and stand in the legend. Many numbers are a scale of colours.

    Parameters
    ----------
    table : DataFrame
        x, y, label, and optionally a column of panels.
    """
    some(table, f"map {title}".strip())
    panels = list(dict.fromkeys(table[panel])) if panel in table else [None]
    labels = table["label"].astype(str)
    scale = _numbers(labels)
    shown = sorted(labels.value_counts(sort=True).index[:MOST_LABELS])
    colour_of = {label: PALETTE[k % len(PALETTE)] for k, label in enumerate(shown)}
    colours = labels.map(colour_of).fillna(OTHERS).to_numpy() if scale is None else scale
    with drawing(outputs, 6.2 * len(panels) + 0.4, 6.6) as figure:
        grid = figure.subplots(1, len(panels), squeeze=False)[0]
        for axes, name in zip(grid, panels, strict=True):
            own = np.ones(len(table), bool) if name is None else (table[panel] == name).to_numpy()
            # Mixed order, so that no label lies on top of all others.
            rows = np.flatnonzero(own)[np.random.default_rng(0).permutation(own.sum())]
            look = {} if scale is None else {"vmin": scale.min(), "vmax": scale.max(), "cmap": "viridis"}
            dots = axes.scatter(table["x"].to_numpy()[rows], table["y"].to_numpy()[rows], c=colours[rows],
                                s=14 if own.sum() < 3000 else 6, alpha=0.75, linewidths=0, rasterized=True,
                                **look)  # fmt: skip
            axes.set_title(title if name is None else str(name))
            axes.set(xlabel="UMAP 1", xticks=[], yticks=[])
            axes.grid(visible=False)
        grid[0].set_ylabel("UMAP 2")
        if scale is None:
            entries = [(_dot(grid[0], colour), clipped(label)) for label, colour in colour_of.items()]
            others = labels.nunique() - len(shown)
            entries += [(_dot(grid[0], OTHERS), f"{others:,} others")] if others else []
            legend(figure, entries, loc="outside lower center", ncols=min(len(entries), 3 * len(panels)))
        else:
            figure.colorbar(dots, ax=list(grid), label="label", shrink=0.8)
        if title and panels != [None]:
            figure.suptitle(title, fontweight="bold")


def _dot(axes, colour):
    return axes.plot([], [], linestyle="none", marker="o", markersize=9, color=colour)[0]


def _numbers(labels):
    """Labels as numbers, where there are many and they are not merely names made of digits; else None."""
    if labels.nunique() <= MOST_LABELS or labels.str.fullmatch(r"\d*").any():
        return None
    values = pd.to_numeric(labels, errors="coerce").to_numpy(float)
    return values if np.isfinite(values).all() else None
