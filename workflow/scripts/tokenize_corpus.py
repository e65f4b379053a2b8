"""Tokenize a corpus. Reads: sources (FASTA), a tokenizer's folder. Writes: a corpus folder of token ids."""

from seqlm.common.errors import one_line_errors
from seqlm.pretraining.corpus import tokenize_corpus


def main(snakemake):
    with one_line_errors(snakemake.log[0] if snakemake.log else None):
        tokenize_corpus(
            list(snakemake.input.sources),
            snakemake.input.tokenizer,
            snakemake.output.folder,
            validation=snakemake.params.validation,
        )


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
