"""Predictions of a dataset's examples, as the workflow's tables.

==============================  ===============================================================================
predictions/.../seed<s>.parquet  id, part, prediction: a track's values, a scalar, or probabilities (then also label)
seed<s>.metrics.tsv              dataset, model, fold, seed, part, metric, value
==============================  ===============================================================================
"""

from pathlib import Path

import pandas as pd
import pyarrow as pa

from seqlm.common.costs import CostLog
from seqlm.common.errors import InputError
from seqlm.common.runtime import pick_device
from seqlm.datasets import Dataset, load_dataset
from seqlm.evaluation.confidence import confidence
from seqlm.evaluation.part_metrics import part_metrics
from seqlm.inference.prediction import predict_targets
from seqlm.models.bundle import load_model
from seqlm.tokenization.atomic import as_read

PREDICTION_TYPES = {"track": pa.list_(pa.float32()), "scalar": pa.float64(), "class": pa.list_(pa.float32())}


def predict_dataset(model, dataset, fold, parts=("validation", "test"), device="auto"):
    """Predictions and metrics on parts of one fold.

    Parameters
    ----------
    model : path or SequenceModel
    dataset : path or Dataset
    fold : int
    parts : sequence of str
    device : str

    Returns
    -------
    predictions : pyarrow.Table
        Columns id, part, prediction, and for classes label and its confidence.
    metrics : DataFrame
        Columns part, metric, value; nothing for parts without labels. For classes also what temperature scaling, fitted
        on the validation part, makes of the calibration of the other parts.
    cost : dict
    """
    data = dataset if isinstance(dataset, Dataset) else load_dataset(dataset)
    model = load_model(model) if isinstance(model, (str, Path)) else model
    dataset = data.summary.get("dataset", "dataset") if data is dataset else dataset
    check_target(model, data, dataset)
    examples = pd.concat([data.part(fold, part).assign(part=part) for part in parts])
    check_some(examples, dataset, fold, parts)
    device = pick_device(device)
    sequences = as_read(model, examples["sequence"])
    with CostLog("predict", device, parameters=model.num_parameters()) as cost:
        prediction = predict_targets(model, sequences, device=device, verbose=True)
        cost.add(samples=len(sequences), tokens=sum(map(len, sequences)))
    found = examples[["id", "part"]].assign(prediction=list(prediction))
    labels = examples.set_index("id").get("target", pd.Series(dtype=object))
    metrics = part_metrics(found, labels, data.target, data.classes)
    table = prediction_table(found["id"], prediction, data.target, data.classes, {"part": found["part"]})
    return table, metrics, cost.totals()


def prediction_table(ids, prediction, target, classes=None, columns=None):
    """Predictions as a table: id, further columns, prediction; for classes the most probable one and its confidence."""
    values = list(prediction) if target != "scalar" else prediction
    arrays = {"id": pa.array(list(ids), pa.string())}
    arrays |= {name: pa.array(list(column)) for name, column in (columns or {}).items()}
    arrays["prediction"] = pa.array(values, PREDICTION_TYPES[target])
    if target == "class":
        sure = confidence(prediction, classes)
        arrays["label"] = pa.array(sure.pop("predicted"), pa.string())
        arrays |= {name: pa.array(column, pa.float32()) for name, column in sure.items()}
    return pa.table(arrays)


def check_target(model, data, where):
    """Refuse a dataset of another target than the model's."""
    if model.config.target != data.target:
        problem = f"the dataset's target is {data.target}, the model predicts {model.config.target}"
        raise InputError(where, problem, "use a model that was trained on this dataset")


def check_some(examples, where, fold, parts):
    """Refuse parts of a fold without any example."""
    if not len(examples):
        raise InputError(where, f"fold {fold} has no example in {' or '.join(parts)}", "choose another part or fold")
