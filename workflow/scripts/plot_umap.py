"""Draw a map of embeddings. Reads a table with x, y, label and optionally panel."""

from seqlm.common.errors import one_line_errors
from seqlm.common.tables import read_table
from seqlm.report.figures.embedding import draw_umap


def main(snakemake):
    outputs, params = [snakemake.output.png, snakemake.output.svg], snakemake.params
    with one_line_errors(snakemake.log[0] if snakemake.log else None):
        draw_umap(read_table(snakemake.input.table, ["x", "y", "label"]), outputs, params.get("title", ""))


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
