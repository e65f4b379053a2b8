"""What each way to read a language model gives, beside its untrained control and networks from scratch."""

import numpy as np
from matplotlib.lines import Line2D

from seqlm.evaluation.metrics import LOWER_IS_BETTER
from seqlm.evaluation.words import LANGUAGE_FAMILY, NETWORK_FAMILY
from seqlm.report.drawing.style import INK, axis_name, drawing, legend, looks, ordered, some, wrap


def draw_readings(intervals, outputs, dataset, readings, kinds, metric=None, names=None):
    """Test metric of each model on a backbone, a row for each way to read one; networks from scratch as lines.

    Parameters
    ----------
    intervals : DataFrame
        intervals.tsv; its first metric of the dataset is drawn unless `metric` names another.
    readings : dict
        See `seqlm.study.readings.model_readings`.
    kinds : dict
        See `seqlm.study.kinds.model_kinds`.
    """
    own = some(intervals[intervals["dataset"] == dataset], f"performance of {dataset}")
    metric = metric or own["metric"].iloc[0]
    table = own[own["metric"] == metric].set_index("model")
    there = some([name for name in readings if name in table.index], f"models on backbones of {dataset}")
    rows = list(dict.fromkeys(readings[name] for name in there))
    backbones = ordered([kinds[name]["backbone"] for name in there], names)
    look = looks(names or backbones)
    step = 0.56 / max(len(backbones), 2)
    with drawing(outputs, 11, 2.4 + 0.75 * len(rows)) as figure:
        axes, entries = figure.subplots(), {}
        for name in there:
            row, backbone, pretrained = (
                table.loc[name],
                kinds[name]["backbone"],
                kinds[name]["family"] == LANGUAGE_FAMILY,
            )
            colour, shift = look[backbone]["color"], (backbones.index(backbone) - (len(backbones) - 1) / 2) * step
            low, high = (max(0, d) for d in (row["value"] - row["low"], row["high"] - row["value"]))
            known = np.isfinite([low, high]).all()
            place = len(rows) - 1 - rows.index(readings[name]) - shift
            mark = axes.errorbar(
                row["value"], place, xerr=[[low], [high]] if known else None,
                fmt=look[backbone]["marker"], color=colour, markersize=9, capsize=4, linewidth=2.2, zorder=3,
                markeredgecolor=colour, markeredgewidth=2, markerfacecolor=colour if pretrained else "white",
            )  # fmt: skip
            entries[backbone] = mark, backbone + ("" if pretrained else ", never pretrained")
        shown = [entries[backbone] for backbone in backbones]
        rivals = [n for n in ordered(table.index, names) if kinds.get(n, {}).get("family") == NETWORK_FAMILY]
        for name, style in zip(rivals, ("--", ":", "-.", "-") * len(rivals), strict=False):
            row = table.loc[name]
            axes.axvspan(row["low"], row["high"], color=INK, alpha=0.08, linewidth=0)
            axes.axvline(row["value"], color=INK, linestyle=style, linewidth=1.8)
            shown.append((Line2D([], [], color=INK, linestyle=style), f"{name}, from scratch"))
        axes.set_yticks(range(len(rows)), [wrap(row) for row in rows[::-1]])
        axes.set_ylim(-0.6, len(rows) - 0.4)
        better = " (lower is better)" if metric in LOWER_IS_BETTER else ""
        axes.set_xlabel(f"{axis_name(metric)} on test data, with 95% interval{better}")
        axes.set_title(f"{dataset}: ways to read a language model")
        legend(figure, shown, loc="outside lower center", ncols=min(3, len(shown)))
