"""Score every base by leaving it out.

In the workflow: test examples of a dataset. By itself: any FASTA or table; see ``python score_loo.py --help``.
"""

from pathlib import Path

from seqlm.common.runtime import network_job
from seqlm.common.tables import write_arrays


def main(snakemake):
    with network_job(snakemake.resources, snakemake.log[0] if snakemake.log else None) as device:
        inputs, outputs, params = snakemake.input, snakemake.output, snakemake.params
        from seqlm.attribution.dataset_scores import score_dataset
        from seqlm.common.tables import write_json, write_parquet

        dataset = Path(inputs.examples).parent
        table, arrays, cost = score_dataset(
            inputs.model, dataset, params.fold, device=device, shard=tuple(params.shard), **params.loo
        )
        write_parquet(table, outputs.table)
        write_arrays(arrays, outputs.arrays)
        write_json(cost, outputs.cost)


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
elif __name__ == "__main__":
    from seqlm.streaming.command import score_command

    score_command()
