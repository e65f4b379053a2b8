"""Write one model's predictions of windows of a genome as bigWig or BED.

Reads the gathered predictions and the genome; writes a track.
"""

from pathlib import Path

from seqlm.common.errors import one_line_errors
from seqlm.common.files import atomic_path


def main(snakemake):
    with one_line_errors(snakemake.log[0] if snakemake.log else None):
        from seqlm.sequences import Genome
        from seqlm.streaming.tracks import write_tracks

        sizes = Genome(snakemake.input.genome).lengths
        with atomic_path(Path(snakemake.output[0])) as temporary:
            write_tracks([snakemake.input.predictions], temporary, sizes, snakemake.params.model)


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
