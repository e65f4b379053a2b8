"""Leave-one-out scores of one shard of a new file by one model.

Reads sequences and a bundle; writes parquet.
"""

from seqlm.common.runtime import network_job


def main(snakemake):
    with network_job(snakemake.resources, snakemake.log[0] if snakemake.log else None) as device:
        params = snakemake.params
        from seqlm.streaming.files import score_file

        score_file(
            snakemake.input.model,
            snakemake.input.file,
            snakemake.output[0],
            genome=snakemake.input.get("genome") or None,
            format=params.format,
            reading=params.reading,
            shard=tuple(params.shard),
            device=device,
            **params.loo,
        )


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
