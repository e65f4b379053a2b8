"""Draw the differences between a dataset's models. Reads comparisons.tsv."""

from seqlm.common.errors import one_line_errors
from seqlm.common.tables import read_table
from seqlm.report.figures.performance import draw_differences


def main(snakemake):
    outputs, params = [snakemake.output.png, snakemake.output.svg], snakemake.params
    with one_line_errors(snakemake.log[0] if snakemake.log else None):
        comparisons = read_table(snakemake.input.comparisons)
        draw_differences(comparisons, outputs, params.dataset, params.get("metric"))


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
