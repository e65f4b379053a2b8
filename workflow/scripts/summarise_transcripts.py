"""Summarise leave-one-out scores of mRNAs by region, and take one transcript for the figure along it.

Reads the tables of scores of all models of a dataset.
"""

from seqlm.attribution.transcript_scores import region_means, transcript_arrays
from seqlm.common.errors import one_line_errors
from seqlm.common.tables import read_table, write_arrays, write_table


def main(snakemake):
    params = snakemake.params
    with one_line_errors(snakemake.log[0] if snakemake.log else None):
        paths = dict(zip(params.models, snakemake.input.tables, strict=True))
        scores = {model: read_table(path, empty=True) for model, path in paths.items()}
        write_table(region_means(scores, params.dataset), snakemake.output.regions)
        write_arrays(transcript_arrays(scores), snakemake.output.arrays)


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
