"""AUROC of every model of a two-class study on its first fold's test part, and differences to one of them.

    python benchmarks/auroc.py results/rbp_cpu pum2 --against kmer

95% bootstrap intervals over test examples, paired for differences; predictions are averaged over seeds.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path)
    parser.add_argument("dataset")
    parser.add_argument("--against", required=True, help="model that the others are compared with")
    parser.add_argument("--replicates", type=int, default=1000)
    given = parser.parse_args()
    examples = pd.read_parquet(given.results / "datasets" / given.dataset / "examples.parquet").set_index("id")
    folds = pd.read_csv(given.results / "datasets" / given.dataset / "folds.tsv", sep="\t", dtype={"id": str})
    test = folds.loc[(folds["fold"] == 0) & (folds["part"] == "test"), "id"]
    y = examples.loc[test, "target"].to_numpy()
    y = y == sorted(set(y))[1]
    scores = {}
    for folder in sorted((given.results / "predictions" / given.dataset).glob("*/fold0")):
        tables = [pd.read_parquet(path).set_index("id").loc[test, "prediction"] for path in folder.glob("*.parquet")]
        scores[folder.parent.name] = np.mean([np.stack(table)[:, 1] for table in tables], axis=0)
    rng = np.random.default_rng(1)
    drawn = [rng.integers(0, len(y), len(y)) for _ in range(given.replicates)]
    found = {model: np.array([roc_auc_score(y[i], score[i]) for i in drawn]) for model, score in scores.items()}
    for model, score in scores.items():
        low, high = np.percentile(found[model], [2.5, 97.5])
        less, more = np.percentile(found[model] - found[given.against], [2.5, 97.5])
        minus = roc_auc_score(y, score) - roc_auc_score(y, scores[given.against])
        own = f"{model:12} {roc_auc_score(y, score):.4f} ({low:.4f} to {high:.4f})"
        print(f"{own}  minus {given.against} {minus:+.4f} ({less:+.4f} to {more:+.4f})")


if __name__ == "__main__":
    main()
