"""Get one source. Reads: a file or an address. Writes: sequences as bgzip FASTA, tables as gzip, with provenance.

What lies in a bucket (s3://) Snakemake has brought here already.
"""

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
            copy=snakemake.input[0] if snakemake.params.origin.startswith("s3://") else None,
        )


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
