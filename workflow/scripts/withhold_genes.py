"""Leave genes out of a pretraining corpus. Reads a FASTA source, examples and folds; writes the remaining records."""

from pathlib import Path

from seqlm.common.errors import one_line_errors
from seqlm.datasets import load_dataset
from seqlm.datasets.separation.withholding import withhold


def main(snakemake):
    with one_line_errors(snakemake.log[0] if snakemake.log else None):
        dataset = load_dataset(Path(snakemake.input.examples).parent)
        withhold(snakemake.input.source, dataset, snakemake.output.fasta)


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
