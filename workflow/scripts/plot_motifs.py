"""Draw the motifs that a model reads, forward and reverse. Reads its found.tsv and logos.npz."""

from seqlm.common.errors import one_line_errors
from seqlm.common.tables import read_arrays, read_table
from seqlm.report.figures.motifs import draw_motifs


def main(snakemake):
    given, outputs, params = snakemake.input, [snakemake.output.png, snakemake.output.svg], snakemake.params
    with one_line_errors(snakemake.log[0] if snakemake.log else None):
        found, logos = read_table(given.found, empty=True), read_arrays(given.logos)
        draw_motifs(found, logos, outputs, params.dataset, params.model, params.names)


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
