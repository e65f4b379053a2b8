"""Training of models on a dataset: curves with the epoch marked that was kept, and what the training cost."""

from matplotlib.ticker import MaxNLocator

from seqlm.evaluation.metrics import LOWER_IS_BETTER
from seqlm.report.drawing.bars import stage_legend, time_bars
from seqlm.report.drawing.style import axis_name, drawing, energy_and_price, legend, looks, memory, ordered, short, some


def draw_training(history, outputs, dataset, model=None, metric="pearson", names=None, settings=None):
    """Loss and metric per epoch of every model of a dataset (or of one), one column each; a line per fold and seed.

    The epoch whose weights were kept is marked on every line: the best in validation by what its training watched, as
    `settings` (settings.tsv) says for each model; by `metric` where it says nothing.
    """
    history = history[history["dataset"] == dataset]
    if model is not None:
        history = history[history["model"] == model]
    history = some(history, f"training curves of {dataset}")
    solved = history.groupby("model")["epoch"].transform("max") == 0  # at once, not step by step: no curve
    history = history if solved.all() else history[~solved]
    drawn = ordered(history["model"], names)
    look = looks(names or drawn)
    watched = _watched(settings, dataset)
    with drawing(outputs, max(7.0, 2.2 + 3.4 * len(drawn)), 7.0) as figure:
        grid = figure.subplots(2, len(drawn), sharex="col", sharey="row", squeeze=False)
        for column, name in enumerate(drawn):
            top, bottom = grid[:, column]
            own, colour = history[history["model"] == name], look[name]["color"]
            kept = []
            for _, run in own.groupby(["fold", "seed"], dropna=False):
                kept.append(_best(run, watched.get(name, metric)))
                _run(top, bottom, run, metric, colour, kept[-1])
            kept = [epoch for epoch in kept if epoch is not None]
            top.set_title(name)
            bottom.set_xlabel("epoch" + (f" (kept: {_span(kept)})" if kept else ""))
            bottom.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        grid[0, 0].set_ylabel("loss")
        grid[1, 0].set_ylabel(axis_name(metric))
        star = {"linestyle": "none", "marker": "*", "markersize": 14, "markeredgecolor": "white"}
        entries = [
            (grid[0, 0].plot([], [], color="#555555", **line)[0], label)
            for label, line in (("training", {"linestyle": ":"}), ("validation", {}), ("kept", star))
        ]
        legend(figure, entries, loc="outside lower center", ncols=3)


def _watched(settings, dataset):
    """Model -> the metric that decided which epoch was kept."""
    if settings is None:
        return {}
    own = settings[(settings["dataset"] == dataset) & (settings["setting"] == "metric")]
    return dict(zip(own["model"], own["value"], strict=True))


def _span(epochs):
    low, high = f"{min(epochs):.0f}", f"{max(epochs):.0f}"
    return low if low == high else f"{low}–{high}"


def _run(top, bottom, run, metric, colour, best):
    for axes, wanted in ((top, "loss"), (bottom, metric)):
        for part, line in (("train", ":"), ("validation", "-")):
            own = run[(run["part"] == part) & (run["metric"] == wanted)].sort_values("epoch")
            axes.plot(own["epoch"], own["value"], color=colour, linestyle=line, linewidth=1.8, alpha=0.85)
            if part == "validation" and best is not None and best in set(own["epoch"]):
                value = own.loc[own["epoch"] == best, "value"].iloc[0]
                axes.plot([best], [value], marker="*", markersize=14, color=colour, markeredgecolor="white", zorder=4)


def _best(run, metric):
    """The epoch with the best validation metric of one run (None where there is none)."""
    own = run[(run["part"] == "validation") & (run["metric"] == metric) & run["value"].notna()]
    if not len(own):
        return None
    place = own["value"].idxmin() if metric in LOWER_IS_BETTER | {"loss"} else own["value"].idxmax()
    return own.loc[place, "epoch"]


def draw_fit_time(totals, outputs, dataset, names=None):
    """Training time of each model of a dataset: fitting, features, the backbone's pretraining; rates and memory beside.

    Parameters
    ----------
    totals : DataFrame
        `seqlm.report.collecting.cost_totals`.
    """
    trained = (totals["dataset"] == dataset) & totals["fit"].notna()  # an ensemble trains nothing itself
    table = some(totals[trained], f"training times of {dataset}").set_index("model")
    drawn = ordered(table.index, names)
    table, look = table.loc[drawn], looks(names or drawn)
    parts = {
        "fit": table["fit"],
        "backbone's features": table["features"],
        "backbone's pretraining (once)": table["pretrain"],
    }
    parts = {stage: values for stage, values in parts.items() if values.fillna(0).any()}
    with drawing(outputs, 11, 2.3 + 0.95 * len(drawn)) as figure:
        axes = figure.subplots()
        time_bars(
            axes, drawn, parts, [_note(row) for _, row in table.iterrows()], [look[name]["color"] for name in drawn]
        )
        device = next((text for text in table["device"] if isinstance(text, str) and text), "")
        axes.set_title(f"{dataset}: training time" + (f" on {device}" if device else ""))
        if len(parts) > 1:
            stage_legend(figure, parts)


def _note(row):
    total = f"{row['total']:.0f} s" if row["total"] >= 10 else f"{row['total']:.1f} s"
    rate = f" · {short(row['samples_per_second'])} samples/s" if row["samples_per_second"] > 0 else ""
    peak = [f"peak {memory(row['peak_memory_bytes'])}"] if row["peak_memory_bytes"] > 0 else []
    below = " · ".join([*peak, *energy_and_price(row)])
    return total + rate + (f"\n{below}" if below else "")
