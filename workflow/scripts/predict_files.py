"""Predict one shard of a new file: a row per sequence and model, the mean over the model's folds and seeds.

Reads sequences and bundles; writes parquet.
"""

from itertools import islice

from seqlm.common.runtime import network_job


def main(snakemake):
    with network_job(snakemake.resources, snakemake.log[0] if snakemake.log else None) as device:
        params = snakemake.params
        from seqlm.streaming.files import predict_file

        bundles = iter(snakemake.input.models)
        predict_file(
            {name: list(islice(bundles, count)) for name, count in params.models.items()},
            snakemake.input.file,
            snakemake.output[0],
            genome=snakemake.input.get("genome") or None,
            length=params.length,
            format=params.format,
            reading=params.reading,
            reverse_complement=params.reverse_complement,
            level=params.level,
            cleaning=params.cleaning,
            shard=tuple(params.shard),
            device=device,
        )


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
