"""The files of a dataset: examples.parquet, folds.tsv and summary.json."""

import json
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from seqlm.common.errors import InputError
from seqlm.common.files import atomic_path
from seqlm.common.tables import read_table, write_table

TARGETS = {"track": pa.list_(pa.float32()), "scalar": pa.float64(), "class": pa.string()}
COLUMNS = {
    "id": pa.string(),
    "sequence": pa.string(),
    "target": None,  # by the kind of target
    "group": pa.string(),
    "weight": pa.float32(),
    "chrom": pa.string(),
    "start": pa.int64(),
    "end": pa.int64(),
    "strand": pa.string(),
    "split": pa.string(),
    "training_only": pa.bool_(),
}
OPTIONAL = ("target", "split", "training_only")


@dataclass
class Dataset:
    """Examples of one task with their folds.

    Attributes
    ----------
    examples : DataFrame
        Columns id, sequence, target (absent where there is nothing to learn from), group, weight, chrom, start, end
        (0-based, half-open), strand, and split where the source had one; training_only where some examples are
        neither validated nor tested on. A track is a float32 array as long as the sequence.
    folds : DataFrame or None
        Columns id, fold, part, perhaps cluster (see `seqlm.datasets.separation.folds`); None where no folds were made.
    summary : dict
        dataset, target, classes, examples, length, cleaning, label.
    """

    examples: pd.DataFrame
    folds: pd.DataFrame | None
    summary: dict

    @property
    def target(self):
        """track, scalar or class."""
        return self.summary["target"]

    @property
    def classes(self):
        """Class names in the order of their codes; None for other targets."""
        return self.summary["classes"]

    @property
    def fold_numbers(self):
        """Numbers of the folds, in order."""
        return [] if self.folds is None else sorted(self.folds["fold"].unique().tolist())

    def part(self, fold, part):
        """Examples of one part of one fold, in the order of `examples`."""
        chosen = self.folds[(self.folds["fold"] == fold) & (self.folds["part"] == part)]
        return self.examples[self.examples["id"].isin(chosen["id"])]


def load_dataset(folder):
    """Read a dataset folder.

    Parameters
    ----------
    folder : path
        With examples.parquet and summary.json, and folds.tsv where folds were made.

    Returns
    -------
    Dataset

    Raises
    ------
    InputError
        If a file is missing or damaged, or if folds.tsv does not belong to the examples.
    """
    folder = Path(folder)
    mend = "prepare the dataset again"
    try:
        summary = json.loads((folder / "summary.json").read_text())
        examples = pq.read_table(folder / "examples.parquet").to_pandas()
    except FileNotFoundError as error:
        raise InputError(error.filename or folder, "there is no such file", mend) from None
    except (pa.ArrowInvalid, OSError, ValueError) as error:
        raise InputError(folder, f"is damaged ({error})", mend) from None
    folds = None
    if (folder / "folds.tsv").exists():
        folds = read_folds(folder / "folds.tsv")
        unknown = ~folds["id"].isin(examples["id"])
        if unknown.any():
            name = folds.loc[unknown, "id"].iloc[0]
            raise InputError(folder / "folds.tsv", f"example {name!r} is not in examples.parquet", "split it again")
    return Dataset(examples, folds, summary)


def write_dataset(folder, examples, summary):
    """Write examples.parquet and summary.json.

    Parameters
    ----------
    folder : path
    examples : DataFrame
        As in `Dataset`; columns that are missing are written as empty, except those in `OPTIONAL`.
    summary : dict
    """
    columns = {}
    for name, kind in COLUMNS.items():
        if name in examples:
            kind = kind or TARGETS[summary["target"]]
            columns[name] = pa.array(examples[name], kind, from_pandas=True)
        elif name not in OPTIONAL:
            columns[name] = pa.nulls(len(examples), kind)
    with atomic_path(Path(folder) / "examples.parquet") as path:
        pq.write_table(pa.table(columns), path, compression="zstd")
    with atomic_path(Path(folder) / "summary.json") as path:
        path.write_text(json.dumps(summary, indent=2) + "\n")


def write_folds(path, folds):
    """Write folds.tsv: columns id, fold, part, and cluster where similar sequences were kept together."""
    write_table(folds, path)


def read_folds(path):
    """The table that `write_folds` wrote: fold a whole number, id and part text as written."""
    table = read_table(path, ["id", "fold", "part"], empty=True)
    if table["fold"].isna().any():
        raise InputError(path, "has a row without a fold", "split the dataset again")
    return table.astype({"fold": int})
