"""What leaks do to a metric: the plain metric of the examples that are left."""

import made_up
import numpy as np
import pandas as pd
import pytest

from seqlm.evaluation.contest.leak_effects import leak_effects

CLASSES = ["ant", "bee", "cow"]


@pytest.mark.parametrize("target", ["track", "scalar", "class"])
def test_the_metric_without_leaks_is_that_of_the_other_examples(target):
    rng = np.random.default_rng(0)
    examples = made_up.example_table(rng, target)
    folds = made_up.fold_table(examples)
    cells = made_up.predictions(rng, examples, folds, target, models=["cnn", "gpt-full"], seeds=(1,))
    test = folds.loc[folds["part"] == "test", "id"].tolist()
    leaks = pd.DataFrame(
        {"fold": 0, "id": test[:3], "against": "training", "kind": ["identical", "similar", "similar"]}
    )
    metric = "accuracy" if target == "class" else "pearson"
    effects = leak_effects(leaks, ["training", "gpt"], examples, folds, lambda: iter(cells), target,
                           CLASSES if target == "class" else None, ["cnn"], metric)  # fmt: skip
    counts = effects[effects["kind"] != "any"].set_index("kind")["affected"].to_dict()
    assert counts == {"identical": 1, "similar": 2}
    row = effects[(effects["kind"] == "any") & (effects["against"] == "training")].iloc[0]
    assert (row["model"], row["affected"], row["tested"]) == ("cnn", 3, len(test))
    truth, given = examples.set_index("id")["target"], cells[0][3].set_index("id")["prediction"]
    for ids, value in ((test, row["value"]), (test[3:], row["without"])):
        y, p = truth.loc[ids].tolist(), given.loc[ids].tolist()
        if target == "class":
            plain = np.mean([CLASSES[int(np.argmax(one))] == own for own, one in zip(y, p, strict=True)])
        else:
            plain = np.corrcoef(np.hstack(y), np.hstack(p))[0, 1]
        assert value == pytest.approx(plain)
    assert effects.loc[effects["against"] == "gpt", "affected"].tolist() == [0]
