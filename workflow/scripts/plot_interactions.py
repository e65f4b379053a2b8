"""Draw a model's interactions of two positions as heat maps. Reads its pairs.tsv."""

from seqlm.common.errors import one_line_errors
from seqlm.common.tables import read_table
from seqlm.report.figures.heat_maps.interactions import draw_interactions


def main(snakemake):
    outputs, params = [snakemake.output.png, snakemake.output.svg], snakemake.params
    with one_line_errors(snakemake.log[0] if snakemake.log else None):
        draw_interactions(read_table(snakemake.input.pairs, empty=True), outputs, params.dataset, params.model)


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
