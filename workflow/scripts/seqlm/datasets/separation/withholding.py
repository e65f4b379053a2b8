"""Pretraining without what will be tested: sources less the genes that validation and test examples were cut from."""

import gzip

from seqlm.common.errors import InputError
from seqlm.common.files import atomic_path
from seqlm.datasets.windows import gene_of
from seqlm.sequences import read_fasta


def withhold(source, dataset, output):
    """Write a FASTA file without the genes of a dataset's validation and test examples.

    All isoforms of such a gene are left out, also those that no example was cut from.

    Parameters
    ----------
    source : path
        A FASTA file.
    dataset : seqlm.datasets.Dataset
        With folds; ``chrom`` of its examples names records.
    output : path
        Gzipped FASTA.

    Returns
    -------
    kept, left_out : int
        Records.

    Raises
    ------
    InputError
        If nothing is left, as with folds that test every gene once.
    """
    held_out = set(dataset.folds.loc[dataset.folds["part"] != "train", "id"])
    records = set(dataset.examples.loc[dataset.examples["id"].isin(held_out), "chrom"])
    genes = {gene_of(record) for record in read_fasta(source, check=False) if record.id in records}
    kept = left_out = 0
    with atomic_path(output) as path, open(path, "wb") as raw, gzip.GzipFile("", "wb", 6, raw, mtime=0) as handle:
        for record in read_fasta(source, check=False):
            if gene_of(record) in genes:
                left_out += 1
                continue
            kept += 1
            handle.write(f">{record.id} {record.description}".rstrip().encode() + b"\n")
            handle.write(record.sequence.encode() + b"\n")
        if not kept:
            raise InputError(source, "every gene is validated or tested on", "use one split (scheme: ratio or split)")
    return kept, left_out
