"""Predict with a trained model.

In the workflow: the examples of a fold's validation and test parts, with metrics and cost. By itself: any FASTA, table,
BED with genome or VCF with genome, streamed to parquet or CSV; see ``python predict_targets.py --help``.
"""

from pathlib import Path

from seqlm.common.runtime import network_job
from seqlm.common.tables import write_table


def main(snakemake):
    with network_job(snakemake.resources, snakemake.log[0] if snakemake.log else None) as device:
        inputs, outputs, params = snakemake.input, snakemake.output, snakemake.params
        from seqlm.common.tables import write_json, write_parquet
        from seqlm.inference.dataset_predictions import predict_dataset

        dataset = Path(inputs.examples).parent
        table, metrics, cost = predict_dataset(inputs.model, dataset, params.fold, params.parts, device)
        place = {"dataset": params.dataset_name, "model": params.model_name, "fold": params.fold, "seed": params.seed}
        metrics = metrics.assign(**place)[[*place, "part", "metric", "value"]]
        write_parquet(table, outputs.predictions)
        write_table(metrics, outputs.metrics)
        write_json(cost, outputs.cost)


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
elif __name__ == "__main__":
    from seqlm.streaming.command import predict_command

    predict_command()
