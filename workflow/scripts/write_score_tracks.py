"""Write leave-one-out scores as bigWig and places of motifs as BED, of examples that are stretches of a genome.

Reads the scores of all models of a dataset, their motif hits where there are any, the examples, and the genome where
the study names one.
"""

from seqlm.common.errors import one_line_errors
from seqlm.common.files import atomic_folder
from seqlm.common.tables import read_scores, read_table


def main(snakemake):
    given, output = snakemake.input, snakemake.output
    with one_line_errors(snakemake.log[0] if snakemake.log else None), atomic_folder(output.folder) as folder:
        from seqlm.explanation.hits import read_hits
        from seqlm.sequences import Genome
        from seqlm.streaming.score_tracks import placed_hits, write_score_track

        examples = read_table(given.examples)
        sizes = Genome(given.genome).lengths if given.get("genome") else None
        for model, arrays in zip(snakemake.params.models, given.arrays, strict=True):
            write_score_track(folder / f"{model}.bw", read_scores(arrays), examples, sizes)
        for model, path in zip(snakemake.params.models, given.get("hits", []), strict=False):
            hits = placed_hits(read_hits(path), examples)
            if len(hits):
                hits.to_csv(folder / f"{model}.motifs.bed", sep="\t", header=False, index=False)


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
