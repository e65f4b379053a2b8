"""Interactions of positions in a dataset's top examples, as the workflow's table."""

import numpy as np
import pandas as pd

from seqlm.attribution.pairs import interactions
from seqlm.explanation.choosing import rows_of, top_examples
from seqlm.explanation.places import LETTERS, text_of
from seqlm.models.bundle import load_model

COLUMNS = ["dataset", "model", "sequence", "position_a", "base_a", "position_b", "base_b", "effect_a", "effect_b",
           "together", "interaction"]  # fmt: skip


def dataset_interactions(model, by_model, names, settings, class_index="predicted", device=None):
    """Interactions between the positions that matter most, of the examples that all models together predict highest.

    Parameters
    ----------
    model : path
    by_model : dict of str to dict of numpy.ndarray
        Model -> its scores, as of `seqlm.attribution.dataset_scores.score_dataset`.
    names : (str, str)
        Of the dataset and the model.
    settings : dict
        examples, positions (how many of each) and edit.
    class_index
        As it was for the scores.
    device : str, optional

    Returns
    -------
    DataFrame
        `COLUMNS`, a row for each pair, sequence by sequence: positions from 0, effects of editing each, of editing both
        (together), and what both do beyond the sum.
    """
    model, own, rows = load_model(model), by_model[names[1]], []
    ids = top_examples(by_model, settings["examples"])
    for name, row in zip(ids, rows_of(own, ids), strict=True):
        codes, scores = own["codes"][row], own["scores"][row]
        known = np.flatnonzero(np.isfinite(scores) & (codes < 4))
        if len(known) < 2:
            continue
        strongest = known[np.argsort(-np.abs(scores[known]), kind="stable")[: settings["positions"]]]
        wanted = "predicted" if class_index == "all" else class_index
        found = interactions(model, text_of(codes), strongest, settings["edit"], wanted, device=device)
        a, b = np.triu_indices(len(found.positions), 1)
        at = np.array(found.positions)
        bases = LETTERS[codes[at]]
        rows.append(pd.DataFrame({
            "dataset": names[0], "model": names[1], "sequence": name,
            "position_a": at[a], "base_a": bases[a], "position_b": at[b], "base_b": bases[b],
            "effect_a": found.single[a], "effect_b": found.single[b],
            "together": found.both[a, b], "interaction": found.interaction[a, b],
        }))  # fmt: skip
    return pd.concat(rows, ignore_index=True)[COLUMNS] if rows else pd.DataFrame(columns=COLUMNS)
