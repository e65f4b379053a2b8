"""Who is tested against whom: one representative a family, chosen by validation, and p values adjusted for that.

To pick a family's best by its test score and then to test it on the same score favours the larger family. So the
pick is made on the validation part, and only the picked models meet on the test part.
"""

import numpy as np

from seqlm.evaluation.metrics import LOWER_IS_BETTER
from seqlm.evaluation.words import CONTROL, LANGUAGE_FAMILY, RIVALS

ALPHA = 0.05  # below it an adjusted p value counts as a difference


def representatives(validation, kinds, metric):
    """The model that stands for each family.

    Parameters
    ----------
    validation : Series
        Model -> its metric on the validation part, mean over folds and seeds; in the order of the study.
    kinds : dict
        Model -> {"family": ...}; a model whose family is none of `RIVALS` (a control, an ensemble) is never chosen.
    metric : str
        Whether more or less is better.

    Returns
    -------
    dict
        Family -> model, in the order of `RIVALS`. Of equals, and where nothing was validated, the first.
    """
    sign = -1 if metric in LOWER_IS_BETTER else 1
    chosen = {}
    for family in RIVALS:
        members = [model for model in validation.index if kinds[model].get("family") == family]
        if members:
            values = [sign * validation[model] for model in members]
            chosen[family] = members[int(np.argmax([value if np.isfinite(value) else -np.inf for value in values]))]
    return chosen


def questions(models, kinds, chosen):
    """What each pair of models is compared for.

    Parameters
    ----------
    models : list of str
    kinds : dict
        Model -> {"family", "kind", "twin"}.
    chosen : dict
        As `representatives` returns it.

    Returns
    -------
    dict
        (a, b) -> "families" (the representatives of two families), "pretraining" (a control and the language model that
        it is the control of; where the study lacks that one, the language models' representative), or "other".
    """
    asked = {}
    controls = {}
    for control in models:
        if kinds[control].get("kind") == CONTROL:
            twin = kinds[control].get("twin")
            controls[control] = twin if twin in models else chosen.get(LANGUAGE_FAMILY)
    for i, a in enumerate(models):
        for b in models[i + 1 :]:
            if {a, b} <= set(chosen.values()):
                asked[a, b] = "families"
            elif controls.get(a) == b or controls.get(b) == a:
                asked[a, b] = "pretraining"
            else:
                asked[a, b] = "other"
    return asked


def adjusted(rows, family_of, seen=False):
    """P values of one metric's pairs, adjusted by Holm's method for the pairs that ask the same question.

    Parameters
    ----------
    rows : list of dict
        Pairs with model_a, model_b, question, p_value.
    family_of : dict
        Model -> family.
    seen : bool
        Whether examples that representatives were chosen on are tested as well (in another fold of a
        cross-validation). The choice is then paid for: a contest is adjusted for all pairs across families.

    Returns
    -------
    list of (float, int)
        The adjusted p value of each pair and how many pairs it is adjusted for. A pair of question "other" is adjusted
        for all pairs.
    """

    def across(row):
        families = {family_of.get(row["model_a"]), family_of.get(row["model_b"])}
        return len(families) == 2 and families <= set(RIVALS)

    out = [None] * len(rows)
    for question in ("families", "pretraining", "other"):
        asking = [
            question == "other" or row["question"] == question or (question == "families" and seen and across(row))
            for row in rows
        ]
        place = np.flatnonzero(asking)
        for i, p in zip(place, holm([rows[i]["p_value"] for i in place]), strict=True):
            if rows[i]["question"] == question:
                out[i] = float(p), len(place)
    return out


def holm(p_values):
    """Holm's step-down adjustment of p values: array of the same order."""
    p_values = np.asarray(p_values, float)
    order = np.argsort(p_values)
    result = np.empty(len(p_values))
    result[order] = np.minimum(1, np.maximum.accumulate(p_values[order] * np.arange(len(p_values), 0, -1)))
    return result


def pair_of(pairs, a, b):
    """The row of a pair of models in a table of comparisons, turned so that its difference is a - b."""
    row = pairs[(pairs["model_a"] == a) & (pairs["model_b"] == b)]
    if len(row):
        return row.iloc[0]
    row = pairs[(pairs["model_a"] == b) & (pairs["model_b"] == a)].iloc[0].copy()
    row["a"], row["b"], row["difference"] = row["b"], row["a"], -row["difference"]
    row["low"], row["high"] = -row["high"], -row["low"]
    return row


def winner(row, metric):
    """1 where a row's first model is better by its adjusted p value, -1 where the second is, else 0."""
    if not row["p_holm"] < ALPHA:
        return 0
    return 1 if (row["difference"] > 0) != (metric in LOWER_IS_BETTER) else -1
