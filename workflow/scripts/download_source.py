"""Get one source. Reads: a file or an address. Writes: sequences as bgzip FASTA, tables as gzip, with provenance."""

from seqlm.common.errors import one_line_errors
from seqlm.sequences.downloads.sources import fetch


def main(snakemake):
    with one_line_errors(snakemake.log[0] if snakemake.log else None):
        fetch(
            snakemake.params.origin,
            snakemake.output[0],
            kind=snakemake.params.kind,
            sha256=snakemake.params.sha256,
            licence=snakemake.params.get("licence"),
        )


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
