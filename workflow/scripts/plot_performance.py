"""Draw the test performance of a dataset's models. Reads intervals.tsv and metrics.tsv."""

from seqlm.common.errors import one_line_errors
from seqlm.common.tables import read_table
from seqlm.report.figures.performance import draw_performance


def main(snakemake):
    outputs, params = [snakemake.output.png, snakemake.output.svg], snakemake.params
    with one_line_errors(snakemake.log[0] if snakemake.log else None):
        intervals, metrics = read_table(snakemake.input.intervals), read_table(snakemake.input.metrics)
        draw_performance(intervals, metrics, outputs, params.dataset, params.get("metric"), params.names)


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
