"""Write one model's leave-one-out scores of a new file as bigWig: its sequences are stretches of a genome.

Reads the gathered scores, the file and its genome; writes how far the prediction falls without each base.
"""

from pathlib import Path

from seqlm.attribution.score_tables import arrays_of, read_score_table
from seqlm.common.errors import one_line_errors
from seqlm.common.files import atomic_path


def main(snakemake):
    given, params = snakemake.input, snakemake.params
    with one_line_errors(snakemake.log[0] if snakemake.log else None):
        from seqlm.streaming.records import open_records
        from seqlm.streaming.score_tracks import write_file_score_track

        source = open_records(given.file, given.genome, format=params.format, **(params.reading or {}))
        with atomic_path(Path(snakemake.output[0])) as temporary:
            write_file_score_track(temporary, arrays_of(read_score_table(given.scores)), source)


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
