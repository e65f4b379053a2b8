"""What all figures share: size, type, one colour and marker per model, and how they are written."""

from contextlib import contextmanager

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from seqlm.common.errors import InputError
from seqlm.common.files import atomic_path

# Okabe & Ito 2008: told apart with any kind of colour vision.
PALETTE = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7F7F7F", "#332288"]
MARKERS = ["o", "s", "^", "D", "v", "P", "X", "h"]
MOST_PIXELS = 20_000  # of a side: matplotlib draws no more than 65,535, and browsers fewer
BASE_COLOURS = {"A": "#009E73", "C": "#0072B2", "G": "#E69F00", "T": "#D55E00"}
INK, FAINT, SHADE = "#222222", "#8A8A8A", "#F0E442"

AXIS_NAMES = {
    "pearson": "Pearson R", "spearman": "Spearman R", "mse": "mean squared error", "r2": "R²",
    "auprc": "area under precision-recall", "accuracy": "accuracy", "f1_macro": "macro F1",
    "mcc": "Matthews correlation", "auroc": "area under ROC", "log_loss": "log loss (nats)",
    "ece": "expected calibration error", "loss": "loss",
}  # fmt: skip

STYLE = {
    "font.family": "DejaVu Sans", "font.size": 13, "axes.titlesize": 14, "axes.labelsize": 13, "legend.fontsize": 12,
    "xtick.labelsize": 12, "ytick.labelsize": 12, "axes.titleweight": "bold", "axes.titlelocation": "left",
    "axes.spines.top": False, "axes.spines.right": False, "axes.edgecolor": "#555555", "axes.linewidth": 1.0,
    "axes.axisbelow": True, "axes.grid": True, "grid.color": "#E4E4E4", "grid.linewidth": 0.8, "text.color": INK,
    "axes.labelcolor": INK, "xtick.color": INK, "ytick.color": INK, "legend.frameon": True, "lines.linewidth": 2.2,
    "legend.edgecolor": "none", "legend.facecolor": "white", "legend.framealpha": 0.85,
    "text.parse_math": False,  # a $ in a name is a $
    "figure.facecolor": "white", "savefig.facecolor": "white", "svg.hashsalt": "seqlm",
    "figure.constrained_layout.h_pad": 0.09,
    "figure.constrained_layout.w_pad": 0.09,
}  # fmt: skip


@contextmanager
def drawing(outputs, width=11.0, height=5.5):
    """Yield an empty `Figure` (inches) in the common style; when the block succeeds, write it to each of `outputs`.

    Files carry no date, so the same table gives the same bytes.
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        yield figure
        for path in outputs:
            with atomic_path(path) as temporary:
                metadata = {"Date": None} if str(path).endswith(".svg") else {"Software": None}
                dpi = min(200, MOST_PIXELS / max(figure.get_size_inches()))
                figure.savefig(temporary, dpi=dpi, metadata=metadata)


def draw_nothing(outputs, title, why):
    """A figure that says why it is empty: a study does not fail for having nothing to show."""
    with drawing(outputs, 8, 2) as figure:
        axes = figure.subplots()
        axes.set_axis_off()
        axes.set_title(title)
        axes.text(0.5, 0.5, why, ha="center", va="center", transform=axes.transAxes)


def legend(where, entries, **options):
    """A legend of what it is given and nothing else.

    Matplotlib's own search for labels leaves out those that begin with "_", as names of models and classes may.

    Parameters
    ----------
    where : matplotlib Figure or Axes
    entries : list of (handle, label)
    """
    where.legend([handle for handle, _ in entries], [label for _, label in entries], **options)


def some(table, what):
    """The table itself, or one clear error when it has no row to draw."""
    if not len(table):
        raise InputError(
            what,
            "has nothing to draw",
            "check that the study trains and predicts this, and that its tables are complete",
        )
    return table


def looks(names):
    """Colour and marker of each name, the same in every figure that is given the same list.

    Returns
    -------
    dict of str to dict
        name -> {"color": ..., "marker": ...}
    """
    names = list(dict.fromkeys(map(str, names)))
    return {
        name: {"color": PALETTE[i % len(PALETTE)], "marker": MARKERS[i % len(MARKERS)]} for i, name in enumerate(names)
    }


def ordered(found, names=None):
    """The names of `names` that were found, in that order, then the others found, in alphabetical order."""
    found = list(dict.fromkeys(map(str, found)))
    names = [str(name) for name in names or [] if str(name) in found]
    return names + sorted(name for name in found if name not in names)


def axis_name(metric):
    """A metric as an axis label."""
    return AXIS_NAMES.get(metric, str(metric).replace("_", " "))


def short(value):
    """A count or rate in few characters: 950, 12.3k, 4.6M."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.3g}"


def memory(n_bytes):
    """Bytes as MB or GB."""
    return f"{n_bytes / 1e9:.2f} GB" if n_bytes >= 1e9 else f"{n_bytes / 1e6:.0f} MB"


def energy_and_price(row):
    """What a training took in words, of a row that may have energy_joules and price."""
    joules, price = row.get("energy_joules", np.nan), row.get("price", np.nan)
    energy = [f"{short(joules)}J"] if joules > 0 else []
    return energy + ([f"price {price:.3g}"] if price > 0 else [])


def time_unit(seconds):
    """The unit in which times up to `seconds` read best: (divisor, name)."""
    return (1, "s") if seconds < 180 else (60, "min") if seconds < 2.5 * 3600 else (3600, "h")


def clipped(name, width=24):
    """A name of at most `width` characters, its middle left out when it is longer."""
    name = " ".join(str(name).split())
    return name if len(name) <= width else f"{name[: width // 2]}…{name[len(name) - width // 2 + 1 :]}"


def wrap(name, width=16):
    """A long name on two lines, broken at a separator."""
    if len(name) <= width:
        return name
    places = [i + 1 for i, letter in enumerate(name) if letter in "-_. " and 3 < i < len(name) - 3]
    if not places:
        return name
    cut = min(places, key=lambda i: abs(i - len(name) / 2))
    return name[:cut].rstrip() + "\n" + name[cut:]
