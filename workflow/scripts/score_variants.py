"""Score the variants of a VCF file by a language model (zero-shot) or a trained model.

In the workflow: one shard of a new file by one backbone. By itself: see ``python score_variants.py --help``.
"""

from seqlm.errors import one_line_errors
from seqlm.runtime import set_threads


def main(snakemake):
    with one_line_errors(snakemake.log[0] if snakemake.log else None):
        inputs, params, resources = snakemake.input, snakemake.params, snakemake.resources
        set_threads(resources.torch_threads)
        from seqlm.streaming.command import score_variant_file

        score_variant_file(
            inputs.backbone, inputs.file, snakemake.output[0], genome=inputs.genome, length=params.length,
            shard=tuple(params.shard), device=resources.device,
        )  # fmt: skip


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
elif __name__ == "__main__":
    from seqlm.streaming.command import variant_command

    variant_command()
