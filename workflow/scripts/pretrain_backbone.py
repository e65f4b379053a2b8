"""Pretrain a language model.

Reads a corpus and a tokenizer folder; writes a bundle, history.tsv, cost.json and bits_per_base.json.
"""

from seqlm.common.files import atomic_folder
from seqlm.common.runtime import network_job
from seqlm.training.checkpoints import beside, discard


def main(snakemake):
    with network_job(snakemake.resources, snakemake.log[0] if snakemake.log else None) as device:
        params, resources, folder = snakemake.params, snakemake.resources, snakemake.output.folder
        from seqlm.pretraining.pretrain import pretrain

        with atomic_folder(folder) as output:
            pretrain(
                snakemake.input.corpus, snakemake.input.tokenizer, params.backbone, output, name=params.name,
                seed=params.seed, precision=resources.precision, device=device,
                checkpoints=beside(folder), code=params.code, checkpoint_seconds=resources.checkpoint_seconds,
            )  # fmt: skip
        discard(beside(folder))


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
