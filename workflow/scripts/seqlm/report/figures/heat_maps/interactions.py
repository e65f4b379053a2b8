"""Interactions of two positions, as a heat map for each sequence."""

import numpy as np

from seqlm.report.drawing.style import BASE_COLOURS, INK, clipped, draw_nothing, drawing
from seqlm.report.figures.heat_maps.colours import colour_bar, diverging, limit

ACROSS = 3  # sequences side by side


def square(pairs):
    """Positions (P,) and bases of one sequence's pairs, and interactions (P, P), symmetric with a diagonal of nan."""
    bases = dict(zip(pairs["position_a"], pairs["base_a"], strict=True))
    bases |= dict(zip(pairs["position_b"], pairs["base_b"], strict=True))
    positions = sorted(bases)
    place = {position: i for i, position in enumerate(positions)}
    found = np.full((len(positions), len(positions)), np.nan)
    a, b = pairs["position_a"].map(place).to_numpy(), pairs["position_b"].map(place).to_numpy()
    found[a, b] = found[b, a] = pairs["interaction"].to_numpy(float)
    return positions, [bases[position] for position in positions], found


def draw_interactions(pairs, outputs, dataset, model):
    """A heat map for each sequence, all on one scale.

    Parameters
    ----------
    pairs : DataFrame
        Of one model, as of `seqlm.explanation.dataset_interactions`.
    outputs : list of path
    dataset, model : str
    """
    title = f"{dataset}, {model}: interactions of two positions"
    if not len(pairs):
        draw_nothing(outputs, title, "no sequence has two positions that were scored")
        return
    scale = limit(pairs["interaction"])
    sequences = list(dict.fromkeys(pairs["sequence"]))
    columns = min(ACROSS, len(sequences))
    lines = -(-len(sequences) // columns)
    with drawing(outputs, max(7.5, 1.4 + 4.2 * columns), 0.9 + 4.4 * lines) as figure:
        grid = figure.subplots(lines, columns, squeeze=False).ravel()
        for axes in grid[len(sequences) :]:
            axes.set_axis_off()
        for name, axes in zip(sequences, grid, strict=False):
            positions, bases, found = square(pairs[pairs["sequence"] == name])
            image = axes.imshow(found, cmap=diverging(), vmin=-scale, vmax=scale, interpolation="nearest")
            places, small = range(len(positions)), min(11, 270 / len(positions))
            axes.set_xticks(places, bases, fontsize=small)
            axes.set_yticks(places, [f"{base} {at}" for base, at in zip(bases, positions, strict=True)], fontsize=small)
            for labels in (axes.get_xticklabels(), axes.get_yticklabels()):
                for base, label in zip(bases, labels, strict=True):
                    label.set_color(BASE_COLOURS.get(base, INK))
            axes.tick_params(length=0, pad=2)
            axes.grid(visible=False)
            axes.set_title(clipped(str(name), 34), fontsize=12)
        colour_bar(figure, image, list(grid), "beyond the sum of both")
        figure.suptitle(title, fontweight="bold")
