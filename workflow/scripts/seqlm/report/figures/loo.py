"""Leave-one-out scores: as logos where the known motif sits, and how well they find it."""

import numpy as np

from seqlm.report.drawing.logo import draw_letters, logo_limits, score_heights
from seqlm.report.drawing.style import FAINT, INK, SHADE, draw_nothing, drawing, legend, looks, ordered, some, wrap
from seqlm.sequences.information import information

NO_SCORES = "no scores: no base was edited"


def read_counts(path):
    """Counts (length, 4) and name of the one matrix of a JASPAR file."""
    from seqlm.sequences.motif_files import read_motif

    motif = read_motif(path)
    return np.array([motif.counts[base] for base in "ACGT"], float).T, f"{motif.matrix_id or ''} {motif.name}".strip()


def find_site(codes, known, counts):
    """Where and which way round the matrix fits best among the known bases.

    Parameters
    ----------
    codes : uint8 array, shape (L,)
    known : bool array, shape (L,)
    counts : array, shape (w, 4)

    Returns
    -------
    start : int
    heights : array, shape (w, 4)
        The matrix's information content, reverse complemented when it lies on the other strand.
    """
    share = (counts + 0.2) / (counts + 0.2).sum(1, keepdims=True)
    width, best = len(counts), (-np.inf, 0, False)
    for turned in (False, True):
        score = np.log2((share[::-1, ::-1] if turned else share) / 0.25)
        for start in range(len(codes) - width + 1):
            window = codes[start : start + width]
            if known[start : start + width].all() and (window < 4).all():
                best = max(best, (score[np.arange(width), window].sum(), start, turned))
    if not np.isfinite(best[0]):  # known bases fewer than the matrix is wide: put it at the first
        best = (0, min(int(np.argmax(known)), len(codes) - width), False)
    heights = information(counts)
    return best[1], heights[::-1, ::-1] if best[2] else heights


def zoom_range(known, width):
    """The stretch of `width` positions around the known run nearest to the middle: (start, end)."""
    starts, ends = _runs(known)
    middle = len(known) / 2
    pick = int(np.argmin(np.abs((starts + ends) / 2 - middle))) if len(starts) else None
    centre = int((starts[pick] + ends[pick]) // 2) if pick is not None else int(middle)
    width = min(width, len(known))
    start = int(np.clip(centre - width // 2, 0, len(known) - width))
    return start, start + width


def _runs(known):
    edges = np.diff(np.concatenate([[0], np.asarray(known, int), [0]]))
    return np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)


def draw_loo(examples, outputs, dataset, motif=None, names=None, zoom=41):
    """Logos of ``-loo`` by model, zoomed to the known motif, the motif's own logo on top.

    Parameters
    ----------
    examples : dict of arrays
        `seqlm.common.tables.loo_examples`: ``<dataset>/id``, ``/codes``, ``/known``, ``/models``, ``/scores``.
    motif : path, optional
        JASPAR file of the known motif.
    zoom : int
        Number of positions shown.
    """
    if f"{dataset}/codes" not in examples:
        draw_nothing(outputs, f"{dataset}: leave-one-out", "no scored window has a known motif")
        return
    if not np.isfinite(examples[f"{dataset}/scores"]).any():
        draw_nothing(outputs, f"{dataset}: leave-one-out", NO_SCORES)
        return
    ids, codes, known, models, scores = (
        examples[f"{dataset}/{key}"] for key in ("id", "codes", "known", "models", "scores")
    )
    drawn = ordered(models, names)
    look = looks(names or drawn)
    rows = [list(map(str, models)).index(name) for name in drawn]
    counts, motif_name = read_counts(motif) if motif else (None, None)
    n_rows = len(drawn) + (counts is not None)
    with drawing(outputs, 13.3, 1.3 + 1.25 * n_rows) as figure:
        ratios = ([0.8] if counts is not None else []) + [1.0] * len(drawn)
        grid = figure.subplots(n_rows, len(ids), squeeze=False, sharex="col", height_ratios=ratios)
        for column in range(len(ids)):
            start, end = zoom_range(known[column], zoom)
            panels = list(grid[:, column])
            if counts is not None:
                top = panels.pop(0)
                site, heights = find_site(codes[column][start:end], known[column][start:end], counts)
                draw_letters(top, heights, start + site)
                top.set_ylim(0, 2.05)
                top.set_title(_title(ids[column]), fontsize=12)
                if column == 0:
                    _row_name(top, wrap(motif_name, 12), INK, "bits")
            limits = [
                logo_limits(score_heights(codes[column][start:end], -scores[row, column, start:end])) for row in rows
            ]
            for name, row, panel, limit in zip(drawn, rows, panels, limits, strict=True):
                draw_letters(panel, score_heights(codes[column][start:end], -scores[row, column, start:end]), start)
                panel.set_ylim(*limit)
                panel.locator_params(axis="y", nbins=3)
                if column == 0:
                    _row_name(panel, wrap(name, 12), look[name]["color"], "−LOO")
            if counts is None:
                panels[0].set_title(_title(ids[column]), fontsize=12)
            for panel in grid[:, column]:
                for run_start, run_end in zip(*_runs(known[column]), strict=True):
                    panel.axvspan(run_start - 0.5, run_end - 0.5, color=SHADE, alpha=0.28, linewidth=0, zorder=0)
                panel.grid(visible=False)
                panel.set_xlim(start - 0.6, end - 0.4)
            grid[-1, column].set_xlabel("position in window (bases) · shaded: known motif")


def _title(name):
    return f"test window {name}"


def _row_name(axes, name, colour, unit):
    axes.set_ylabel(unit, fontsize=11)
    axes.annotate(name, (0, 0.5), xycoords="axes fraction", xytext=(-62, 0), textcoords="offset points", ha="right",
                  va="center", color=colour, fontweight="bold", annotation_clip=False)  # fmt: skip


def draw_loo_precision(loo, outputs, dataset, names=None):
    """Average precision of ``-loo`` and ``|loo|`` against the known motif bases, with the chance level.

    Parameters
    ----------
    loo : DataFrame
        loo.tsv: dataset, model, measure, value.
    """
    table = some(loo[loo["dataset"] == dataset], f"leave-one-out precision of {dataset}").pivot(
        index="model", columns="measure", values="value"
    )
    if not table["bases"].any():
        draw_nothing(outputs, f"{dataset}: does leave-one-out find the motif?", NO_SCORES)
        return
    drawn = ordered(table.index, names)
    table, look = table.loc[drawn], looks(names or drawn)
    places = np.arange(len(drawn))[::-1]
    with drawing(outputs, 10.5, 2.2 + 0.9 * len(drawn)) as figure:
        axes = figure.subplots()
        colours = [look[name]["color"] for name in drawn]
        axes.barh(places + 0.19, table["ap_negative"], 0.36, color=colours)
        axes.barh(places - 0.19, table["ap_absolute"], 0.36, color=colours, alpha=0.45)
        for place, (_, row) in zip(places, table.iterrows(), strict=True):
            for shift, value, kind in ((0.19, row["ap_negative"], "−LOO"), (-0.19, row["ap_absolute"], "|LOO|")):
                if np.isfinite(value):
                    axes.text(value + 0.012, place + shift, f"{value:.2f}  {kind}", va="center", fontsize=11)
        chance = table["chance"].mean()
        axes.axvline(chance, color=INK, linestyle="--", linewidth=1.6)
        axes.annotate(
            f"chance {chance:.2f}",
            (chance, len(drawn) - 0.42),
            xytext=(5, 0),
            textcoords="offset points",
            va="center",
            fontsize=11,
        )
        axes.set_yticks(places, [wrap(name) for name in drawn])
        axes.set_ylim(-0.6, len(drawn) - 0.25)
        axes.set_xlim(0, 1.14)
        axes.set_xticks([0, 0.2, 0.4, 0.6, 0.8, 1.0])
        axes.grid(axis="y", visible=False)
        axes.set_xlabel(
            f"average precision against {int(table['motif_bases'].max()):,} known motif bases "
            f"in {int(table['windows'].max()):,} windows"
        )
        axes.set_title(f"{dataset}: does leave-one-out find the motif?")


def draw_regions(regions, outputs, dataset, names=None):
    """Mean absolute leave-one-out score by region of a transcript, with intervals.

    Parameters
    ----------
    regions : DataFrame
        dataset, model, region, mean, low, high; regions are drawn in the order of the table.
    """
    table = regions[regions["dataset"] == dataset]
    if not len(table):
        draw_nothing(outputs, f"{dataset}: which region is read?", NO_SCORES)
        return
    drawn, order = ordered(table["model"], names), list(dict.fromkeys(table["region"]))
    look, width = looks(names or drawn), 0.82 / len(drawn)
    with drawing(outputs, max(8.0, 2.5 + 0.6 * len(order) * max(2, len(drawn))), 5.4) as figure:
        axes = figure.subplots()
        entries = []
        for i, name in enumerate(drawn):
            own = table[table["model"] == name].set_index("region").reindex(order)
            error = np.abs(np.stack([own["mean"] - own["low"], own["high"] - own["mean"]]))
            shift = (i - (len(drawn) - 1) / 2) * width
            bars = axes.bar(np.arange(len(order)) + shift, own["mean"], width * 0.92, yerr=error, capsize=5,
                            color=look[name]["color"], error_kw={"linewidth": 2, "ecolor": INK})  # fmt: skip
            entries.append((bars, name))
        axes.axhline(0, color=FAINT, linewidth=1)
        axes.set_xticks(np.arange(len(order)), [wrap(region, 14) for region in order])
        axes.grid(axis="x", visible=False)
        axes.set_ylabel("mean |LOO| per token")
        axes.set_title(f"{dataset}: which region is read?")
        legend(figure, entries, loc="outside lower center", ncols=min(6, len(drawn)))
