"""Leave-one-out scores of a dataset's examples, as the workflow's tables.

================================  ===================================================================
attributions/.../<model>.parquet one row per edit, see `LeaveOneOut.to_table`
attributions/.../<model>.npz     id (n,), codes (n, L), scores (n, L), prediction (n,), known (n, L)
================================  ===================================================================
"""

import numpy as np
import pandas as pd
from tqdm import tqdm

from seqlm.attribution import leave_one_out
from seqlm.attribution.pieces import ABOUT_ALL, join_arrays, pieces, share
from seqlm.common.costs import CostLog
from seqlm.common.runtime import pick_device
from seqlm.datasets import load_dataset
from seqlm.inference.dataset_predictions import check_some, check_target
from seqlm.models.bundle import load_model
from seqlm.sequences import base_codes
from seqlm.tokenization.atomic import as_read


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
    check_target(model, data, dataset)
    chosen = _with_motif_first(data.part(fold, part), data.target, examples)
    check_some(chosen, dataset, fold, [part])
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
