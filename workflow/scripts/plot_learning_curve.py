"""Draw a dataset's test metric against the number of labels. Reads sizes.tsv."""

from seqlm.common.errors import one_line_errors
from seqlm.common.tables import read_table
from seqlm.report.figures.learning import draw_learning_curve


def main(snakemake):
    outputs, params = [snakemake.output.png, snakemake.output.svg], snakemake.params
    with one_line_errors(snakemake.log[0] if snakemake.log else None):
        draw_learning_curve(read_table(snakemake.input.sizes), outputs, params.dataset, names=params.names)


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
