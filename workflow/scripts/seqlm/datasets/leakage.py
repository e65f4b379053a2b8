"""What of a test part is similar to what was trained on."""

import numpy as np
import pandas as pd

from seqlm.sequences.similarity import nearest_shares


def leakage(examples, folds, threshold=0.5):
    """How much of the test part has a near-copy in the training part.

    Parameters
    ----------
    examples : DataFrame with id, sequence
    folds : DataFrame
        As from `make_folds`.
    threshold : float
        Share of a test example's k-mers found in a single training example above which it counts as leaked.

    Returns
    -------
    DataFrame
        One row a fold: fold, test (examples), leaked (examples), fraction, threshold, median_share.
    """
    sequence = examples.set_index("id")["sequence"]
    rows = []
    for fold, table in folds.groupby("fold"):
        train, test = (sequence.loc[table.loc[table["part"] == part, "id"]].tolist() for part in ("train", "test"))
        share = nearest_shares(test, train)
        leaked = int((share > threshold).sum())
        rows.append((fold, len(test), leaked, leaked / len(test), threshold, float(np.median(share))))
    return pd.DataFrame(rows, columns=["fold", "test", "leaked", "fraction", "threshold", "median_share"])
