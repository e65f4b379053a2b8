"""Draw how well leave-one-out scores find known motifs. Reads loo.tsv."""

from seqlm.common.errors import one_line_errors
from seqlm.common.tables import read_table
from seqlm.report.figures.loo import draw_loo_precision


def main(snakemake):
    outputs, params = [snakemake.output.png, snakemake.output.svg], snakemake.params
    with one_line_errors(snakemake.log[0] if snakemake.log else None):
        draw_loo_precision(read_table(snakemake.input.loo), outputs, params.dataset, params.names)


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
