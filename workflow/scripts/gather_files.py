"""Join the shards of a file's predictions or scores, in order: as parquet, CSV or both."""

from seqlm.common.errors import one_line_errors
from seqlm.streaming.writing import gather


def main(snakemake):
    with one_line_errors(snakemake.log[0] if snakemake.log else None):
        for output in snakemake.output:
            gather(list(snakemake.input), output)


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
