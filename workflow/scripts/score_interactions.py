"""Score interactions of two positions in a dataset's top examples. Reads a model, and the scores of all models."""

from seqlm.common.runtime import network_job


def main(snakemake):
    with network_job(snakemake.resources, snakemake.log[0] if snakemake.log else None) as device:
        given, params = snakemake.input, snakemake.params
        from seqlm.common.tables import read_scores, write_table
        from seqlm.explanation.dataset_interactions import dataset_interactions

        by_model = dict(zip(params.models, map(read_scores, given.arrays), strict=True))
        names = params.dataset, params.model
        pairs = dataset_interactions(given.trained, by_model, names, params.settings, params.class_index, device)
        write_table(pairs, snakemake.output.pairs)


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
