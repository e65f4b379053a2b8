"""Learn a tokenizer. Reads: sources (FASTA). Writes: a folder with tokenizer.json."""

from seqlm.common.errors import one_line_errors
from seqlm.tokenization import learn_tokenizer, save_tokenizer


def main(snakemake):
    with one_line_errors(snakemake.log[0] if snakemake.log else None):
        options = dict(snakemake.params.tokenizer)
        tokenizer = learn_tokenizer(options.pop("kind"), paths=list(snakemake.input.sources), **options)
        save_tokenizer(tokenizer, snakemake.output.folder)


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
