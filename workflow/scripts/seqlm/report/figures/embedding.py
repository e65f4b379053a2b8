"""Two-dimensional maps of embeddings."""

import numpy as np

from seqlm.report.drawing.style import PALETTE, drawing, some


def draw_umap(table, outputs, title="", panel="panel"):
    """Dots coloured by label; one panel for each value of the column `panel` (pretrained beside fine-tuned).

    Parameters
    ----------
    table : DataFrame
        x, y, label, and optionally a column of panels.
    """
    some(table, f"map {title}".strip())
    panels = list(dict.fromkeys(table[panel])) if panel in table else [None]
    labels = sorted(table["label"].astype(str).unique())
    with drawing(outputs, 6.2 * len(panels) + 0.4, 6.6) as figure:
        grid = figure.subplots(1, len(panels), squeeze=False)[0]
        for axes, name in zip(grid, panels, strict=True):
            own = table if name is None else table[table[panel] == name]
            codes = own["label"].astype(str).map(labels.index).to_numpy()
            # Mixed order, so that no label lies on top of all others.
            order = np.random.default_rng(0).permutation(len(own))
            x, y = own["x"].to_numpy()[order], own["y"].to_numpy()[order]
            axes.scatter(x, y, c=[PALETTE[k % len(PALETTE)] for k in codes[order]],
                         s=14 if len(own) < 3000 else 6, alpha=0.75, linewidths=0, rasterized=True)  # fmt: skip
            axes.set_title(title if name is None else str(name))
            axes.set(xlabel="UMAP 1", xticks=[], yticks=[])
            axes.grid(visible=False)
        grid[0].set_ylabel("UMAP 2")
        handles = [
            grid[0].plot(
                [], [], linestyle="none", marker="o", markersize=9, color=PALETTE[k % len(PALETTE)], label=label
            )[0]
            for k, label in enumerate(labels)
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=min(len(labels), 3 * len(panels)))
        if title and panels != [None]:
            figure.suptitle(title, fontweight="bold")
