"""Write the training sequences of a dataset as a FASTA file to pretrain on. Reads examples and folds."""

from pathlib import Path

from seqlm.common.errors import one_line_errors
from seqlm.datasets import load_dataset
from seqlm.datasets.separation.withholding import training_text


def main(snakemake):
    with one_line_errors(snakemake.log[0] if snakemake.log else None):
        training_text(load_dataset(Path(snakemake.input.examples).parent), snakemake.output.fasta)


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
