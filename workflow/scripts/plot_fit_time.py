"""Draw what training a dataset's models cost. Reads costs.tsv."""

from seqlm.common.errors import one_line_errors
from seqlm.common.tables import read_table
from seqlm.report.collecting import cost_totals
from seqlm.report.figures.training import draw_fit_time


def main(snakemake):
    outputs, params = [snakemake.output.png, snakemake.output.svg], snakemake.params
    with one_line_errors(snakemake.log[0] if snakemake.log else None):
        totals = cost_totals(read_table(snakemake.input.costs), params.kinds)
        draw_fit_time(totals, outputs, params.dataset, params.names)


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
