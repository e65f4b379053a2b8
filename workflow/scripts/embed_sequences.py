"""Embed the examples of a dataset. Reads examples.parquet and a backbone or model; writes id and embedding (.npz)."""

import pandas as pd

from seqlm.errors import one_line_errors
from seqlm.projection import write_embeddings
from seqlm.runtime import gpu_slot, set_threads


def main(snakemake):
    gpus = getattr(snakemake.resources, "gpu", 0)
    with one_line_errors(snakemake.log[0] if snakemake.log else None), gpu_slot(gpus):
        from seqlm.embedding import embed

        set_threads(snakemake.resources.torch_threads)
        examples = pd.read_parquet(snakemake.input.examples)
        if "training_only" in examples:
            examples = examples[~examples["training_only"]]
        options = dict(snakemake.params.embedding)  # pooling, layer, precision
        device = snakemake.resources.device
        found = embed(snakemake.input.model, examples["sequence"].tolist(), device=device, verbose=True, **options)
        write_embeddings(snakemake.output.embeddings, examples["id"], found)


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
