"""Draw the motifs that models read, forward and reverse. Reads found.tsv, said.tsv and logos.npz of each model."""

from seqlm.common.errors import one_line_errors
from seqlm.common.tables import join_tables, read_arrays
from seqlm.report.figures.motifs import draw_motifs


def main(snakemake):
    given, outputs, params = snakemake.input, [snakemake.output.png, snakemake.output.svg], snakemake.params
    with one_line_errors(snakemake.log[0] if snakemake.log else None):
        found, said = join_tables(given.found, ["dataset", "model"]), join_tables(given.said, ["dataset", "model"])
        logos = dict(zip(said["model"], map(read_arrays, given.logos), strict=True))
        draw_motifs(found, logos, outputs, params.dataset, params.names)


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
