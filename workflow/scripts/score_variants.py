"""Score the variants of a VCF file by a language model (zero-shot) or a trained model.

In the workflow: one shard of a new file by one backbone. By itself: see ``python score_variants.py --help``.
"""

from seqlm.common.runtime import network_job


def main(snakemake):
    with network_job(snakemake.resources, snakemake.log[0] if snakemake.log else None) as device:
        inputs, params = snakemake.input, snakemake.params
        from seqlm.streaming.files import score_variant_file

        score_variant_file(
            inputs.backbone, inputs.file, snakemake.output[0], genome=inputs.genome, length=params.length,
            shard=tuple(params.shard), device=device,
        )  # fmt: skip


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
elif __name__ == "__main__":
    from seqlm.streaming.command import variant_command

    variant_command()
