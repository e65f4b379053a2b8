"""Draw mean leave-one-out scores by region. Reads a table with dataset, model, region, mean, low, high."""

from seqlm.common.errors import one_line_errors
from seqlm.common.tables import read_table
from seqlm.report.figures.loo import draw_regions


def main(snakemake):
    outputs, params = [snakemake.output.png, snakemake.output.svg], snakemake.params
    with one_line_errors(snakemake.log[0] if snakemake.log else None):
        draw_regions(read_table(snakemake.input.regions, empty=True), outputs, params.dataset, params.names)


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
