"""Which family of models wins with how many labels, in one sentence."""

from itertools import groupby

from seqlm.evaluation.contest.families import pair_of, winner
from seqlm.evaluation.words import NAMES, RIVALS, number


def verdict_by_labels(intervals, comparisons):
    """From how many labels on which family wins.

    A family wins where its representative, chosen by validation at that number of labels, beats those of all other
    families (Holm-adjusted p below 0.05 among the comparisons at that number of labels).

    Parameters
    ----------
    intervals, comparisons : DataFrame
        As `seqlm.evaluation.contest.sizes.compare_sizes` returns them, of one dataset; the first metric is the one
        spoken of.

    Returns
    -------
    list of str
        One sentence; none where there are fewer than two sizes or families.
    """
    if intervals.empty or intervals["labels"].nunique() < 2:
        return []
    metric = intervals["metric"].iloc[0]
    chosen = intervals[
        (intervals["metric"] == metric) & intervals["representative"].astype(bool) & intervals["family"].isin(RIVALS)
    ]
    if chosen["family"].nunique() < 2:
        return []
    pairs = comparisons[comparisons["metric"] == metric]
    found = [(labels, _winner(table, pairs[pairs["labels"] == labels], metric)) for labels, table in
             chosen.groupby("labels")]  # fmt: skip
    runs = [(winner, [labels for labels, _ in run]) for winner, run in groupby(found, key=lambda pair: pair[1])]
    words = [_words(winner, labels, chosen, metric) for winner, labels in runs]
    return [f"By number of labels (p adjusted at each): {'; '.join(words)}."]


def _winner(chosen, pairs, metric):
    """The family whose representative beats all others, or None."""
    models = chosen.set_index("family")["model"]
    for family, model in models.items():
        others = [other for other in models if other != model]
        if all(winner(pair_of(pairs, model, other), metric) == 1 for other in others):
            return family
    return None


def _words(winner, labels, chosen, metric):
    span = f"with {labels[0]:,.0f}" if len(labels) == 1 else f"with {labels[0]:,.0f} to {labels[-1]:,.0f}"
    last = chosen[chosen["labels"] == labels[-1]].set_index("family")
    values = ", ".join(
        f"{last.loc[family, 'model']} {number(last.loc[family, 'value'])}" for family in RIVALS if family in last.index
    )
    says = f"the {winner} win" if winner else "no family is shown to win"
    at = f" at {labels[-1]:,.0f}" if len(labels) > 1 else ""
    return f"{span} {says} ({NAMES.get(metric, metric)}{at}: {values})"
