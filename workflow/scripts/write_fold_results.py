"""Write what one fold leaves for spreadsheets: test_predictions.csv, rank_deltas.csv and results of each part as JSON.

Reads the dataset, a trained model's history.tsv and cost.json, and its predictions and metrics.
"""

import json
from pathlib import Path

from seqlm.datasets import load_dataset
from seqlm.errors import one_line_errors
from seqlm.files import atomic_folder
from seqlm.fold_results import write_fold_results
from seqlm.tables import read_table


def main(snakemake):
    given, model = snakemake.input, Path(snakemake.input.model)
    with one_line_errors(snakemake.log[0] if snakemake.log else None):
        data = load_dataset(Path(given.examples).parent)
        history, cost = read_table(model / "history.tsv", empty=True), json.loads((model / "cost.json").read_text())
        with atomic_folder(snakemake.output.folder) as folder:
            write_fold_results(
                folder, data.part(snakemake.params.fold, "test"), read_table(given.predictions),
                read_table(given.metrics, empty=True), history, cost, data.classes,
            )  # fmt: skip


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
