"""Leave-one-out scores of one shard of a new file by one model.

Reads sequences and a bundle; writes parquet.
"""

from seqlm.errors import one_line_errors
from seqlm.runtime import set_threads


def main(snakemake):
    with one_line_errors(snakemake.log[0] if snakemake.log else None):
        params, resources = snakemake.params, snakemake.resources
        set_threads(resources.torch_threads)
        from seqlm.streaming.command import score_file

        score_file(
            snakemake.input.model,
            snakemake.input.file,
            snakemake.output[0],
            genome=snakemake.input.get("genome") or None,
            format=params.format,
            reading=params.reading,
            shard=tuple(params.shard),
            device=resources.device,
            **params.loo,
        )


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
