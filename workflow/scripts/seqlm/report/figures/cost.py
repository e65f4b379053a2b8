"""Cost against performance: how soon each model is how good."""

import numpy as np

from seqlm.report.drawing.style import axis_name, drawing, legend, looks, ordered, some, time_unit


def draw_cost_performance(intervals, totals, history, outputs, dataset, metric=None, names=None):
    """Time to quality while training (left), and where each model ends (right).

    Time starts with the backbone's pretraining and features: a dashed line leads to the end of the first epoch. Epochs
    are placed by their recorded seconds, or evenly over the fit where the history has none.

    Parameters
    ----------
    intervals, totals, history : DataFrame
        intervals.tsv, `seqlm.report.collecting.cost_totals` and history.tsv.
    """
    intervals = some(intervals[intervals["dataset"] == dataset], f"performance of {dataset}")
    totals = some(totals[totals["dataset"] == dataset], f"training times of {dataset}").set_index("model")
    metric = metric or intervals["metric"].iloc[0]
    table = intervals[intervals["metric"] == metric].set_index("model")
    drawn = [name for name in ordered(table.index, names) if name in totals.index and totals.loc[name, "total"] > 0]
    some(drawn, f"cost against performance of {dataset}")
    look = looks(names or drawn)
    history = history[(history["dataset"] == dataset) & (history["part"] == "validation")]
    times = totals.loc[drawn, "total"]
    # A linear clock is easier to read; a k-mer baseline beside a large model needs a logarithmic one.
    scale = "log" if times.max() > 30 * times.min() else "linear"
    with drawing(outputs, 13, 5.8) as figure:
        curves, ends = figure.subplots(1, 2, width_ratios=[1.15, 1])
        for axes in (curves, ends):
            axes.set_xscale(scale)
        entries = []
        for name in drawn:
            own, row = history[history["model"] == name], table.loc[name]
            _time_to_quality(
                curves, own, totals.loc[name], metric, look[name]["color"], 0 if scale == "linear" else times.min() / 10
            )
            error = np.abs([[row["value"] - row["low"]], [row["high"] - row["value"]]])
            style = {"fmt": look[name]["marker"], "color": look[name]["color"], "markeredgecolor": "white"}
            end = ends.errorbar(times[name], row["value"], yerr=error, capsize=5, linewidth=2.2, markersize=11, **style)
            entries.append((end, name))
        ends.margins(x=0.08, y=0.1)
        for axes in (curves, ends):
            _clock(axes, scale)
        curves.set(
            xlabel="time since the start, pretraining included", ylabel=f"{axis_name(metric)} on validation data"
        )
        ends.set(xlabel="total training time", ylabel=f"{axis_name(metric)} on test data")
        curves.set_title(f"{dataset}: time to quality")
        ends.set_title("Cost against performance")
        title = (
            "dashed: pretraining and features, until the first epoch"
            if (totals["total"] > totals["fit"]).any()
            else None
        )
        legend(figure, entries, loc="outside lower center", ncols=min(6, len(drawn)), title=title)


def _time_to_quality(axes, history, cost, metric, colour, origin):
    """One line per fold and seed, and one dashed line from the origin to their first epoch."""
    start, first = cost["pretrain"] + cost["features"], []
    for _, run in history.groupby(["fold", "seed"], dropna=False):
        own = run[run["metric"] == metric].sort_values("epoch")
        if not len(own) or not cost["fit"] > 0:
            continue
        clock = run[run["metric"] == "seconds"].set_index("epoch")["value"]
        even = own["epoch"].to_numpy(float) / own["epoch"].max() * cost["fit"]
        elapsed = start + (clock.reindex(own["epoch"]).to_numpy() if len(clock) else even)
        axes.plot(elapsed, own["value"], color=colour, linewidth=1.8, alpha=0.9)
        first.append((elapsed[0], own["value"].iloc[0]))
    if first and start > 0:
        end, value = np.mean(first, axis=0)
        axes.plot([origin, end], [value, value], color=colour, linestyle="--", linewidth=1.4)


def _clock(axes, scale):
    """Few ticks, in the words of a clock."""
    low, high = axes.get_xlim()
    if scale == "linear":
        axes.set_xlim(left=0)
        divisor, unit = time_unit(high)
        step = next(
            s for s in (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 3000, 1e4, 1e9) if high / divisor / s <= 7
        )
        ticks = np.arange(0, high, step * divisor)
        axes.set_xticks(ticks, [f"{tick / divisor:.3g} {unit}" for tick in ticks])
        return
    every = [0.1, 0.3, 1, 3, 10, 30, 60, 180, 600, 1800, 3600, 3 * 3600, 10 * 3600, 30 * 3600, 100 * 3600]
    ticks = [tick for tick in every if low <= tick <= high]
    axes.set_xticks(ticks, [f"{tick / time_unit(tick)[0]:.3g} {time_unit(tick)[1]}" for tick in ticks])
    axes.minorticks_off()
