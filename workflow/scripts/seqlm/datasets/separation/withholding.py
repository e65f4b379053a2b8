"""Pretraining without what will be tested.

Sources less the genes that validation and test examples were cut from; or the training examples themselves.
"""

import gzip
from contextlib import contextmanager

from seqlm.common.errors import InputError
from seqlm.common.files import atomic_path
from seqlm.datasets.windows import gene_of
from seqlm.sequences import read_fasta
from seqlm.sequences.similarity import plain_bases


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
    with _fasta(output) as write:
        for record in read_fasta(source, check=False):
            if gene_of(record) in genes:
                left_out += 1
                continue
            kept += 1
            write(f"{record.id} {record.description}".rstrip(), record.sequence)
        if not kept:
            raise InputError(source, "every gene is validated or tested on", "use one split (scheme: ratio or split)")
    return kept, left_out


def training_text(dataset, output):
    """Write the sequences of a dataset's training part as a FASTA file, one record an example: of tokens the bases.

    Parameters
    ----------
    dataset : seqlm.datasets.Dataset
        With folds, one split.
    output : path
        Gzipped FASTA.

    Returns
    -------
    int
        Records.

    Raises
    ------
    InputError
        If the dataset has several folds: each of its examples is then tested on.
    """
    if len(dataset.fold_numbers) != 1:
        raise InputError(
            output, "every example is tested on in one of the folds", "use one split (scheme: ratio or split)"
        )
    examples = dataset.part(dataset.fold_numbers[0], "train")
    with _fasta(output) as write:
        for name, sequence in zip(examples["id"], examples["sequence"], strict=True):
            write(name, plain_bases(sequence).upper() if " " in sequence else sequence)
    return len(examples)


@contextmanager
def _fasta(output):
    """A function that writes records (header, sequence) to a gzipped file, which appears complete or not at all."""
    with atomic_path(output) as path, open(path, "wb") as raw, gzip.GzipFile("", "wb", 6, raw, mtime=0) as handle:
        yield lambda header, sequence: handle.write(f">{header}\n{sequence}\n".encode())
