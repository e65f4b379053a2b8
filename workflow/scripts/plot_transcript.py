"""Draw leave-one-out scores along an mRNA. Reads the arrays of one transcript."""

from seqlm.errors import one_line_errors
from seqlm.figures.transcript import draw_transcript
from seqlm.tables import read_arrays


def main(snakemake):
    outputs, params = [snakemake.output.png, snakemake.output.svg], snakemake.params
    with one_line_errors(snakemake.log[0] if snakemake.log else None):
        draw_transcript(read_arrays(snakemake.input.arrays), outputs, params.names)


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
