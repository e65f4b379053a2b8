"""Draw loss curves and bits per base of one backbone, or of all. Reads history.tsv and language.tsv."""

from seqlm.common.errors import one_line_errors
from seqlm.common.tables import read_table
from seqlm.report.figures.language import draw_loss


def main(snakemake):
    outputs, params = [snakemake.output.png, snakemake.output.svg], snakemake.params
    with one_line_errors(snakemake.log[0] if snakemake.log else None):
        history, language = read_table(snakemake.input.history), read_table(snakemake.input.language, empty=True)
        draw_loss(history, language, outputs, params.get("backbone"), params.names)


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
