"""How often the verdict says that one family beats another when the two are equal, over made-up studies.

A model's prediction is the truth plus errors: those of the example and of its group that all models share, the model's
own on each example and group, and a level that differs between trainings. All are drawn alike for every model, so that
no family is better, and every "beats" or "loses" is wrong. Beside it the rule that the verdict does not use: the best
of each family by its test score, and an interval that is not adjusted.

    python benchmarks/verdict_simulation.py [--studies 200]
"""

import argparse
import sys
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow" / "scripts"))

from seqlm.evaluation.contest.comparison import compare
from seqlm.evaluation.words import LANGUAGE_FAMILY, NETWORK_FAMILY

# name -> members of the two families, folds (more than one: cross-validation), seeds, spread between trainings
STUDIES = {
    "one split, 5 against 3 models": {"members": (5, 3)},
    "one split, 8 against 1 models": {"members": (8, 1)},
    "five folds, 5 against 3 models": {"members": (5, 3), "folds": 5},
    "five folds, 8 against 1 models": {"members": (8, 1), "folds": 5},
    "one split, 3 trainings that differ": {"members": (3, 2), "seeds": 3, "spread": 0.05},
    "one split, 1 training, and trainings differ": {"members": (3, 2), "spread": 0.05},
}


def made_up_study(rng, members=(5, 3), folds=1, seeds=1, spread=0.0, examples=600, per_group=5):
    """Examples, folds, predictions and kinds of a study whose two families are equal."""
    n_groups = examples // per_group
    group = np.arange(examples) % n_groups
    table = pd.DataFrame({
        "id": [f"x{i}" for i in range(examples)], "target": rng.normal(size=examples),
        "group": [f"g{g}" for g in group],
    })  # fmt: skip
    shared = 0.5 * rng.normal(size=examples) + 0.5 * rng.normal(size=n_groups)[group]
    kinds = {
        f"{family} {i}": {"family": family, "kind": family, "twin": None}
        for family, count in zip((LANGUAGE_FAMILY, NETWORK_FAMILY), members, strict=True)
        for i in range(count)
    }
    place = (np.arange(n_groups) % 5)[group]  # fifths of the groups: one tested, the next validated
    parts = [np.where(place == k, "test", np.where(place == (k + 1) % 5, "validation", "train")) for k in range(folds)]
    folds_table = pd.concat([pd.DataFrame({"id": table["id"], "fold": k, "part": p}) for k, p in enumerate(parts)])
    # What a model gets wrong, it gets wrong in every fold and training.
    own = {m: 0.5 * rng.normal(size=examples) + 0.3 * rng.normal(size=n_groups)[group] for m in kinds}
    cells = []
    for model, fold, seed in product(kinds, range(folds), range(seeds)):
        level = np.exp(spread * rng.normal())
        value = table["target"] + level * (shared + own[model] + 0.3 * rng.normal(size=examples))
        frame = pd.DataFrame({"id": table["id"], "part": parts[fold], "prediction": value})
        cells.append((model, fold, seed, frame[frame["part"] != "train"]))
    return table, folds_table, cells, kinds


def called(study, seed, replicates=1000):
    """Whether the verdict, and whether the rule it does not use, tells the equal families of a study apart."""
    table, folds, cells, kinds = study
    intervals, pairs = compare(
        table, folds, cells, "scalar", metrics=["pearson"], kinds=kinds, replicates=replicates, seed=seed
    )
    verdict = (pairs.loc[pairs["question"] == "families", "better"] != "neither").item()
    best = intervals.sort_values("value").drop_duplicates("family", keep="last")["model"]
    naive = pairs[pairs["model_a"].isin(best) & pairs["model_b"].isin(best)].iloc[0]
    return verdict, bool(naive["low"] * naive["high"] > 0)


def rates(studies, replicates=1000, **settings):
    """Shares of made-up studies in which the verdict and the other rule find a difference."""
    found = [called(made_up_study(np.random.default_rng(s), **settings), s, replicates) for s in range(studies)]
    return np.mean(found, axis=0)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=200)
    arguments = parser.parse_args()
    print(f"share of {arguments.studies} studies with a difference that is not there: verdict; best by test score")
    for name, settings in STUDIES.items():
        verdict, naive = rates(arguments.studies, **settings)
        print(f"{name}: {verdict:.3f}; {naive:.3f}", flush=True)


if __name__ == "__main__":
    main()
