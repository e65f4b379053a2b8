"""The tables, arrays and JSON files of a study: read with one clear line when something is wrong, written whole.

Tables of text are read by what a column's name says it holds (`NUMBERS`), never by how its cells look: a model may be
called null, NA or 01, and a dataset 2024.

Which model, fold and seed a file belongs to is read from its place
(``models/<dataset>/<model>/fold<k>/seed<s>/history.tsv``, ``backbones/<backbone>/cost.json``).
"""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd

from seqlm.common.errors import InputError
from seqlm.common.files import atomic_path

PRETRAINING = "pretraining"  # what stands in the dataset column for backbones
CELL = ["dataset", "model", "fold", "seed"]

# Every column that holds numbers; all others hold text, an empty cell of which is the empty text.
NUMBERS = {
    *("fold", "seed", "epoch", "step", "value"),
    *("folds", "seeds", "examples", "groups", "low", "high", "pooled", "pooled_low", "pooled_high"),  # intervals
    *("validation", "labels"),  # intervals too
    *("a", "b", "difference", "p_value", "among", "p_holm", "detectable"),  # comparisons
    *("affected", "tested", "without"),  # leakage
    *("precision", "recall", "f1", "observed", "predicted", "count", "share"),  # classes
    *("mean", "tokens", "cluster", "x", "y"),  # regions of mRNAs, folds, maps
    *("start_offset", "end_offset", "loo"),
    *("seqlets", "q_value", "fraction"),  # motifs, checks of scores
    *("position_a", "position_b", "effect_a", "effect_b", "together", "interaction"),
}
TEXT_OF = {"confusion": {"observed", "predicted"}, "settings": {"value"}}  # numbers elsewhere
YES_OR_NO = {"representative"}
NO_NUMBER = ["", "nan", "NaN", "NA"]

_CELL_PLACE = re.compile(
    r"(?:models|predictions)/(?P<dataset>[^/]+)/(?P<model>[^/]+)/fold(?P<fold>\d+)/seed(?P<seed>\d+)(?:[/.])"
)
_DATASET_PLACE = re.compile(r"attributions/(?P<dataset>[^/]+)/(?P<model>[^/]+?)(?:\.cost\.json|\.npz|\.parquet|/)")
_SIZE_PLACE = re.compile(
    r"training_sizes/(?P<dataset>[^/]+)/(?P<model>[^/]+)/n(?P<size>\d+)/fold(?P<fold>\d+)/seed(?P<seed>\d+)[/.]"
)
_BACKBONE_PLACE = re.compile(r"backbones/(?P<model>[^/]+)/")


def place_of(path):
    """The cell a result file belongs to: dict of dataset, model, fold, seed (None where it has none)."""
    path = Path(path).as_posix()
    found = _SIZE_PLACE.search(path) or _CELL_PLACE.search(path)
    if found:
        return {
            "dataset": found["dataset"],
            "model": found["model"],
            "fold": int(found["fold"]),
            "seed": int(found["seed"]),
        }
    found = _DATASET_PLACE.search(path)
    if found:
        return {"dataset": found["dataset"], "model": found["model"], "fold": None, "seed": None}
    found = _BACKBONE_PLACE.search(path)
    if found:
        return {"dataset": PRETRAINING, "model": found["model"], "fold": None, "seed": None}
    raise InputError(
        path,
        "lies in no known place of a study",
        "keep the folders models/, predictions/, attributions/ and backbones/",
    )


def read_table(path, columns=(), empty=False):
    """Read a table and check that it is there, has `columns` and (unless `empty`) at least one row.

    Parameters
    ----------
    path : path
        TSV, CSV (by its suffix) or parquet.
    columns : sequence of str
    empty : bool

    Returns
    -------
    DataFrame
        Columns in `NUMBERS` as numbers, nan where a cell is empty; those in `YES_OR_NO` as bool; all others as the text
        that is written there.

    Raises
    ------
    InputError
        A table that is missing or damaged, has a cell that is no number where one belongs, lacks a column or rows.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(path, "there is no such table", "run the study's metrics target first")
    try:
        table = pd.read_parquet(path) if path.suffix == ".parquet" else _read_text(path)
    except (ValueError, OSError) as error:  # pandas' parser errors are ValueErrors
        if isinstance(error, InputError):
            raise
        raise InputError(
            path, f"cannot be read as a table ({error})", "delete it and run the metrics target again"
        ) from None
    lacking = [name for name in columns if name not in table.columns]
    if lacking:
        raise InputError(path, f"has no column {', '.join(lacking)}", f"its columns must include {', '.join(columns)}")
    if not empty and not len(table):
        raise InputError(path, "holds no row", "check that the study trains and predicts something")
    return table


def _read_text(path):
    """A TSV or CSV, its columns as `NUMBERS` says."""
    layout = {"sep": "," if path.suffix == ".csv" else "\t", "keep_default_na": False, "float_precision": "round_trip"}
    names = pd.read_csv(path, nrows=0, index_col=False, **layout).columns
    numbers = [name for name in names if name in NUMBERS - TEXT_OF.get(path.stem, set())]
    types = {name: str for name in names if name not in numbers}
    table = pd.read_csv(path, dtype=types, na_values=dict.fromkeys(numbers, NO_NUMBER), **layout)
    if not isinstance(table.index, pd.RangeIndex):  # pandas then takes the first cells for names of rows
        raise InputError(path, "has rows with more cells than its header", "end no row with a separator")
    for name in numbers:
        if not pd.api.types.is_numeric_dtype(table[name]) and len(table):
            wrong = table[name][pd.to_numeric(table[name], errors="coerce").isna() & table[name].notna()].iloc[0]
            raise InputError(path, f"column {name} holds {wrong!r}, which is no number", "mend that cell")
    for name in YES_OR_NO & set(names):
        table[name] = table[name] == "True"
    return table.astype({name: float for name in numbers if not len(table)})


def write_table(table, path):
    """Write a TSV whose numbers read back exactly."""
    with atomic_path(path) as temporary:
        table.to_csv(temporary, sep="\t", index=False)


def write_arrays(arrays, path):
    """Write a compressed npz without pickles."""
    with atomic_path(path) as temporary, open(temporary, "wb") as handle:
        np.savez_compressed(handle, **arrays)


def read_arrays(path):
    """Arrays of an npz file, without pickles."""
    try:
        with np.load(path, allow_pickle=False) as content:
            return {name: content[name] for name in content.files}
    except (OSError, ValueError) as error:
        raise InputError(path, f"cannot be read as arrays ({error})", "run the study's metrics target again") from None


def read_predictions(paths):
    """Prediction tables one at a time: yields (model, fold, seed, DataFrame), as comparisons take them."""
    for path in paths:
        place = place_of(path)
        yield place["model"], place["fold"], place["seed"], read_table(path, ["id", "prediction"])


def training_size_of(path):
    """Number of labels that the model of a prediction file was trained on; "all" for a run's own."""
    found = _SIZE_PLACE.search(Path(path).as_posix())
    return int(found["size"]) if found else "all"


def join_tables(paths, columns):
    """Concatenate TSVs that have `columns` (empty when there are none)."""
    frames = [read_table(path, columns, empty=True) for path in paths]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=columns)


def read_json(path):
    """A JSON file as it is, one clear line when it cannot be read."""
    try:
        return json.loads(Path(path).read_text())
    except (OSError, ValueError) as error:
        raise InputError(path, f"cannot be read as JSON ({error})", "delete it and run the study again") from None


def read_scores(path):
    """Leave-one-out arrays of one model: dict of id (n,), codes (n, L), scores (n, L), known (n, L) or None."""
    arrays = read_arrays(path)
    lacking = [name for name in ("id", "codes", "scores") if name not in arrays]
    if lacking:
        raise InputError(path, f"has no array {', '.join(lacking)}", "score this model again")
    if arrays["codes"].shape != arrays["scores"].shape:
        raise InputError(path, "codes and scores differ in shape", "score this model again")
    return arrays


def write_parquet(table, path):
    """Write a pyarrow table or a DataFrame, complete or not at all."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if isinstance(table, pd.DataFrame):
        table = pa.Table.from_pandas(table, preserve_index=False)
    with atomic_path(path) as temporary:
        pq.write_table(table, temporary, compression="zstd")


def write_json(content, path):
    """Write a dict as JSON, complete or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n")
