"""Join several models' predictions of one fold and seed into those of an ensemble.

Reads the members' predictions and the dataset; writes predictions, metrics and costs as of any model.
"""

from pathlib import Path

import numpy as np

from seqlm.common.costs import CostLog
from seqlm.common.errors import one_line_errors
from seqlm.common.tables import read_table, write_json, write_parquet, write_table
from seqlm.datasets import load_dataset
from seqlm.evaluation.part_metrics import part_metrics
from seqlm.inference.dataset_predictions import prediction_table
from seqlm.inference.ensemble import combine


def main(snakemake):
    given, out, params = snakemake.input, snakemake.output, snakemake.params
    with one_line_errors(snakemake.log[0] if snakemake.log else None), CostLog("predict") as cost:
        data = load_dataset(Path(given.examples).parent)
        members = [read_table(path, ["id", "part", "prediction"]) for path in given.members]
        labels = data.examples.set_index("id")["target"]
        table, weight = combine(members, labels, params.weights, data.target)
        metrics = part_metrics(table, labels, data.target, data.classes)
        cost.add(samples=len(table))
    place = {"dataset": params.dataset_name, "model": params.model_name, "fold": params.fold, "seed": params.seed}
    metrics = metrics.assign(**place)[[*place, "part", "metric", "value"]]
    prediction = np.stack(table["prediction"])
    written = prediction_table(table["id"], prediction, data.target, data.classes, {"part": table["part"]})
    write_parquet(written, out.predictions)
    write_table(metrics, out.metrics)
    write_json({**cost.totals(), "weights": weight.tolist()}, out.cost)


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
