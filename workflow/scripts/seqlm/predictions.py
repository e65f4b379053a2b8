"""Predictions and leave-one-out scores of a dataset's examples, as the workflow's tables.

==============================  ===============================================================================
predictions/.../seed<s>.parquet  id, part, prediction: a track's values, a scalar, or probabilities (then also label)
seed<s>.metrics.tsv              dataset, model, fold, seed, part, metric, value
attributions/.../<model>.parquet one row per edit, see `LeaveOneOut.to_table`
attributions/.../<model>.npz     id (n,), codes (n, L), scores (n, L), prediction (n,), known (n, L)
==============================  ===============================================================================
"""

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from tqdm import tqdm

from seqlm.attribution import leave_one_out
from seqlm.attribution.pieces import ABOUT_ALL, join_arrays, pieces, share
from seqlm.confidence import confidence
from seqlm.datasets import load_dataset
from seqlm.errors import InputError
from seqlm.files import atomic_path
from seqlm.inference import predict_targets
from seqlm.models.bundle import load_model
from seqlm.part_metrics import part_metrics
from seqlm.runtime import CostLog, pick_device
from seqlm.sequences import base_codes
from seqlm.tokenization.atomic import as_read

PREDICTION_TYPES = {"track": pa.list_(pa.float32()), "scalar": pa.float64(), "class": pa.list_(pa.float32())}


def predict_dataset(model, dataset, fold, parts=("validation", "test"), device="auto"):
    """Predictions and metrics on parts of one fold.

    Parameters
    ----------
    model, dataset : path
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
    data, model = load_dataset(dataset), load_model(model)
    _check_target(model, data, dataset)
    examples = pd.concat([data.part(fold, part).assign(part=part) for part in parts])
    _check_some(examples, dataset, fold, parts)
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


def score_dataset(
    model, dataset, fold, edit="mask", examples=50, part="test", replacements=None, class_index="predicted",
    device="auto", shard=(1, 1),
):  # fmt: skip
    """Leave-one-out scores of some examples of a dataset, those with a motif first.

    Parameters
    ----------
    model, dataset : path
    fold : int
    edit, replacements, class_index
        As for `leave_one_out`.
    examples : int
        How many of the part's examples are scored; None for all.
    part : str
    device : str
    shard : (int, int)
        (k, n): only the kth of n shares of these examples, counted from 1; see `seqlm.attribution.pieces`.

    Returns
    -------
    table : DataFrame
    arrays : dict of numpy.ndarray
        id, codes (n, L) base codes, scores (n, L) (averaged over other bases for "replace",
        then replaced (n, L, R) holds each), prediction (n,), and for tracks known (n, L):
        bases whose label is not zero. For all classes these are of the predicted one, and
        by_class (n, L, classes) or (n, L, R, classes) holds each.
    cost : dict
    """
    data, model = load_dataset(dataset), load_model(model)
    _check_target(model, data, dataset)
    chosen = _with_motif_first(data.part(fold, part), data.target, examples)
    _check_some(chosen, dataset, fold, [part])
    device = pick_device(device)
    sequences = as_read(model, chosen["sequence"])
    cuts = pieces([len(sequence) for sequence in sequences])
    with CostLog("loo", device, parameters=model.num_parameters()) as cost:

        def score(cut):
            scored = leave_one_out(model, sequences[cut], edit, replacements, class_index=class_index, device=device)
            own = chosen.iloc[cut]
            labels = None if "target" not in chosen or data.target == "track" else own["target"]
            return scored.to_table(own["id"], labels), _arrays(scored, own, data.target), sum(map(len, scored.tokens))

        results = []
        for cut in tqdm(share(cuts, shard), desc="leave one out", unit="piece"):
            *result, tokens = score(cut)
            results.append(result)
            cost.add(samples=len(sequences[cut]), tokens=tokens)
        if not results:  # more shards than pieces: no rows, of the columns that one example has
            table, arrays, _ = score(slice(0, 1))
            arrays = {name: array if name in ABOUT_ALL else array[:0] for name, array in arrays.items()}
            results = [(table.iloc[:0], arrays)]
    tables, arrays = zip(*results, strict=True)
    return pd.concat(tables, ignore_index=True), join_arrays(arrays), cost.totals()


def write_parquet(table, path):
    """Write a pyarrow table or a DataFrame, complete or not at all."""
    if isinstance(table, pd.DataFrame):
        table = pa.Table.from_pandas(table, preserve_index=False)
    with atomic_path(path) as temporary:
        pq.write_table(table, temporary, compression="zstd")


def write_json(content, path):
    """Write a dict as JSON, complete or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n")


def _check_target(model, data, where):
    if model.config.target != data.target:
        problem = f"the dataset's target is {data.target}, the model predicts {model.config.target}"
        raise InputError(where, problem, "use a model that was trained on this dataset")


def _check_some(examples, where, fold, parts):
    if not len(examples):
        raise InputError(where, f"fold {fold} has no example in {' or '.join(parts)}", "choose another part or fold")


def _with_motif_first(examples, target, count):
    if target == "track" and "target" in examples:
        without = [not np.any(track) for track in examples["target"]]
        examples = examples.iloc[np.argsort(without, kind="stable")]
    return examples if count is None else examples.iloc[:count]


def _arrays(scored, examples, target):
    arrays = {"id": examples["id"].to_numpy(str)}
    if scored.classes:
        arrays |= {"by_class": scored.scores, "classes": np.array(scored.classes, str)}
        scored = scored.of_predicted()
    n, width = scored.scores.shape[:2]
    scores = scored.scores
    arrays["codes"] = base_codes(["".join(token[0] for token in tokens) for tokens in scored.tokens], length=width)
    arrays["prediction"] = scored.prediction
    if scored.replacements:
        names = np.array(scored.replacements, str)
        arrays |= {"replaced": scores, "replacements": names}
        # A base in its own place is no edit, and without specifiers it is the same base.
        edits = ~scored.own & ~np.isnan(scores) & (names != "")
        with np.errstate(invalid="ignore"):
            scores = (np.where(edits, scores, 0).sum(2) / edits.sum(2)).astype(np.float32)
    arrays["scores"] = scores
    if target == "track" and "target" in examples:
        known = np.zeros((n, width), bool)
        for row, track in zip(known, examples["target"], strict=True):
            row[: len(track)] = np.asarray(track)[:width] != 0
        arrays["known"] = known
    return arrays
