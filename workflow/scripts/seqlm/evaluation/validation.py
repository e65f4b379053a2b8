"""What a trained model predicted on its validation part: validation.parquet in its bundle.

The errors of new predictions are judged by it wherever the bundle goes: conformal intervals of scalars, the temperature
of class probabilities. Columns id, label, prediction: numbers in the labels' units, or class name and probabilities.
Tracks have none: neighbouring bases are too alike to stand for independent errors.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from seqlm.common.errors import InputError
from seqlm.common.files import atomic_path
from seqlm.evaluation.calibration import fit_temperature

FILE = "validation.parquet"


def write_validation(folder, ids, labels, predictions):
    """Write validation.parquet.

    Parameters
    ----------
    folder : path
        The bundle.
    ids : sequence of str
    labels : sequence of float or str
    predictions : array (n,), or (n, classes) probabilities
    """
    predictions = np.asarray(predictions, np.float64)
    columns = {"id": pa.array(list(ids), pa.string()), "label": pa.array(list(labels))}
    columns["prediction"] = pa.array(predictions if predictions.ndim == 1 else list(predictions))
    with atomic_path(Path(folder) / FILE) as temporary:
        pq.write_table(pa.table(columns), temporary, compression="zstd")


@dataclass
class Fold:
    """Models that were validated on the same examples (those of several seeds), as one.

    Attributes
    ----------
    members : list of int
        Numbers of the models.
    labels : array (n,)
        Values, or class numbers.
    predictions : array (n,) or (n, classes)
        Mean over the members.
    ids : sequence of str
    """

    members: list
    labels: np.ndarray
    predictions: np.ndarray
    ids: tuple = ()

    @cached_property
    def errors(self):
        """Absolute errors (n,) of a scalar."""
        return np.abs(self.labels - self.predictions)

    @cached_property
    def temperature(self):
        """See `seqlm.evaluation.calibration.fit_temperature`."""
        return fit_temperature(self.predictions, self.labels)


def read_folds(bundles, classes=None):
    """Validation parts of bundles.

    Parameters
    ----------
    bundles : list of path
    classes : list of str, optional

    Returns
    -------
    list of Fold or None
        None where a bundle has no validation.parquet.

    Raises
    ------
    InputError
        A file is damaged or not this model's.
    """
    paths = [Path(folder) / FILE for folder in bundles]
    if not all(path.exists() for path in paths):
        return None
    folds = {}
    for member, path in enumerate(paths):
        table = _read(path).sort_values("id")
        labels = table["label"]
        if classes is not None:
            labels = labels.map({name: number for number, name in enumerate(classes)})
            if labels.isna().any():
                raise InputError(path, "has classes that the model does not know", "copy the bundle again")
        folds.setdefault(tuple(table["id"]), []).append((member, labels.to_numpy(), np.stack(table["prediction"])))
    result = []
    for ids, own in folds.items():
        members, labels, predictions = zip(*own, strict=True)
        result.append(Fold(list(members), labels[0], np.mean(predictions, axis=0), ids))
    return result


def _read(path):
    try:
        return pd.DataFrame(pq.read_table(path, columns=["id", "label", "prediction"]).to_pandas())
    except (OSError, pa.ArrowException) as error:
        problem = f"is damaged ({str(error).splitlines()[0]})"
        raise InputError(path, problem, "copy the bundle again, or remove the file to do without it") from None
