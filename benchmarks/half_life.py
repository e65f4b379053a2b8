"""RNA stability from sequence on one's own CPU: linear model, Saluki, and their ensemble, on the same folds.

python benchmarks/half_life.py half_life human_mrna.tsv.gz --out results/half_life   (mRNAs: CDS bounds, junctions)
python benchmarks/half_life.py mpra siegel_3utr.tsv.gz --out results/mpra            (plain 3'UTR fragments)

The same as a study of these settings, without the workflow around it. Interrupt it at any time, or give --minutes, and
start it again: finished models are kept and a training continues where it was.
"""

import argparse
import itertools
import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "workflow" / "scripts"))

import pandas as pd  # noqa: E402

# A thousand genes are few: small batches give enough steps, dropout would slow the network's learning, and the rate
# has to fall to the end for running statistics of the batch norms to catch up.
SALUKI = {"learning_rate": 1e-3, "clip": 0.5, "schedule": "cosine", "warmup": 50, "patience": 30}
TASKS = {
    "half_life": {
        "dataset": {
            "target": "scalar",
            "transcripts": {
                "source": "table",
                "id": "refseq",
                "gene": "gene",
                "junctions": "junctions",
                "label": "halflife_pc1",
                "problems": "error",
            },
        },
        "folds": {"scheme": "kfold", "k": 5, "validation": 10},
        "models": {
            "linear": ({"network": "linear"}, {}),
            "saluki": (
                {"network": "saluki", "length": 13184, "memory": 64, "dropout": 0.0},  # fits the longest mRNA
                SALUKI | {"epochs": 12, "batch_size": 16, "weight_decay": 0.05},
            ),
        },
    },
    "mpra": {
        "dataset": {
            "target": "scalar",
            "table": {"source": "table", "label": "beas2b", "missing": "drop"},
        },
        "folds": {"scheme": "kfold", "k": 5, "validation": 10, "group": "cluster"},
        "models": {
            "kmer": ({"network": "kmer"}, {}),
            "saluki": (
                {"network": "saluki", "length": 176, "blocks": 3, "dropout": 0.1},
                SALUKI | {"epochs": 10, "batch_size": 64, "weight_decay": 1e-3},
            ),
        },
    },
}


def prepare(task, table, out):
    """Examples and folds, made once."""
    from seqlm.datasets import build_dataset, load_dataset, write_dataset, write_folds
    from seqlm.datasets.separation.folds import make_folds

    folder = out / "dataset"
    if not (folder / "folds.tsv").exists():
        examples, summary = build_dataset("rna", task["dataset"], {"table": table})
        write_dataset(folder, examples, summary)
        write_folds(folder / "folds.tsv", make_folds(examples, **task["folds"]))
    return folder, load_dataset(folder)


def train(folder, fold, name, model, training, seed, out):
    """One model's predictions on validation and test, trained first where they are not there yet."""
    from seqlm.common.files import atomic_folder
    from seqlm.common.tables import write_parquet
    from seqlm.inference.dataset_predictions import predict_dataset
    from seqlm.training.checkpoints import beside, discard
    from seqlm.training.fitting import fit_dataset_model

    place = out / "models" / name / f"fold{fold}" / f"seed{seed}"
    path = out / "predictions" / name / f"fold{fold}" / f"seed{seed}.parquet"
    if not (place / "config.json").exists():
        with atomic_folder(place) as output:
            fit_dataset_model(
                folder, fold, model, training, seed, output, names=("rna", name), checkpoints=beside(place)
            )
        discard(beside(place))
    if not path.exists():
        table, metrics, _ = predict_dataset(place, folder, fold)
        write_parquet(table, path)
        test = metrics[(metrics["part"] == "test") & (metrics["metric"] == "pearson")]
        print(f"{name}, fold {fold}, seed {seed}: test r = {test['value'].iloc[0]:.3f}", flush=True)
    return pd.read_parquet(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", choices=TASKS)
    parser.add_argument("table", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--minutes", type=float, default=1e9, help="start no further model after this time")
    parser.add_argument(
        "--training", type=json.loads, default={}, help="settings that replace those of Saluki, as JSON"
    )
    parser.add_argument("--model", type=json.loads, default={}, help="options that replace those of Saluki, as JSON")
    options = parser.parse_args()
    from seqlm.common.runtime import set_threads

    set_threads(options.threads)
    task, start = TASKS[options.task], time.time()
    folder, data = prepare(task, options.table, options.out)
    predictions = []
    for (name, (model, training)), seed, fold in itertools.product(
        task["models"].items(), options.seeds, data.fold_numbers
    ):
        if name == "saluki":
            model, training = model | options.model, training | options.training
        elif seed != options.seeds[0]:
            continue  # solved, not trained: every seed gives the same
        if time.time() - start > 60 * options.minutes:
            print("stopped: start again to continue")
            return
        predictions.append((name, fold, seed, train(folder, fold, name, model, training, seed, options.out)))
    report(data, predictions, task, options.out)


def report(data, predictions, task, out):
    """Intervals of every model, of Saluki averaged over its seeds, and of the ensemble with the first model."""
    from seqlm.evaluation.contest.comparison import compare
    from seqlm.inference.ensemble import combine

    labels = data.examples.set_index("id")["target"]
    baseline = next(iter(task["models"]))
    joined = []
    for fold in data.fold_numbers:
        members = [table for name, at, _, table in predictions if name == "saluki" and at == fold]
        mean, _ = combine(members, labels, "equal")
        solved = next(table for name, at, _, table in predictions if name == baseline and at == fold)
        both, weight = combine([solved, mean], labels)
        print(f"fold {fold}: weights {baseline} {weight[0]:.2f}, saluki {weight[1]:.2f}")
        joined += [("saluki (mean of seeds)", fold, 0, mean), ("ensemble", fold, 0, both)]
    intervals, pairs = compare(data.examples, data.folds, [*predictions, *joined], "scalar")
    intervals.to_csv(out / "intervals.tsv", sep="\t", index=False)
    pairs.to_csv(out / "comparisons.tsv", sep="\t", index=False)
    columns = ["metric", "model", "value", "low", "high", "pooled", "pooled_low", "pooled_high", "folds", "seeds"]
    print(intervals[columns].round(3).to_string(index=False))


if __name__ == "__main__":
    main()
