"""One scale of colours for effects of edits: white is none, blue a fall, red a rise."""

import numpy as np
from matplotlib import colormaps
from matplotlib.ticker import MaxNLocator

SHARE = 99.5  # per cent of the effects that the scale holds: one outlier does not make all others white


def diverging():
    """White in the middle, grey where there is no value."""
    return colormaps["RdBu_r"].with_extremes(bad="#DDDDDD")


def limit(values):
    """The end of a scale that is symmetric around 0; 1 where there is nothing to colour."""
    sizes = np.abs(np.asarray(values, float))
    sizes = sizes[np.isfinite(sizes) & (sizes > 0)]
    return float(np.percentile(sizes, SHARE)) if len(sizes) else 1.0


def colour_bar(figure, image, axes, label):
    """A colour bar beside the panels; pointed where values lie beyond its ends."""
    bar = figure.colorbar(
        image, ax=axes, shrink=0.8, pad=0.012, aspect=32, extend="both", ticks=MaxNLocator(5, symmetric=True)
    )
    bar.set_label(label, fontsize=11)
