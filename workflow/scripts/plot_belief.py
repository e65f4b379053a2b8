"""Draw whether scores can be believed. Reads curves.tsv and agreement.tsv of each model."""

from seqlm.common.errors import one_line_errors
from seqlm.common.tables import join_tables
from seqlm.report.figures.belief import draw_belief


def main(snakemake):
    given, outputs, params = snakemake.input, [snakemake.output.png, snakemake.output.svg], snakemake.params
    with one_line_errors(snakemake.log[0] if snakemake.log else None):
        curves, agreement = (join_tables(given[name], ["dataset", "model"]) for name in ("curves", "agreement"))
        draw_belief(curves, agreement, outputs, params.dataset, params.names)


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
