"""Draw how long each pretraining took. Reads costs.tsv."""

from seqlm.common.errors import one_line_errors
from seqlm.common.tables import read_table
from seqlm.report.figures.language import draw_pretraining_time


def main(snakemake):
    outputs, params = [snakemake.output.png, snakemake.output.svg], snakemake.params
    with one_line_errors(snakemake.log[0] if snakemake.log else None):
        draw_pretraining_time(read_table(snakemake.input.costs), outputs, params.names)


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
