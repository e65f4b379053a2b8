"""What one fold of a cross-validation leaves for spreadsheets and other tools.

======================================  ==========================================================
test_predictions.csv                    id, label, prediction; for classes also every probability
rank_deltas.csv (scalar)                id, label, prediction, their ranks and the difference
train/eval/test/all_results.json        metrics and costs of each part, and all of them together
scores.csv                              leave-one-out scores, one row an edit
one_hot.npz, contributions.npz          arrays (n, 4, L) named arr_0, as TF-MoDISco reads them
explanation.pkl, explanation.npz        leave-one-out scores as a `shap.Explanation`, and its arrays
======================================  ==========================================================

``explanation.pkl`` is a pickle because shap knows no other file. Nothing here ever reads one: the same values lie
beside it in plain arrays.
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from seqlm.attribution.transcript_scores import transcripts_of
from seqlm.common.files import atomic_path

NO_HISTORY = pd.DataFrame(columns=["epoch", "step", "part", "metric", "value"])  # of a model that was not trained


def rank_deltas(ids, labels, predictions):
    """How far each prediction's rank is from its label's: ``prediction_rank - label_rank``; ties share their mean rank.

    Examples without a label are left out.

    Returns
    -------
    DataFrame
        Columns id, label, prediction, label_rank, prediction_rank, delta; ranks count from 1 (smallest).
    """
    table = pd.DataFrame(
        {"id": list(ids), "label": np.asarray(labels, float), "prediction": np.asarray(predictions, float)}
    )
    table = table[table["label"].notna()].reset_index(drop=True)
    table["label_rank"] = rankdata(table["label"])
    table["prediction_rank"] = rankdata(table["prediction"])
    table["delta"] = table["prediction_rank"] - table["label_rank"]
    return table


def observed_and_predicted(ids, labels, predictions, classes=None):
    """Observed and predicted values of the test part as one table.

    Parameters
    ----------
    ids : sequence of str
    labels : sequence
    predictions : array (n,), or (n, classes) probabilities
    classes : list of str, optional

    Returns
    -------
    DataFrame
    """
    table = pd.DataFrame({"id": list(ids), "label": list(labels)})
    if classes is None:
        return table.assign(prediction=np.asarray(predictions, float))
    probability = np.stack([np.asarray(row, float) for row in predictions])
    table["prediction"] = [classes[i] for i in probability.argmax(1)]
    return table.assign(**{f"probability {name}": probability[:, i] for i, name in enumerate(classes)})


def write_fold_results(folder, examples, predictions, metrics, history, cost, target="scalar", classes=None):
    """Write the tables and JSON files of a fold.

    Parameters
    ----------
    folder : path
    examples : DataFrame
        Columns id, target: the test part of the fold.
    predictions : DataFrame
        Columns id, part, prediction.
    metrics : DataFrame
        Columns part, metric, value (validation and test).
    history : DataFrame
        Columns epoch, step, part, metric, value.
    cost : dict or list of dict
        As in cost.json; the stage "fit" is reported.
    target : {"scalar", "class", "track"}
        Tracks have no tables here: a value per base is no spreadsheet.
    classes : list of str, optional
        Class targets only.
    """
    folder = Path(folder)
    if target != "track":
        _write_predictions(folder, examples, predictions, classes)
    results = part_results(metrics, history, cost)
    everything = {}
    for part, content in results.items():
        _write_json(content, folder / f"{part}_results.json")
        everything |= content
    _write_json(everything, folder / "all_results.json")


def _write_predictions(folder, examples, predictions, classes):
    found = predictions[predictions["part"] == "test"].set_index("id")["prediction"]
    examples = examples[examples["id"].isin(found.index)]
    found = found.loc[examples["id"]]
    values = found.tolist() if classes else found.to_numpy(float)
    _write_csv(
        observed_and_predicted(examples["id"], examples["target"], values, classes), folder / "test_predictions.csv"
    )
    if classes is None:
        _write_csv(rank_deltas(examples["id"], examples["target"], values), folder / "rank_deltas.csv")


def part_results(metrics, history, cost):
    """{"train", "eval", "test"}: dict of numbers, their names beginning with the part, as transformers names them."""
    stages = cost if isinstance(cost, list) else [cost]
    fit = next((stage for stage in stages if stage.get("stage") == "fit"), {})
    trained = history[history["part"] == "train"]
    last = trained[trained["epoch"] == trained["epoch"].max()]
    train = {f"train_{row.metric}": _number(row.value) for row in last.itertuples()}
    train |= {
        f"train_{name}": _number(fit[key])
        for name, key in (("runtime", "seconds"), ("samples", "samples"), ("samples_per_second", "samples_per_second"))
        if key in fit
    }
    if len(history):
        train["epoch"] = _number(history["epoch"].max())
    results = {"train": train}
    for name, part in (("eval", "validation"), ("test", "test")):
        rows = metrics[metrics["part"] == part]
        results[name] = {f"{name}_{row.metric}": _number(row.value) for row in rows.itertuples()}
    return results


def write_scores(folder, table, arrays):
    """Write scores.csv and all that `write_motif_arrays` and `write_explanation` write.

    Parameters
    ----------
    folder : path
    table : DataFrame
    arrays : dict of arrays
        Table and arrays of one model, as `seqlm.attribution.dataset_scores.score_dataset` gives them.
    """
    _write_csv(table, Path(folder) / "scores.csv")
    scores = arrays["scores"]
    if "replaced" in arrays:
        scores = scores_by_base(arrays["replaced"], arrays["replacements"])
    write_motif_arrays(folder, arrays["codes"], scores)
    write_explanation(folder, table, arrays["id"], arrays["prediction"])


def motif_arrays(codes, scores):
    """One-hot bases and contributions, (n, 4, L) each, from leave-one-out scores.

    Parameters
    ----------
    codes : integer array (n, L)
        Base codes; 4 or more is no base.
    scores : array (n, L) or (n, L, 4)
        Leave-one-out scores of masking or removing, or of replacing by A, C, G and T; NaN where there is none.

    Returns
    -------
    one_hot, contributions : float32 arrays (n, 4, L)
        A contribution is minus the score, since leaving out what supports a prediction lowers it. Replacement scores
        give hypothetical contributions: what each base would contribute, relative to the mean of all four there.
    """
    codes = np.asarray(codes)
    one_hot = (codes[:, None] == np.arange(4)[None, :, None]).astype(np.float32)
    scores = np.nan_to_num(np.asarray(scores, np.float32))
    if scores.ndim == 2:
        return one_hot, one_hot * -scores[:, None]
    effect = scores.transpose(0, 2, 1)
    known = one_hot.any(1, keepdims=True)
    return one_hot, np.where(known, effect - effect.mean(1, keepdims=True), 0).astype(np.float32)


def scores_by_base(scores, replacements):
    """Replacement scores (n, L, R) by the base that was put in, (n, L, 4), whatever kind of token it came as.

    A base that was not put in (the one that is there) scores 0; positions without any score stay NaN.
    """
    bases = np.array([str(name)[:1].upper() for name in replacements])
    by_base = np.full((*scores.shape[:2], 4), np.nan, np.float32)
    for i, base in enumerate("ACGT"):
        chosen = scores[:, :, bases == base]
        known = ~np.isnan(chosen)
        total = np.where(known, chosen, 0).sum(2)
        by_base[:, :, i] = np.where(known.any(2), total / known.sum(2).clip(1), np.nan)
    scored = ~np.isnan(by_base).all(2)
    by_base[scored] = np.nan_to_num(by_base[scored])
    return by_base


def write_motif_arrays(folder, codes, scores):
    """Write `motif_arrays` as one_hot.npz and contributions.npz, each with one array arr_0."""
    for name, array in zip(("one_hot", "contributions"), motif_arrays(codes, scores), strict=True):
        with atomic_path(Path(folder) / f"{name}.npz") as path:
            np.savez_compressed(path, array)


def write_explanation(folder, table, ids, prediction):
    """Leave-one-out scores as a `shap.Explanation` (explanation.pkl) and as plain arrays (explanation.npz).

    Values are minus the scores: what a token adds to the prediction. Where there are several replacements, their mean.

    Parameters
    ----------
    folder : path
    table : DataFrame
        Leave-one-out scores, as `LeaveOneOut.to_table` gives them.
    ids : sequence of str (n,)
        All sequences; one whose tokens have no score is left out.
    prediction : array (n,)
        What the scores of each sequence are differences from.
    """
    import pickle

    from shap import Explanation

    own = dict(transcripts_of(table))
    found = [i for i, name in enumerate(ids) if name in own]
    names, own = [ids[i] for i in found], [own[ids[i]] for i in found]
    values = [-rows["loo"].to_numpy(np.float64) for rows in own]
    tokens = [rows["token"].to_numpy(object) for rows in own]
    prediction = np.asarray(prediction, np.float64)[found]
    explanation = Explanation(values=_ragged(values), base_values=prediction, data=_ragged(tokens))
    with atomic_path(Path(folder) / "explanation.pkl") as path:
        path.write_bytes(pickle.dumps(explanation))
    with atomic_path(Path(folder) / "explanation.npz") as path:
        np.savez_compressed(
            path,
            id=np.array(names, dtype=str),
            length=np.array([len(part) for part in values]),
            values=np.concatenate([*values, np.zeros(0)]),
            tokens=np.concatenate([*tokens, np.zeros(0, object)]).astype(str),
            prediction=prediction,
        )


def _ragged(parts):
    if not parts:
        return np.zeros((0, 0))  # shap takes no empty array of objects
    array = np.empty(len(parts), dtype=object)
    array[:] = parts
    return array


def _number(value):
    return value.item() if hasattr(value, "item") else value


def _write_csv(table, path):
    with atomic_path(path) as temporary:
        table.to_csv(temporary, index=False)


def _write_json(content, path):
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")
