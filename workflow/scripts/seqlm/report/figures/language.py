"""Pretraining: loss curves, bits per base against a Markov baseline, hidden tokens found again, time."""

import numpy as np

from seqlm.report.drawing.bars import time_bars
from seqlm.report.drawing.style import (
    FAINT,
    drawing,
    energy_and_price,
    legend,
    looks,
    memory,
    ordered,
    short,
    some,
    wrap,
)


def draw_loss(history, language, outputs, backbone=None, names=None):
    """Loss of one backbone, or of all in one figure: nats per token, and bits per base beside an order-k Markov model.

    For masked language models the share of hidden tokens that they find, and of the bases in these, in place of bits.

    Parameters
    ----------
    history : DataFrame
        history.tsv; its rows with dataset ``pretraining`` are drawn. Rows of the metric ``bits_per_base`` become
        curves; without any, the final values of `language` are drawn as bars.
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
        history, language = history[history["model"] == backbone], language[language["backbone"] == backbone]
    some(history, f"loss curves of {backbone or 'the backbones'}")
    drawn = ordered(history["model"], names)
    look = looks(names or drawn)
    curves = history[(history["metric"] == "bits_per_base") & (history["part"] == "validation")]
    panels = [_draw_nats]
    if len(curves) or (language["measure"] == "bits_per_base").any():
        panels.append(_draw_bits)
    if (history["metric"] == "base_accuracy").any():
        panels.append(_draw_masked)
    with drawing(outputs, 6.25 * len(panels), 5.4) as figure:
        for axes, draw in zip(np.ravel(figure.subplots(1, len(panels))), panels, strict=True):
            draw(axes, history, language, drawn, look, names)


def _draw_nats(axes, history, language, drawn, look, names):
    entries = []
    for name in drawn:
        own, colour = history[history["model"] == name], look[name]["color"]
        _curve(axes, own, "train", "loss", color=colour, linestyle=":", linewidth=1.8)
        entries.append((_curve(axes, own, "validation", "loss", color=colour, marker="o", markersize=4.5), name))
    entries.append((axes.plot([], [], color=FAINT, linestyle=":")[0], "training"))
    entries.append((axes.plot([], [], color=FAINT, marker="o", markersize=4.5)[0], "validation"))
    legend(axes, entries, loc="best")
    title = "Loss (comparable within a vocabulary only)" if len(drawn) > 1 else f"{drawn[0]}: loss"
    axes.set(xlabel="optimiser step", ylabel="loss (nats per token)", title=title)


def _draw_masked(axes, history, language, drawn, look, names):
    """How many of the hidden tokens a masked language model finds, and of their bases."""
    entries = []
    for name in drawn:
        own = history[(history["model"] == name) & (history["part"] == "validation")]
        for metric, what, line in (("base_accuracy", "bases", "-"), ("accuracy", "tokens", "--")):
            values = own[own["metric"] == metric].sort_values("step")["value"]
            if len(values):
                label = f"{name}, {what}  {values.iloc[-1]:.3f}"
                curve = _curve(axes, own, "validation", metric, color=look[name]["color"], linestyle=line, marker="o",
                               markersize=4.5)  # fmt: skip
                entries.append((curve, label))
    entries.append((axes.axhline(0.25, color=FAINT, linestyle=":"), "guessing bases  0.25"))
    axes.set(xlabel="optimiser step", ylabel="share found", title="Hidden tokens found again", ylim=(0, None))
    legend(axes, entries, loc="best")


def _curve(axes, history, part, metric, **look):
    own = history[(history["part"] == part) & (history["metric"] == metric)].sort_values("step")
    return axes.plot(own["step"], own["value"], **look)[0]


def _draw_bits(axes, history, language, drawn, look, names):
    axes.set_title("Bits per base: lower is better")
    curves = history[(history["metric"] == "bits_per_base") & (history["part"] == "validation")]
    if len(curves):
        entries = []
        for name in ordered(curves["model"], drawn):
            own = curves[curves["model"] == name]
            last = own.sort_values("step")["value"].iloc[-1]
            curve = _curve(axes, own, "validation", "bits_per_base", color=look[name]["color"], marker="o",
                           markersize=4.5)  # fmt: skip
            entries.append((curve, f"{name}  {last:.3f}"))
        for label, value, line in _references(language):
            entries.append((axes.axhline(value, linewidth=1.6, **line), label))
        axes.set(xlabel="optimiser step", ylabel="bits per held-out base")
        legend(axes, entries, loc="best")
        return
    final = language[language["measure"] == "bits_per_base"].set_index("backbone")["value"]
    shown = ordered(final.index, names or drawn)
    places = np.arange(len(shown))[::-1]
    for place, name in zip(places, shown, strict=True):
        colour = look.get(name, {"color": "#555555"})["color"]
        axes.barh(place, final[name], color=colour, height=0.5)
        axes.annotate(f"{final[name]:.3f}", (0, place), xycoords=("axes fraction", "data"), xytext=(8, 0),
                      color="white", textcoords="offset points", va="center", fontweight="bold")  # fmt: skip
    references = _references(language)
    entries = [(axes.axvline(value, linewidth=1.8, **line), label) for label, value, line in references]
    values = [*final, *(value for _, value, _ in references)]
    # Differences of a few hundredths of a bit matter, so the axis does not start at zero, and says so.
    margin = max(0.02, 0.6 * (max(values) - min(values)))
    axes.set_xlim(min(values) - margin, max(values) + 0.15 * margin)
    axes.set_yticks(places, [wrap(name) for name in shown])
    axes.set_ylim(-0.6, len(shown) - 0.4)
    axes.grid(axis="y", visible=False)
    axes.set_xlabel("bits per held-out base (axis cut)")
    legend(axes.figure, entries, loc="outside lower right", ncols=len(references))


def _references(language):
    """Lines to measure against: (label, bits, look) of each Markov model, and of guessing."""
    found = {}
    for name, own in language.groupby("backbone", sort=False):
        values = own.set_index("measure")["value"]
        bits = values.get("markov_bits_per_base", np.nan)
        if np.isfinite(bits):
            order = f"order-{values['markov_order']:.0f} " if "markov_order" in values else ""
            found.setdefault((round(bits, 4), f"{order}Markov model"), []).append(name)
    lines = []
    for i, ((bits, label), backbones) in enumerate(found.items()):
        whose = f" ({', '.join(backbones)})" if len(found) > 1 else ""
        lines.append(
            (f"{label}{whose}  {bits:.3f}", bits, {"color": "#333333", "linestyle": ("--", "-.", (0, (5, 1)))[i % 3]})
        )
    return [*lines, ("guessing: 2 bits", 2.0, {"color": FAINT, "linestyle": ":"})]


def draw_pretraining_time(costs, outputs, names=None):
    """Seconds of each pretraining with samples/s, tokens/s and peak memory beside."""
    costs = costs[(costs["dataset"] == "pretraining") & (costs["stage"] == "pretrain")]
    table = some(costs, "pretraining times").pivot_table(index="model", columns="quantity", values="value")
    if "samples_per_second" in table and table["samples_per_second"].notna().any():
        table = table[table["samples_per_second"].notna()]  # a control that is never trained took no time
    drawn = ordered(table.index, names)
    look = looks(names or drawn)
    notes = [cost_note(table.loc[name]) for name in drawn]
    with drawing(outputs, 11, 1.7 + 0.95 * len(drawn)) as figure:
        axes = figure.subplots()
        time_bars(axes, drawn, {"pretrain": table.loc[drawn, "seconds"]}, notes, [look[n]["color"] for n in drawn])
        device = next((name for name in costs["device"].dropna() if name), "")
        axes.set_title("Pretraining time" + (f" on {device}" if device else ""))


def cost_note(row):
    """Rates and memory of a job in two short lines."""
    seconds = row["seconds"]
    first = f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    rates = [
        f"{short(row[f'{w}_per_second'])} {w}/s" for w in ("samples", "tokens") if row.get(f"{w}_per_second", 0) > 0
    ]
    peak = [f"peak {memory(row['peak_memory_bytes'])}"] if row.get("peak_memory_bytes", 0) > 0 else []
    peak += energy_and_price(row)
    return f"{first} · {rates[0]}\n" + " · ".join(rates[1:] + peak) if rates else " · ".join([first, *peak])
