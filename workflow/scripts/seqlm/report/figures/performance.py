"""How good the models are: with intervals, in pairs, and by fold."""

import numpy as np
import pandas as pd

from seqlm.evaluation.metrics import LOWER_IS_BETTER
from seqlm.report.drawing.style import FAINT, INK, axis_name, drawing, legend, looks, ordered, some, wrap

MOST_PAIRS = 60  # of models, drawn in one figure


def _test(metrics, dataset, metric):
    return metrics[
        (metrics["dataset"] == dataset) & (metrics["part"] == "test") & (metrics["metric"] == metric)
    ].dropna(subset="value")


def _main_metric(intervals, metric):
    return metric or intervals["metric"].iloc[0]


def draw_performance(intervals, metrics, outputs, dataset, metric=None, names=None):
    """Each model's test metric with its 95% bootstrap interval, and every fold and seed as a dot.

    Parameters
    ----------
    intervals : DataFrame
        intervals.tsv; its first metric of the dataset is drawn unless `metric` names another.
    metrics : DataFrame
        metrics.tsv.
    """
    intervals = some(intervals[intervals["dataset"] == dataset], f"performance of {dataset}")
    metric = _main_metric(intervals, metric)
    table = some(intervals[intervals["metric"] == metric], f"{metric} of {dataset}").set_index("model")
    runs = _test(metrics, dataset, metric)
    drawn = ordered(table.index, names)
    look = looks(names or drawn)
    places = np.arange(len(drawn))[::-1]
    with drawing(outputs, 10.5, 1.9 + 0.8 * len(drawn)) as figure:
        axes = figure.subplots()
        for place, name in zip(places, drawn, strict=True):
            row, colour = table.loc[name], look[name]["color"]
            axes.barh(place, row["value"], color=colour, alpha=0.28, height=0.6)
            low, high = max(0, row["value"] - row["low"]), max(0, row["high"] - row["value"])
            if np.isfinite([low, high]).all():
                axes.errorbar(
                    row["value"],
                    place,
                    xerr=[[low], [high]],
                    color=colour,
                    capsize=6,
                    linewidth=2.6,
                    capthick=2.6,
                    zorder=3,
                )
            axes.plot(
                row["value"],
                place,
                marker=look[name]["marker"],
                color=colour,
                markersize=10,
                markeredgecolor="white",
                zorder=4,
            )
            own = runs.loc[runs["model"] == name, "value"].to_numpy()
            axes.scatter(
                own, place - 0.2 - 0.08 * (np.arange(len(own)) % 2), s=26, color=INK, alpha=0.75, linewidths=0, zorder=5
            )
        _value_labels(axes, places, table.loc[drawn], runs)
        axes.set_yticks(places, [wrap(name) for name in drawn])
        _bold(axes, table.loc[drawn, "representative"])
        axes.set_ylim(-0.6, len(drawn) - 0.4)
        axes.grid(axis="y", visible=False)
        better = " (lower is better)" if metric in LOWER_IS_BETTER else ""
        axes.set_xlabel(f"{axis_name(metric)} on test data{better}")
        axes.set_title(f"{dataset}: held-out performance")
        figure.supxlabel(
            "marker and line: mean with 95% interval; dots: folds and seeds; bold: its family's best in validation",
            fontsize=11,
            color="#555555",
        )


def _bold(axes, which):
    """Write the names on the vertical axis bold where `which` (one per tick) says so."""
    for label, bold in zip(axes.get_yticklabels(), which, strict=True):
        label.set_fontweight("bold" if bold else "normal")


def _value_labels(axes, places, table, runs):
    """The values in a column of their own, right of everything drawn."""
    reach = np.nanmax([*table["high"], *table["value"], *runs["value"], 0.0])
    bottom = min(0.0, np.nanmin([*table["low"], *table["value"], *runs["value"], 0.0]))
    span = (reach - bottom) or 1.0
    for place, value in zip(places, table["value"], strict=True):
        axes.text(reach + 0.04 * span, place, f"{value:.3f}", va="center", fontweight="bold")
    axes.set_xlim(bottom - 0.03 * span * (bottom < 0), reach + 0.16 * span)


def draw_differences(comparisons, outputs, dataset, metric=None):
    """Every pair of models: difference with its 95% interval; blue where the adjusted p value is below 0.05.

    Pairs that answer the study's question (representatives of families, pretraining) come first, in bold. Of very many
    pairs those with the largest differences are drawn; all are in the table.
    """
    comparisons = some(comparisons[comparisons["dataset"] == dataset], f"comparisons of {dataset}")
    metric = _main_metric(comparisons, metric)
    table = some(comparisons[comparisons["metric"] == metric], f"{metric} comparisons of {dataset}")
    rank = table["question"].map({"families": 0, "pretraining": 1}).fillna(2)
    table = table.loc[rank.sort_values(kind="stable").index]
    left_out = len(table) - MOST_PAIRS
    if left_out > 0:
        order = pd.DataFrame({"rank": rank, "size": -table["difference"].abs()}).sort_values(["rank", "size"])
        table = table.loc[table.index.isin(order.index[:MOST_PAIRS])]
    # Written so that the better model stands first: every difference reads as an advantage.
    lower = metric in LOWER_IS_BETTER
    with drawing(outputs, 11, 1.9 + 0.55 * len(table)) as figure:
        axes = figure.subplots()
        labels, places = [], np.arange(len(table))[::-1]
        for place, row in zip(places, table.itertuples(), strict=True):
            swap = (row.difference < 0) != lower
            value, low, high = (-row.difference, -row.high, -row.low) if swap else (row.difference, row.low, row.high)
            labels.append(f"{row.model_b} − {row.model_a}" if swap else f"{row.model_a} − {row.model_b}")
            colour = "#0072B2" if row.better != "neither" else FAINT
            axes.errorbar(
                value,
                place,
                xerr=[[max(0, value - low)], [max(0, high - value)]],
                fmt="o",
                color=colour,
                capsize=5,
                linewidth=2.4,
                markersize=8,
            )
            axes.annotate(
                f"{value:+.3f} (p {row.p_holm:.2g})".replace("-", "−"),
                (max(value, high), place),
                xytext=(10, 0),
                textcoords="offset points",
                va="center",
                fontsize=11,
            )
        axes.axvline(0, color=INK, linewidth=1.2)
        low, high = axes.get_xlim()
        axes.set_xlim(low, high + 0.25 * (high - low))  # room for the words beside the last interval
        axes.set_yticks(places, labels)
        _bold(axes, table["question"].isin(["families", "pretraining"]))
        axes.set_ylim(-0.6, len(table) - 0.3)
        axes.grid(axis="y", visible=False)
        more = f"; {left_out:,} smaller differences are in comparisons.tsv" if left_out > 0 else ""
        axes.set_xlabel(f"difference in {axis_name(metric)} (95% interval; p adjusted){more}")
        axes.set_title(f"{dataset}: model against model")


def draw_folds(metrics, intervals, outputs, dataset, metric=None, names=None):
    """Bars per fold (mean over seeds, each seed a dot), and the mean over folds with its interval as last group."""
    intervals = intervals[intervals["dataset"] == dataset]
    metric = _main_metric(some(intervals, f"performance of {dataset}"), metric)
    runs = some(_test(metrics, dataset, metric), f"{metric} by fold of {dataset}")
    drawn, folds = ordered(runs["model"], names), sorted(runs["fold"].unique())
    look = looks(names or drawn)
    width = 0.82 / len(drawn)
    with drawing(outputs, max(8.0, 2.5 + 0.45 * (len(folds) + 1) * max(2, len(drawn))), 5.4) as figure:
        axes = figure.subplots()
        entries = []
        for i, name in enumerate(drawn):
            own, colour = runs[runs["model"] == name], look[name]["color"]
            shift = (i - (len(drawn) - 1) / 2) * width
            means = own.groupby("fold")["value"].mean().reindex(folds)
            entries.append((axes.bar(np.arange(len(folds)) + shift, means, width * 0.92, color=colour), name))
            axes.scatter(
                [folds.index(fold) + shift for fold in own["fold"]],
                own["value"],
                s=16,
                color=INK,
                alpha=0.7,
                linewidths=0,
                zorder=3,
            )
            _mean_bar(axes, len(folds) + 0.4 + shift, width, own, colour, intervals, metric, name)
        axes.set_xticks(
            [*np.arange(len(folds)), len(folds) + 0.4], [f"fold {fold}" for fold in folds] + ["mean\n(95% interval)"]
        )
        axes.grid(axis="x", visible=False)
        axes.set_ylabel(f"{axis_name(metric)} on test data")
        axes.set_title(f"{dataset}: by fold")
        legend(figure, entries, loc="outside lower center", ncols=min(6, len(drawn)))


def _mean_bar(axes, place, width, own, colour, intervals, metric, name):
    mean, error = own.groupby("fold")["value"].mean().mean(), None
    row = intervals[(intervals["metric"] == metric) & (intervals["model"] == name)]
    if len(row):
        row = row.iloc[0]
        mean, error = row["value"], [[max(0, row["value"] - row["low"])], [max(0, row["high"] - row["value"])]]
    axes.bar(place, mean, width * 0.92, color=colour, alpha=0.55, hatch="//", edgecolor="white", yerr=error, capsize=5,
             error_kw={"linewidth": 2, "ecolor": INK})  # fmt: skip
