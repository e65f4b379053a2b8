"""Draw confusion matrices. Reads the arrays of a dataset's tested examples."""

from seqlm.common.errors import one_line_errors
from seqlm.common.tables import read_arrays
from seqlm.report.figures.classes import draw_confusion


def main(snakemake):
    outputs, params = [snakemake.output.png, snakemake.output.svg], snakemake.params
    with one_line_errors(snakemake.log[0] if snakemake.log else None):
        draw_confusion(read_arrays(snakemake.input.arrays), outputs, params.dataset, params.names)


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
