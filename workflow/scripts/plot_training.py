"""Draw training curves of a dataset's models. Reads history.tsv and settings.tsv."""

from seqlm.common.errors import one_line_errors
from seqlm.common.tables import read_table
from seqlm.report.figures.training import draw_training


def main(snakemake):
    outputs, params = [snakemake.output.png, snakemake.output.svg], snakemake.params
    with one_line_errors(snakemake.log[0] if snakemake.log else None):
        history, settings = read_table(snakemake.input.history), read_table(snakemake.input.settings, empty=True)
        draw_training(history, outputs, params.dataset, params.get("model"), params.metric, params.names, settings)


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
