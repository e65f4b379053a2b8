"""The study's question answered in sentences: does the language model beat the CNN, and did pretraining help?"""

import math

from seqlm.evaluation.contest.families import pair_of, winner
from seqlm.evaluation.metrics import LOWER_IS_BETTER
from seqlm.evaluation.words import CONTROL, LANGUAGE_FAMILY, NAMES, RIVALS, duration, number


def verdict(intervals, comparisons, totals, kinds):
    """Sentences about one dataset, the most important first.

    Parameters
    ----------
    intervals, comparisons : DataFrame
        As `seqlm.evaluation.contest.comparison.compare` returns them, of one dataset; the first metric is the one
        spoken of.
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
    pairs = comparisons[comparisons["metric"] == metric]
    standing = table[table["representative"].astype(bool)]
    chosen = {family: standing.index[standing["family"] == family][0] for family in RIVALS
              if (standing["family"] == family).any()}  # fmt: skip
    sentences = _contests(list(chosen.values()), metric, pairs, kinds)
    language = chosen.get(LANGUAGE_FAMILY)
    if language and len(chosen) > 1:
        sentences += _cost(language, list(chosen.values())[1], totals)
    if language:
        sentences.append(_pretraining(language, table, metric, pairs, kinds))
    best = table.sort_values("value", ascending=metric in LOWER_IS_BETTER).iloc[0]
    interval = f"95% interval {number(best['low'])} to {number(best['high'])}"
    sentences.append(
        f"Best test value: {best.name} with {NAMES.get(metric, metric)} {number(best['value'])} ({interval}), on "
        f"{best['examples']:,} held-out examples in {best['groups']:,} groups."
    )
    return sentences + _method(chosen, table, pairs)


def _contests(chosen, metric, pairs, kinds):
    """The families' representatives against each other, the first of them against each of the others."""
    if len(chosen) < 2:
        return []
    first, rival, *others = chosen
    clear, words = _duel(first, rival, metric, pairs, kinds)
    if kinds[first]["family"] == LANGUAGE_FAMILY:
        answer = {1: "Yes", 0: "No difference shown", -1: "No"}[clear]
        sentences = [f"{answer}: the language model {first} {words}."]
    else:
        sentences = [f"The {_named(first, kinds).removeprefix('the ')} {words}."]
    return sentences + [f"It {_duel(first, other, metric, pairs, kinds)[1]}." for other in others]


def _named(model, kinds):
    kind = kinds[model]["kind"]
    return f"the {kind}" if kind.lower() == model.lower() else f"the {kind} {model}"


def _advantage(pairs, metric, a, b):
    """What a has over b: 1 or -1 where the adjusted p value is clear, else 0; and words with values and interval."""
    row = pair_of(pairs, a, b)
    difference, low, high = row["difference"], row["low"], row["high"]
    if metric in LOWER_IS_BETTER:
        difference, low, high = -difference, -high, -low
    clear = winner(row, metric)
    # Where the sign is certain the words "better" and "worse" carry it, and the interval is of the size.
    limits = sorted([abs(low), abs(high)]) if clear and low * high > 0 else [low, high]
    span = f"95% interval {number(limits[0])} to {number(limits[1])}, adjusted p {_p(row['p_holm'])}"
    size = f"{'better' if difference >= 0 else 'worse'} by {number(abs(difference))}"
    words = f"{NAMES.get(metric, metric)} {number(row['a'])} against {number(row['b'])}, {size} ({span})"
    if not clear and math.isfinite(row["detectable"]):
        words += f"; a difference above {number(row['detectable'])} would have shown"
    return clear, words


def _p(value):
    return f"{value:.3f}" if value >= 0.0005 else "below 0.001"


def _duel(own, rival, metric, pairs, kinds):
    """Whether a model beats another (1), loses to it (-1) or neither (0), and words for it."""
    clear, words = _advantage(pairs, metric, own, rival)
    verb = {1: "beats", 0: "is not told apart from", -1: "loses to"}[clear]
    return clear, f"{verb} {_named(rival, kinds)}: {words}"


def _cost(language, rival, totals):
    totals = totals.set_index("model")["total"] if len(totals) else {}
    if language not in totals or rival not in totals or not totals[rival] > 0:
        return []
    own, other = totals[language], totals[rival]
    ratio = own / other
    words = f"{ratio:.1f} times the training time" if ratio >= 1 else f"{1 / ratio:.1f} times less training time"
    return [
        f"Cost: {language} took {duration(own)} to train, its pretraining included, against {duration(other)} "
        f"for {rival}: {words}."
    ]


def _pretraining(language, table, metric, pairs, kinds):
    """Whether pretraining helped: the representative against its control, else another language model with one."""
    controls = {
        control: kinds[control]["twin"] if kinds[control].get("twin") in table.index else language
        for control in table.index
        if kinds.get(control, {}).get("kind") == CONTROL
    }
    if not controls:
        return "Whether pretraining itself helped is not known: the study has no untrained backbone as control."
    control, trained = min(controls.items(), key=lambda pair: pair[1] != language)
    clear, words = _advantage(pairs, metric, trained, control)
    answer = {1: "helped", 0: "made no difference that shows", -1: "did harm"}[clear]
    return f"Pretraining {answer}: {trained} against {control}, whose backbone was never trained: {words}."


def _method(chosen, table, pairs):
    """How the models above were chosen, and what the intervals do not cover."""
    sentences = []
    sizes = {family: int((table["family"] == family).sum()) for family in chosen}
    if max(sizes.values(), default=1) > 1 and len(chosen) > 1:
        members = "; ".join(
            f"{family}: {model}" + (f", of {sizes[family]}" if sizes[family] > 1 else "")
            for family, model in chosen.items()
        )
        how = (
            "did best in validation"
            if table.loc[list(chosen.values()), "validation"].notna().all()
            else "is named first, as nothing was validated"
        )
        among = int(pairs.loc[pairs["question"] == "families", "among"].max())
        comparisons = f"{among} comparison{'s' if among > 1 else ''}"
        sentences.append(f"Each family sends the model that {how} ({members}); p is adjusted for {comparisons}.")
    if (table["seeds"] == 1).all():
        sentences.append("Each model was trained once a fold: the intervals do not cover how trainings vary.")
    return sentences
