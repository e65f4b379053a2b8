"""Deal the examples of a dataset out to training, validation and test, once for every model.

Reads examples.parquet; writes folds.tsv (id, fold, part).
"""

from pathlib import Path

from seqlm.common.errors import one_line_errors
from seqlm.datasets import load_dataset, write_folds
from seqlm.datasets.separation.folds import make_folds


def main(snakemake):
    with one_line_errors(snakemake.log[0] if snakemake.log else None):
        dataset = load_dataset(Path(snakemake.input.examples).parent)
        where = f"datasets.{dataset.summary['dataset']}.folds"
        folds = make_folds(dataset.examples, **snakemake.params.folds, seed=snakemake.params.seed, where=where)
        write_folds(snakemake.output.folds, folds)


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
