"""Draw the test performance by fold. Reads metrics.tsv and intervals.tsv."""

from seqlm.common.errors import one_line_errors
from seqlm.common.tables import read_table
from seqlm.report.figures.performance import draw_folds


def main(snakemake):
    outputs, params = [snakemake.output.png, snakemake.output.svg], snakemake.params
    with one_line_errors(snakemake.log[0] if snakemake.log else None):
        metrics, intervals = read_table(snakemake.input.metrics), read_table(snakemake.input.intervals)
        draw_folds(metrics, intervals, outputs, params.dataset, names=params.names)


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
