"""Compare all models of a dataset by a paired bootstrap; each family's best in validation stands for it.

Reads the predictions of every model, fold and seed, the dataset, and which test examples are like trained ones. Writes
comparisons, intervals and what leaks change (TSV), and the small arrays that figures of predictions are drawn from.
"""

from pathlib import Path

from seqlm.common.errors import one_line_errors
from seqlm.common.tables import read_predictions, read_table, write_arrays, write_table
from seqlm.datasets import load_dataset
from seqlm.evaluation.contest.comparison import compare
from seqlm.evaluation.contest.leak_effects import leak_effects
from seqlm.report.figure_arrays import prediction_arrays


def main(snakemake):
    with one_line_errors(snakemake.log[0] if snakemake.log else None):
        data = load_dataset(Path(snakemake.input.examples).parent)
        name, target, classes = (data.summary.get(key) for key in ("dataset", "target", "classes"))
        common = {"target": target, "classes": classes}
        intervals, comparisons = compare(
            data.examples, data.folds, read_predictions(snakemake.input.predictions), **common,
            replicates=snakemake.params.replicates, seed=snakemake.params.seed, where=f"comparison of {name}",
            kinds=snakemake.params.kinds,
        )  # fmt: skip
        intervals.insert(0, "dataset", name)
        comparisons.insert(0, "dataset", name)
        write_table(intervals, snakemake.output.intervals)
        write_table(comparisons, snakemake.output.comparisons)
        effects = leak_effects(
            read_table(snakemake.input.leaks, empty=True), snakemake.params.leaks_against, data.examples, data.folds,
            lambda: read_predictions(snakemake.input.predictions), **common,
            models=list(intervals.loc[intervals["representative"], "model"].unique()),
            metric=intervals["metric"].iloc[0],
        )  # fmt: skip
        effects.insert(0, "dataset", name)
        write_table(effects, snakemake.output.leakage)
        predictions = read_predictions(snakemake.input.predictions)
        write_arrays(prediction_arrays(data.examples, data.folds, predictions, **common), snakemake.output.arrays)


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
