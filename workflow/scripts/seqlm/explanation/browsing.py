"""What is shown of examples one by one: sequence, label, and each model's prediction, scores and motif hits."""

import numpy as np
import pandas as pd

from seqlm.explanation.choosing import rows_of, top_examples
from seqlm.explanation.places import bases_of, first_read, has_place, stretch_of_place

MOST = 50  # examples of a page
MOST_SCORES = 600_000  # of all of them together: a few megabytes
STEPS = 1000  # of a score, from nothing to the largest of its sequence


def browsing(by_model, predictions, examples, target, classes=None, hits=None, most=MOST, most_scores=MOST_SCORES):
    """The examples that models predict highest, as what a page embeds.

    Parameters
    ----------
    by_model : dict of str to dict of numpy.ndarray
        Model -> its scores, as of `seqlm.attribution.dataset_scores.score_dataset`.
    predictions : dict of str to DataFrame
        Model -> id and prediction (a track's values, a number, or probabilities) by the training that was scored.
    examples : DataFrame
        The dataset's.
    target : {"track", "scalar", "class"}
    classes : list of str, optional
        In the order of the probabilities.
    hits : dict of str to DataFrame, optional
        Model -> hits of its motifs, as of `seqlm.explanation.hits.motif_hits`.
    most, most_scores : int
        Examples, and scores of all models and examples together; one example is always shown.

    Returns
    -------
    dict
        Of numbers, text, lists and None: target, scored (examples that there are), models, examples; see `_example`
        and `_of_model`.
    """
    about = examples.drop_duplicates("id").set_index("id")
    tables = {model: table.drop_duplicates("id").set_index("id") for model, table in predictions.items()}
    ids, total = [], 0
    for name in top_examples(by_model, most):
        total += len(by_model) * len(bases_of(about.loc[name, "sequence"]))
        if ids and total > most_scores:
            break
        ids.append(name)
    rows = {model: dict(zip(ids, rows_of(arrays, ids), strict=True)) for model, arrays in by_model.items()}
    shown = []
    for name in ids:
        example, bases = about.loc[name], bases_of(about.loc[name, "sequence"])
        entry = _example(name, example, bases, target)
        for model, arrays in by_model.items():
            row = rows[model][name]
            own = _of_model(arrays["codes"][row], arrays["scores"][row], bases)
            own |= _prediction(tables[model]["prediction"].get(name), example.get("target"), target, classes)
            found = (hits or {}).get(model)
            own["hits"] = [] if found is None else _hits(found[found["example"] == name], example, bases)
            entry["models"].append(own)
        shown.append(entry)
    scored = max((len(arrays["id"]) for arrays in by_model.values()), default=0)
    return {"target": target, "scored": scored, "models": list(by_model), "examples": shown}


def _example(name, example, bases, target):
    """id, place (text, empty without one), sequence, observed (number or class; the sum of a track), track, models."""
    label, place = example.get("target"), ""
    if has_place(example, bases):
        strand = example["strand"] if example["strand"] in ("+", "-") else ""
        place = f"{example['chrom']}:{int(example['start']):,}-{int(example['end']):,} {strand}".strip()
    entry = {"id": name, "place": place, "sequence": bases, "observed": None, "track": None, "models": []}
    if target == "track" and label is not None:
        entry |= {"observed": float(np.sum(label)), "track": _rounded(label)}
    elif target == "class":
        entry["observed"] = None if pd.isna(label) else str(label)
    elif target == "scalar" and not pd.isna(label):
        entry["observed"] = float(label)
    return entry


def _of_model(codes, scores, bases):
    """first (position of the first score), scale (the largest importance) and scores: importances in steps of it."""
    known = np.flatnonzero(np.isfinite(scores))
    own = -np.asarray(scores, float)[: known[-1] + 1 if len(known) else 0]
    scale = float(np.nanmax(np.abs(own))) if len(known) else 0.0
    steps = [None if np.isnan(value) else round(STEPS * value / (scale or 1)) for value in own.tolist()]
    return {"first": first_read(bases, codes), "scale": scale, "scores": steps}


def _prediction(predicted, observed, target, classes):
    """predicted (number or class), probability (of that class), error, track."""
    out = {"predicted": None, "probability": None, "error": None, "track": None}
    if predicted is None:
        return out
    labelled = observed is not None if target == "track" else not pd.isna(observed)
    if target == "track":
        values = np.asarray(predicted, float)
        out |= {"predicted": float(values.sum()), "track": _rounded(values)}
        read = min(len(values), len(observed)) if labelled else 0
        out["error"] = float(np.abs(values[:read] - observed[:read]).mean()) if read else None
    elif target == "class":
        best = int(np.argmax(predicted))
        out |= {"predicted": str(classes[best]), "probability": float(predicted[best])}
        if labelled and str(observed) in classes:
            out["error"] = 1 - float(predicted[list(classes).index(str(observed))])
    else:
        out |= {"predicted": float(predicted), "error": abs(float(predicted) - float(observed)) if labelled else None}
    return out


def _hits(found, example, bases):
    """[start, end, strand, name] of hits in the sequence, from its first base on."""
    rows = []
    for hit in found.itertuples():
        start, end, strand = int(hit.start), int(hit.end), hit.strand
        if has_place(example, bases):
            start, end = stretch_of_place(example, start, end)
            strand = {"+": "-", "-": "+"}[strand] if example["strand"] == "-" else strand
        rows.append([start, end, strand, hit.name])
    return sorted(rows)


def _rounded(values):
    return [float(f"{value:.4g}") for value in np.asarray(values, float).tolist()]
