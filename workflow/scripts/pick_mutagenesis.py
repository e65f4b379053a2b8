"""Pick what heat maps of saturation mutagenesis are drawn from. Reads the scores of all models of a dataset."""

from seqlm.common.errors import one_line_errors
from seqlm.common.tables import read_scores, write_arrays
from seqlm.explanation.mutagenesis import mutagenesis


def main(snakemake):
    with one_line_errors(snakemake.log[0] if snakemake.log else None):
        by_model = dict(zip(snakemake.params.models, map(read_scores, snakemake.input.arrays), strict=True))
        write_arrays(mutagenesis(by_model, snakemake.params.examples), snakemake.output.arrays)


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
