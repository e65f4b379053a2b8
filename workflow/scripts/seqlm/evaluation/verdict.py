"""The study's question answered in sentences: does the language model beat the CNN, and did pretraining help?"""

from seqlm.evaluation.metrics import LOWER_IS_BETTER
from seqlm.evaluation.words import CONTROL, LANGUAGE, NAMES, duration, number


def verdict(intervals, comparisons, totals, kinds):
    """Sentences about one dataset, the most important first.

    Parameters
    ----------
    intervals, comparisons : DataFrame
        As `seqlm.evaluation.comparison.compare` returns them, of one dataset; the first metric is the one spoken of.
    totals : DataFrame
        Columns model, total (seconds, pretraining included), pretrain, of the same dataset.
    kinds : dict
        As `seqlm.study.model_kinds` returns it.

    Returns
    -------
    list of str
    """
    if not len(intervals):
        return []
    metric = intervals["metric"].iloc[0]
    table = intervals[intervals["metric"] == metric].set_index("model")
    table = table.sort_values("value", ascending=metric in LOWER_IS_BETTER)
    pairs = comparisons[comparisons["metric"] == metric]
    of_kind = {}
    for model in table.index:  # best first, so the first of a kind is its best
        of_kind.setdefault(kinds.get(model, {}).get("kind", "model"), []).append(model)
    language = of_kind.get(LANGUAGE, [None])[0]
    rivals = [model for model in table.index if kinds.get(model, {}).get("kind") not in (LANGUAGE, CONTROL)]
    sentences = []
    if language and rivals:
        rival = of_kind.get("CNN", rivals)[0]
        answer, words = _duel(language, rival, metric, pairs, kinds)
        sentences.append(f"{answer}: the best language model ({language}) {words}.")
        baseline = of_kind.get("k-mer baseline", [rival])[0]
        if baseline != rival:
            sentences.append(f"It {_duel(language, baseline, metric, pairs, kinds)[1]}.")
        cost = _cost(language, rival, totals)
        if cost:
            sentences.append(cost)
    if language and of_kind.get(CONTROL):
        control = of_kind[CONTROL][0]
        twin = kinds[control].get("twin")
        sentences.append(_pretraining(twin if twin in table.index else language, control, metric, pairs))
    elif language:
        sentences.append(
            "Whether pretraining itself helped is not known: the study has no untrained backbone as control."
        )
    best = table.iloc[0]
    interval = f"95% interval {number(best['low'])} to {number(best['high'])}"
    score = f"{NAMES.get(metric, metric)} {number(best['value'])} ({interval})"
    sentences.append(
        f"Best overall: {table.index[0]} with {score}, on {best['examples']:,} held-out examples "
        f"in {best['groups']:,} groups."
    )
    return sentences


def _pair(pairs, a, b):
    """Difference a - b of one pair whichever way round it was written: (value a, value b, difference, low, high)."""
    row = pairs[(pairs["model_a"] == a) & (pairs["model_b"] == b)]
    if len(row):
        row = row.iloc[0]
        return row["a"], row["b"], row["difference"], row["low"], row["high"]
    row = pairs[(pairs["model_a"] == b) & (pairs["model_b"] == a)].iloc[0]
    return row["b"], row["a"], -row["difference"], -row["high"], -row["low"]


def _advantage(pairs, metric, a, b):
    """What a has over b: 1 or -1 where one is clearly better, else 0; and words with both values and the interval."""
    own, other, difference, low, high = _pair(pairs, a, b)
    if metric in LOWER_IS_BETTER:
        difference, low, high = -difference, -high, -low
    clear = 1 if low > 0 else -1 if high < 0 else 0
    # Where the sign is certain the words "better" and "worse" carry it, and the interval is of the size.
    limits = sorted([abs(low), abs(high)]) if clear else [low, high]
    span = f"95% interval {number(limits[0])} to {number(limits[1])}"
    size = f"{'better' if difference >= 0 else 'worse'} by {number(abs(difference))}"
    return clear, f"{NAMES.get(metric, metric)} {number(own)} against {number(other)}, {size} ({span})"


def _duel(language, rival, metric, pairs, kinds):
    """The answer to whether a language model beats a rival, and words for it."""
    clear, words = _advantage(pairs, metric, language, rival)
    answer = {1: "Yes", 0: "No difference shown", -1: "No"}[clear]
    verb = {1: "beats", 0: "is not told apart from", -1: "does worse than"}[clear]
    kind = kinds[rival]["kind"]
    rival = f"the {kind}" if kind.lower() == rival.lower() else f"the {kind} {rival}"
    return answer, f"{verb} {rival}: {words}"


def _cost(language, rival, totals):
    totals = totals.set_index("model")["total"] if len(totals) else {}
    if language not in totals or rival not in totals or not totals[rival] > 0:
        return None
    own, other = totals[language], totals[rival]
    ratio = own / other
    words = f"{ratio:.1f} times the training time" if ratio >= 1 else f"{1 / ratio:.1f} times less training time"
    return (
        f"Cost: {language} took {duration(own)} to train, its pretraining included, against {duration(other)} "
        f"for {rival}: {words}."
    )


def _pretraining(language, control, metric, pairs):
    clear, words = _advantage(pairs, metric, language, control)
    answer = {1: "helped", 0: "made no difference that shows", -1: "did harm"}[clear]
    return f"Pretraining {answer}: {language} against {control}, whose backbone was never trained: {words}."
