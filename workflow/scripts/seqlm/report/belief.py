"""Can scores be believed? One sentence a model, from the tables of their checks."""

import pandas as pd

from seqlm.evaluation.words import number

AGREE = 0.5  # mean rank correlation of two trainings, above which their scores tell the same story
OTHERS = {"seed": "another seed", "fold": "another fold"}


def beliefs(areas, agreement):
    """One sentence for each model.

    Parameters
    ----------
    areas, agreement : DataFrame
        As of `seqlm.explanation.dataset_checks`, of one dataset.

    Returns
    -------
    list of str
    """
    models = list(dict.fromkeys([*areas["model"], *agreement["model"]]))
    return [_sentence(m, areas[areas["model"] == m], agreement[agreement["model"] == m]) for m in models]


def _sentence(model, areas, agreement):
    good, bad = [], []
    for row in areas.itertuples():
        where = "in random order" if row.against == "random" else "in the order of k-mer importance"
        found = f"({number(row.difference)}, {number(row.low)} to {number(row.high)})"
        if row.low > 0:
            good.append(f"masking bases in their order lowers predictions more than {where} {found}")
        else:
            bad.append(f"masking bases in their order does not lower predictions more than {where} {found}")
    for row in agreement[agreement["kind"].isin(OTHERS)].itertuples():
        words = f"the model of {OTHERS[row.kind]} ranks bases {{}} (ρ = {number(row.mean)})"
        (good if row.mean >= AGREE else bad).append(words.format("alike" if row.mean >= AGREE else "otherwise"))
    for row in agreement[agreement["kind"] == "shuffled labels"].itertuples():
        if row.mean >= AGREE:
            bad.append(f"a model of shuffled labels ranks bases alike (ρ = {number(row.mean)})")
        else:
            good.append(f"a model of shuffled labels ranks them otherwise (ρ = {number(row.mean)})")
    if not good and not bad:
        return f"Whether the scores of {model} can be believed was not measured: it reads tokens, not bases."
    if not bad:
        return f"The scores of {model} can be believed as far as was checked: {'; '.join(good)}."
    start = f"The scores of {model} are to be taken with care: {'; '.join(bad)}"
    return start + (f"; but {'; '.join(good)}." if good else ".")


def checks_of(tables):
    """Areas and agreements out of a report's tables; None where nothing was checked."""
    areas, pairs = tables.get("areas"), tables.get("agreement")
    if areas is None or pairs is None or not len(areas) + len(pairs):
        return None
    return tuple(pd.DataFrame(columns=["model", "kind"]) if not len(own) else own for own in (areas, pairs))
