"""Draw cost against performance. Reads intervals.tsv, costs.tsv and history.tsv."""

from seqlm.common.errors import one_line_errors
from seqlm.common.tables import read_table
from seqlm.report.collecting import cost_totals
from seqlm.report.figures.cost import draw_cost_performance


def main(snakemake):
    outputs, params = [snakemake.output.png, snakemake.output.svg], snakemake.params
    with one_line_errors(snakemake.log[0] if snakemake.log else None):
        intervals, history = read_table(snakemake.input.intervals), read_table(snakemake.input.history, empty=True)
        totals = cost_totals(read_table(snakemake.input.costs), params.kinds)
        draw_cost_performance(intervals, totals, history, outputs, params.dataset, params.get("metric"), params.names)


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
