"""Draw a model's saturation mutagenesis as heat maps. Reads mutagenesis.npz."""

from seqlm.common.errors import one_line_errors
from seqlm.common.tables import read_arrays
from seqlm.report.figures.heat_maps.mutagenesis import draw_mutagenesis


def main(snakemake):
    outputs, params = [snakemake.output.png, snakemake.output.svg], snakemake.params
    with one_line_errors(snakemake.log[0] if snakemake.log else None):
        draw_mutagenesis(read_arrays(snakemake.input.arrays), outputs, params.dataset, params.model, params.names)


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
