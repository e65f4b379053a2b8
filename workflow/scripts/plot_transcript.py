"""Draw leave-one-out scores along an mRNA. Reads the arrays of one transcript."""

from seqlm.common.errors import one_line_errors
from seqlm.common.tables import read_arrays
from seqlm.report.figures.transcript import draw_transcript


def main(snakemake):
    outputs, params = [snakemake.output.png, snakemake.output.svg], snakemake.params
    with one_line_errors(snakemake.log[0] if snakemake.log else None):
        draw_transcript(read_arrays(snakemake.input.arrays), outputs, params.names)


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
