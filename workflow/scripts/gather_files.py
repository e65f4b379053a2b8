"""Join the shards of a file's predictions, in order."""

from seqlm.errors import one_line_errors
from seqlm.streaming.writing import gather


def main(snakemake):
    with one_line_errors(snakemake.log[0] if snakemake.log else None):
        gather(list(snakemake.input), snakemake.output[0])


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
