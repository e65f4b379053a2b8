"""Write what each fold leaves for spreadsheets: test_predictions.csv, rank_deltas.csv and results of each part as JSON.

Reads a dataset, the predictions and metrics of all its models, and their history.tsv and cost.json.
"""

import json
from pathlib import Path

from seqlm.common.errors import one_line_errors
from seqlm.common.files import atomic_folder
from seqlm.common.tables import read_table
from seqlm.datasets import load_dataset
from seqlm.report.fold_results import NO_HISTORY, write_fold_results


def main(snakemake):
    given, jobs = snakemake.input, snakemake.params.jobs
    with one_line_errors(snakemake.log[0] if snakemake.log else None):
        data = load_dataset(Path(given.examples).parent)
        trained = {Path(path).parts[-3:]: Path(path) for path in given.models}
        with atomic_folder(snakemake.output.folder) as folder:
            for (model, fold, seed), predictions, metrics in zip(jobs, given.predictions, given.metrics, strict=True):
                place = (model, f"fold{fold}", f"seed{seed}")
                bundle = trained.get(place)  # an ensemble has none
                history = read_table(bundle / "history.tsv", empty=True) if bundle else NO_HISTORY
                cost = json.loads((bundle / "cost.json").read_text()) if bundle else {}
                examples = data.part(fold, "test")
                write_fold_results(
                    folder.joinpath(*place), examples, read_table(predictions), read_table(metrics, empty=True),
                    history, cost, data.target, data.classes,
                )  # fmt: skip


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
