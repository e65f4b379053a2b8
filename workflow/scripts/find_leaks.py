"""Find test examples of a dataset that are like training examples, or like the text that backbones were pretrained on.

Reads the dataset and the backbones' FASTA files. Writes one row per fold, test example and what it is like (TSV).
"""

from pathlib import Path

import pandas as pd

from seqlm.common.errors import one_line_errors
from seqlm.common.tables import write_table
from seqlm.datasets import load_dataset
from seqlm.datasets.separation.leakage import corpus_leaks, training_leaks
from seqlm.pretraining.corpus import trained_pieces


def main(snakemake):
    with one_line_errors(snakemake.log[0] if snakemake.log else None):
        data = load_dataset(Path(snakemake.input.examples).parent)
        found = [training_leaks(data.examples, data.folds)]
        length = int(data.examples["sequence"].str.len().median())
        for backbone, (files, validation) in snakemake.params.corpora.items():
            pieces = trained_pieces([snakemake.input.corpora[k] for k in files], validation, length)
            found.append(corpus_leaks(data.examples, data.folds, pieces, backbone))
        write_table(pd.concat(found, ignore_index=True), snakemake.output.leaks)


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
