"""Collect the tidy tables of a study from the files of its jobs, and check that the full grid is there exactly once.

Reads the folders of models and backbones (history.tsv, cost.json, bits_per_base.json), metrics and costs of
predictions, leave-one-out arrays, comparisons with their arrays of test examples, and datasets. Writes the tables, and
arrays of the windows that the leave-one-out figures draw.
"""

from pathlib import Path

from seqlm.common import tables
from seqlm.common.errors import one_line_errors
from seqlm.evaluation.contest.comparison import INTERVAL_COLUMNS, PAIR_COLUMNS
from seqlm.evaluation.contest.leak_effects import EFFECT_COLUMNS
from seqlm.report import collecting
from seqlm.report.class_tables import class_tables
from seqlm.report.figure_arrays import loo_examples


def main(snakemake):
    given, out, params = snakemake.input, snakemake.output, snakemake.params
    folders = [Path(folder) for folder in [*given.get("backbones", []), *given.models]]
    inside = {name: [f for folder in folders for f in sorted(folder.glob(name))] for name in
              ("history.tsv", "*cost.json", "bits_per_base.json")}  # fmt: skip
    with one_line_errors(snakemake.log[0] if snakemake.log else None):
        tables.write_table(collecting.collect_metrics(given.metrics, params.grid, params.targets), out.metrics)
        costs = [*inside["*cost.json"], *given.get("costs", [])]
        tables.write_table(collecting.collect_costs(costs, price_per_hour=params.price_per_hour), out.costs)
        tables.write_table(collecting.collect_settings(given.models), out.settings)
        tables.write_table(collecting.collect_history(inside["history.tsv"]), out.history)
        bits = [*inside["bits_per_base.json"], *given.get("bits", [])]
        tables.write_table(collecting.collect_language(bits), out.language)
        tables.write_table(tables.join_tables(given.intervals, ["dataset", *INTERVAL_COLUMNS]), out.intervals)
        tables.write_table(tables.join_tables(given.comparisons, ["dataset", *PAIR_COLUMNS]), out.comparisons)
        tables.write_table(tables.join_tables(given.leakage, ["dataset", *EFFECT_COLUMNS]), out.leakage)
        tables.write_table(collecting.collect_data(given.examples), out.data)
        tables.write_table(collecting.collect_loo(given.get("loo", [])), out.loo)
        arrays = {Path(path).parent.name: tables.read_arrays(path) for path in given.get("arrays", [])}
        for table, path in zip(class_tables(arrays), (out.classes, out.confusion), strict=True):
            tables.write_table(table, path)
        tables.write_arrays(loo_examples(given.get("loo", [])), out.loo_examples)


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
