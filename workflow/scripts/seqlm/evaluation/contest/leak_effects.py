"""How many test examples are like something that was trained on, and what the metric is without them."""

import numpy as np
import pandas as pd

from seqlm.evaluation.contest.comparison import compare

EFFECT_COLUMNS = ["against", "kind", "affected", "tested", "metric", "model", "value", "without"]


def leak_effects(leaks, compared, examples, folds, predictions, target, classes, models, metric):
    """Counts by kind, and the metric of some models on all test examples and without the affected ones.

    Parameters
    ----------
    leaks : DataFrame
        fold, id, against, kind (see `seqlm.datasets.separation.leakage`).
    compared : list of str
        All that test examples were compared with ("training", backbones), found to be alike or not.
    examples, folds, target, classes : as for `seqlm.evaluation.contest.comparison.compare`
    predictions : function
        Without arguments; gives the iterable of (model, fold, seed, DataFrame) anew each time.
    models : list of str
        Whose metric is told.
    metric : str

    Returns
    -------
    DataFrame
        against, kind, affected (test examples, summed over folds), tested, metric, model, value, without (nan where a
        fold has nothing left). Rows of kind "any" have a model each where any example is affected; others have none.
    """
    tested = folds[folds["part"] == "test"]
    rows = []
    for against in compared:
        own = leaks[leaks["against"] == against]
        common = {"against": against, "tested": len(tested), "metric": metric}
        rows += [common | {"kind": kind, "affected": count} for kind, count in own["kind"].value_counts().items()]
        total = common | {"kind": "any", "affected": len(own)}
        if not len(own):
            rows.append(total)
            continue
        values = _values(examples, folds, predictions, target, classes, models, metric)
        affected = examples["id"].isin(own["id"])
        rest = examples.assign(target=examples["target"].astype(object).mask(affected, None))
        if target == "scalar":
            rest["target"] = rest["target"].astype(float)
        without = dict.fromkeys(models, np.nan)
        if not tested.assign(left=~tested["id"].isin(own["id"])).groupby("fold")["left"].sum().eq(0).any():
            without = _values(rest, folds, predictions, target, classes, models, metric)
        rows += [total | {"model": model, "value": values[model], "without": without[model]} for model in models]
    return pd.DataFrame(rows, columns=EFFECT_COLUMNS)


def _values(examples, folds, predictions, target, classes, models, metric):
    given = (cell for cell in predictions() if cell[0] in models)
    table, _ = compare(examples, folds, given, target, classes, metrics=[metric], replicates=2)
    return table.set_index("model")["value"].to_dict()
