"""Draw leave-one-out logos around known motifs. Reads loo_examples.npz and the motif's matrix."""

from seqlm.common.errors import one_line_errors
from seqlm.common.tables import read_arrays
from seqlm.report.figures.loo import draw_loo


def main(snakemake):
    outputs, params = [snakemake.output.png, snakemake.output.svg], snakemake.params
    with one_line_errors(snakemake.log[0] if snakemake.log else None):
        examples = read_arrays(snakemake.input.examples)
        draw_loo(examples, outputs, params.dataset, snakemake.input.get("motif"), params.names)


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
