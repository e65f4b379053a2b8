"""Predict one shard of a new file: a row per sequence and model, the mean over the model's folds and seeds.

Reads sequences and bundles; writes parquet.
"""

from seqlm.errors import one_line_errors
from seqlm.runtime import gpu_slot, set_threads


def main(snakemake):
    gpus = getattr(snakemake.resources, "gpu", 0)
    with one_line_errors(snakemake.log[0] if snakemake.log else None), gpu_slot(gpus):
        params, resources = snakemake.params, snakemake.resources
        set_threads(resources.torch_threads)
        from seqlm.streaming.command import predict_file

        predict_file(
            dict(params.models),
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
            device=resources.device,
        )


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
