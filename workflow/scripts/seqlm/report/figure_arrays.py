"""The small arrays that figures are redrawn from: a few windows, or one number per tested example.

They are picked evenly over the test part, never by how good they look.
"""

import numpy as np

from seqlm.common.errors import InputError
from seqlm.common.tables import place_of, read_scores
from seqlm.evaluation.calibration import fit_temperature, rescale
from seqlm.evaluation.metrics import class_codes


def prediction_arrays(examples, folds, predictions, target, classes=None, n=3):
    """Observed and predicted values of test examples, predictions averaged over seeds.

    Parameters
    ----------
    examples, folds, predictions, target, classes
        As `seqlm.evaluation.contest.comparison.compare` takes them. An example tested in several folds counts in the
        first.
    n : int
        Number of windows kept of a track target (with a non-zero label where there are such); all examples otherwise.

    Returns
    -------
    dict of arrays
        target, id (k,), models (m,), and: track: observed (k, L) padded with nan, prediction (m, k, L); scalar:
        observed (k,), prediction (m, k); class: classes (c,), observed (k,) codes, prediction (m, k, c), and calibrated
        (m, k, c): the same at the temperature fitted on each prediction's validation part.
    """
    tested = folds[folds["part"] == "test"].sort_values("fold", kind="stable").drop_duplicates("id")
    examples = examples.drop_duplicates("id").set_index("id")
    labels, examples = examples["target"], examples.loc[tested["id"]]
    examples = examples[examples["target"].notna()]
    if target == "track":
        examples = examples.iloc[_pick_windows(examples["target"], n)]
    fold_of = tested.set_index("id")["fold"].loc[examples.index]
    length = examples["target"].map(len).max() if target == "track" else None
    shape = {
        "track": (len(examples), length),
        "scalar": (len(examples),),
        "class": (len(examples), len(classes or ())),
    }[target]
    sums, counts, calibrated = {}, {}, {}
    for model, fold, _, frame in predictions:
        own = np.flatnonzero((fold_of == fold).to_numpy())
        values = frame.drop_duplicates("id", keep="last").set_index("id")["prediction"].loc[examples.index[own]]
        total = sums.setdefault(model, np.zeros(shape))
        block = _block(values, length)
        total[own] += block
        if target == "class":
            temperature = _temperature(frame, labels, classes)
            calibrated.setdefault(model, np.zeros(shape))[own] += rescale(block, temperature) if len(own) else 0
        counts.setdefault(model, np.zeros(len(examples)))[own] += 1
    models = list(sums)

    def mean(sums):
        means = [sums[model] / counts[model].reshape(-1, *[1] * (len(shape) - 1)) for model in models]
        return np.stack(means).astype(np.float32) if models else np.zeros((0, *shape), np.float32)

    arrays = {
        "target": np.array(target),
        "id": examples.index.to_numpy(str),
        "models": np.array(models, str),
        "prediction": mean(sums),
    }
    if target == "track":
        arrays["observed"] = _block(examples["target"], length).astype(np.float32)
    elif target == "scalar":
        arrays["observed"] = examples["target"].to_numpy(float)
    else:
        arrays["observed"], arrays["classes"] = class_codes(examples["target"], classes)[0], np.array(classes, str)
        arrays["calibrated"] = mean(calibrated)
    return arrays


def _temperature(frame, labels, classes):
    """The temperature that a prediction table's validation part asks for; 1 where it has none."""
    own = frame[frame["part"] == "validation"] if "part" in frame else frame[:0]
    codes, labelled = class_codes(labels.reindex(own["id"]), classes)
    if not labelled.any():
        return 1.0
    return fit_temperature(np.stack(own["prediction"])[labelled], codes[labelled])


def _pick_windows(tracks, n):
    """Row numbers of `n` windows, evenly spread over those with a label (over all when none has)."""
    rows = np.flatnonzero([np.any(np.asarray(track) != 0) for track in tracks])
    rows = rows if len(rows) else np.arange(len(tracks))
    return rows[np.unique(np.linspace(0, len(rows) - 1, min(n, len(rows))).round().astype(int))] if len(rows) else rows


def _block(values, length):
    """Stack values; tracks shorter than `length` end in nan."""
    if length is None:
        return np.stack([np.asarray(value, float) for value in values]) if len(values) else 0
    block = np.full((len(values), length), np.nan)
    for row, value in zip(block, values, strict=True):
        row[: len(value)] = value
    return block


def loo_examples(paths, n=2, margin=20):
    """The few windows that the leave-one-out figure draws, taken evenly from those with a motif.

    Returns
    -------
    dict of arrays
        For each dataset d: ``d/id`` (k,), ``d/codes`` (k, L) uint8, ``d/known`` (k, L) bool, ``d/models`` (m,),
        ``d/scores`` (m, k, L) float32. Datasets whose windows have no known motif are left out.
    """
    by_dataset = {}
    for path in paths:
        place = place_of(path)
        by_dataset.setdefault(place["dataset"], {})[place["model"]] = (read_scores(path), path)
    out = {}
    for dataset, models in by_dataset.items():
        (first, _), *rest = models.values()
        if first.get("known") is None or first["known"].shape != first["codes"].shape:
            continue
        for arrays, path in rest:
            if list(arrays["id"]) != list(first["id"]):
                raise InputError(
                    path,
                    "scores other windows than the other models of its dataset",
                    "score all models on the same windows",
                )
        known = first["known"].astype(bool)
        inner = known[:, margin:-margin].any(1) if known.shape[1] > 2 * margin else known.any(1)
        rows = np.flatnonzero(inner if inner.any() else known.any(1))
        if not len(rows):
            continue
        picked = rows[np.unique(np.linspace(0, len(rows) - 1, min(n, len(rows))).round().astype(int))]
        out[f"{dataset}/id"] = first["id"][picked].astype(str)
        out[f"{dataset}/codes"] = first["codes"][picked].astype(np.uint8)
        out[f"{dataset}/known"] = known[picked]
        out[f"{dataset}/models"] = np.array(list(models), dtype=str)
        out[f"{dataset}/scores"] = np.stack([arrays["scores"][picked] for arrays, _ in models.values()]).astype(
            np.float32
        )
    return out
