"""Pretraining: loss curves, bits per base against a Markov baseline, time."""

import numpy as np

from seqlm.figures.bars import time_bars
from seqlm.figures.style import FAINT, drawing, looks, memory, ordered, short, some

CONTROL_NOTE = "untrained"


def draw_loss(history, language, outputs, backbone=None, names=None):
    """Loss of one backbone, or of all in one figure: nats per token, and bits per base beside an order-k Markov baseline.

    Parameters
    ----------
    history : DataFrame
        history.tsv; its rows with dataset ``pretraining`` are drawn.
    language : DataFrame
        language.tsv: backbone, measure, value.
    outputs : list of path
    backbone : str, optional
        Draw this one only.
    names : list of str, optional
        All names of the study, in its order (for the colours).
    """
    history = history[history["dataset"] == "pretraining"]
    if backbone is not None:
        history = history[history["model"] == backbone]
    some(history, f"loss curves of {backbone or 'the backbones'}")
    drawn = ordered(history["model"], names)
    look = looks(names or drawn)
    with drawing(outputs, 12.5, 5.4) as figure:
        nats, bits = figure.subplots(1, 2)
        for name in drawn:
            own, colour = history[history["model"] == name], look.get(name, {"color": "#444444"})["color"]
            _curve(nats, own, "train", "loss", color=colour, linestyle=":", linewidth=1.8)
            _curve(nats, own, "validation", "loss", color=colour, marker="o", markersize=4.5, label=name)
            _bits(bits, own, language[language["backbone"] == name], name, colour)
        _markov(bits, language[language["backbone"].isin(drawn)], drawn)
        nats.set(xlabel="optimiser step", ylabel="loss (nats per token)", title="Loss: comparable only within a vocabulary"
                 if len(drawn) > 1 else f"{drawn[0]}: loss")  # fmt: skip
        bits.set(
            xlabel="optimiser step",
            ylabel="bits per base (held-out A, C, G, T)",
            title="Bits per base: lower is better",
        )
        nats.plot([], [], color=FAINT, linestyle=":", label="training")
        nats.plot([], [], color=FAINT, marker="o", markersize=4.5, label="validation")
        nats.legend(loc="best")
        _end_labels_room(bits)


def _curve(axes, history, part, metric, **look):
    own = history[(history["part"] == part) & (history["metric"] == metric)].sort_values("step")
    if len(own):
        axes.plot(own["step"], own["value"], **look)
    return len(own) > 0


def _measure(language, *names):
    for name in names:
        found = language.loc[language["measure"] == name, "value"]
        if len(found):
            return float(found.iloc[0])
    return np.nan


def _bits(axes, history, language, name, colour):
    """Bits per base while training where the history has them, and the final value as a labelled point."""
    _curve(axes, history, "validation", "bits_per_base", color=colour)
    final = _measure(language, "bits_per_base")
    if np.isfinite(final):
        step = history["step"].max()
        axes.plot([step], [final], marker="o", markersize=9, color=colour, clip_on=False, zorder=3)
        axes.annotate(f"{name}  {final:.3f}", (step, final), xytext=(10, 0), textcoords="offset points", va="center", color=colour,
                      fontweight="bold", annotation_clip=False, gid="end label")  # fmt: skip


def _markov(axes, language, drawn):
    """The order-k Markov model of the same held-out bases, and 2 bits, which is guessing."""
    seen = []
    for name in drawn:
        own = language[language["backbone"] == name]
        value = _measure(own, "markov_bits_per_base")
        if np.isfinite(value) and not any(abs(value - other) < 5e-4 for other in seen):
            order = _measure(own, "markov_order")
            label = (
                f"order-{order:.0f} Markov model  {value:.3f}" if np.isfinite(order) else f"Markov model  {value:.3f}"
            )
            axes.axhline(value, color="#444444", linestyle="--", linewidth=1.6, label=label)
            seen.append(value)
    axes.axhline(2, color=FAINT, linestyle=":", linewidth=1.6, label="guessing: 2 bits")
    axes.legend(loc="best")


def _end_labels_room(axes):
    """Keep the labels at the ends of curves apart from each other and inside the axes."""
    labels = sorted((text for text in axes.texts if text.get_gid() == "end label"), key=lambda text: text.xy[1])
    low, high = axes.get_ylim()
    step = (high - low) * 0.06
    last = -np.inf
    left, right = axes.get_xlim()
    for text in labels:
        value = max(text.xy[1], last + step)
        text.set_position((10, (value - text.xy[1]) / (high - low) * 270))
        last = value
    if labels:
        axes.set_xlim(left, right + 0.5 * (right - left))


def draw_pretraining_time(costs, outputs, names=None):
    """Seconds of each pretraining with samples/s, tokens/s and peak memory beside."""
    costs = costs[(costs["dataset"] == "pretraining") & (costs["stage"] == "pretrain")]
    table = some(costs, "pretraining times").pivot_table(
        index="model", columns="quantity", values="value", aggfunc="sum"
    )
    table = table[table["seconds"] > 0] if (table["seconds"] > 0).any() else table
    drawn = ordered(table.index, names)
    look = looks(names or drawn)
    notes = [cost_note(table.loc[name]) for name in drawn]
    with drawing(outputs, 11, 1.7 + 0.95 * len(drawn)) as figure:
        axes = figure.subplots()
        time_bars(
            axes, drawn, {"pretrain": table.loc[drawn, "seconds"]}, notes, [look[name]["color"] for name in drawn]
        )
        device = costs["device"].dropna()
        axes.set_title("Pretraining time" + (f" on {device.iloc[0]}" if len(device) and device.iloc[0] else ""))


def cost_note(row):
    """Rates and memory of a job in two short lines."""
    seconds = row["seconds"]
    first = f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    rates = [
        f"{short(row[f'{what}_per_second'])} {what}/s"
        for what in ("samples", "tokens")
        if row.get(f"{what}_per_second", 0) > 0
    ]
    peak = [f"peak {memory(row['peak_memory_bytes'])}"] if row.get("peak_memory_bytes", 0) > 0 else []
    return f"{first} · {rates[0]}\n" + " · ".join(rates[1:] + peak) if rates else " · ".join([first, *peak])
