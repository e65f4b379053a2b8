"""Make the examples of a dataset.

Reads the sources; writes examples.parquet (id, sequence, target, group, weight, coordinates) and summary.json.
"""

from pathlib import Path

from seqlm.common.errors import one_line_errors
from seqlm.datasets import build_dataset, write_dataset


def main(snakemake):
    sources = dict(zip(snakemake.params.sources, snakemake.input.sources, strict=True))
    with one_line_errors(snakemake.log[0] if snakemake.log else None):
        examples, summary = build_dataset(
            snakemake.params.name, snakemake.params.dataset, sources, snakemake.params.seed
        )
        write_dataset(Path(snakemake.output.examples).parent, examples, summary)


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
