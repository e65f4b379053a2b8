"""Compare models that were trained on fewer labels, size by size.

Reads predictions and the dataset; writes what compare_models writes, with columns size and labels.
"""

from pathlib import Path

from seqlm.common.errors import one_line_errors
from seqlm.common.tables import write_table
from seqlm.datasets import load_dataset
from seqlm.evaluation.contest.sizes import compare_sizes


def main(snakemake):
    with one_line_errors(snakemake.log[0] if snakemake.log else None):
        data, params = load_dataset(Path(snakemake.input.examples).parent), snakemake.params
        tables = compare_sizes(
            data,
            snakemake.input.predictions,
            params.sizes,
            replicates=params.replicates,
            seed=params.seed,
            kinds=params.kinds,
        )  # fmt: skip
        for table, path in zip(tables, (snakemake.output.intervals, snakemake.output.comparisons), strict=True):
            write_table(table, path)


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
