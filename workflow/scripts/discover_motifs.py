"""Discover motifs in leave-one-out scores, name them, and find them in the sequences again."""

from seqlm.common.errors import one_line_errors
from seqlm.common.files import atomic_path
from seqlm.common.tables import read_scores, read_table, write_arrays, write_table


def main(snakemake):
    given, out, params = snakemake.input, snakemake.output, snakemake.params
    with one_line_errors(snakemake.log[0] if snakemake.log else None):
        import numba

        from seqlm.explanation.dataset_motifs import dataset_motifs

        numba.set_num_threads(min(snakemake.threads, numba.get_num_threads()))
        arrays, examples = read_scores(given.arrays), read_table(given.examples)
        found, said, logos, hits = dataset_motifs(
            arrays, examples, params.dataset, params.model, params.motifs, params.molecule
        )
        write_table(found, out.found)
        write_table(said, out.said)
        write_arrays(logos, out.logos)
        with atomic_path(out.hits) as path:
            hits.to_csv(path, sep="\t", header=False, index=False, float_format="%.4g")


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
