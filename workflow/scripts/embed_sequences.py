"""Embed the examples of a dataset. Reads examples.parquet and a backbone or model; writes id and embedding (.npz)."""

import pandas as pd

from seqlm.common.runtime import network_job
from seqlm.inference.projection import write_embeddings


def main(snakemake):
    with network_job(snakemake.resources, snakemake.log[0] if snakemake.log else None) as device:
        from seqlm.inference.embedding import embed

        examples = pd.read_parquet(snakemake.input.examples)
        if "training_only" in examples:
            examples = examples[~examples["training_only"]]
        options = dict(snakemake.params.embedding)  # pooling, layer, precision
        found = embed(snakemake.input.model, examples["sequence"].tolist(), device=device, verbose=True, **options)
        write_embeddings(snakemake.output.embeddings, examples["id"], found)


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
