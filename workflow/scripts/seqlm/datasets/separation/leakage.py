"""What of a test part is like something that was trained on: the same, on the other strand, overlapping, or similar."""

import numpy as np
import pandas as pd

from seqlm.sequences import reverse_complement
from seqlm.sequences.similarity import nearest_shares, plain_bases

IDENTICAL, REVERSE, OVERLAPPING, SIMILAR = "identical", "reverse complement", "overlapping", "similar"
CONTAINED = "contained"
TRAINING = "training"  # what test examples are compared with, beside the corpora of backbones
# Share of 12-mers in one other sequence from which that one counts as similar. With random substitutions
# a share of 0.15 is an identity of 0.15 ** (1 / 12) = 85%; unrelated sequences share next to none.
SHARE = 0.15
LEAK_COLUMNS = ["fold", "id", "against", "kind", "share"]


def training_leaks(examples, folds, share=SHARE):
    """Test examples that are like an example of their fold's training part.

    Parameters
    ----------
    examples : DataFrame
        id, sequence, and perhaps chrom, start, end (of windows).
    folds : DataFrame
        As from `seqlm.datasets.separation.folds.make_folds`.
    share : float
        Share of a test example's k-mers (either strand) in a single training example that counts as similar.

    Returns
    -------
    DataFrame
        fold, id, against ("training"), share, and kind, the first that holds: "identical", "reverse complement",
        "overlapping" (similar, and a window of the same place), "similar". Only the examples that are of some kind.
    """
    table = examples.set_index("id")
    text = table["sequence"].map(plain_bases).str.upper().str.replace("U", "T")
    found = []
    for fold, places in folds.groupby("fold"):
        train, test = (places.loc[places["part"] == part, "id"] for part in ("train", "test"))
        seen = set(text[train])
        shares = nearest_shares(text[test].tolist(), text[train])
        overlap = _overlapping(table.loc[test], table.loc[train])
        kind = np.select(
            [text[test].isin(seen), text[test].map(reverse_complement).isin(seen), overlap & (shares >= share)],
            [IDENTICAL, REVERSE, OVERLAPPING], np.where(shares >= share, SIMILAR, ""),
        )  # fmt: skip
        found.append(pd.DataFrame({"fold": fold, "id": test, "against": TRAINING, "kind": kind, "share": shares}))
    found = pd.concat(found, ignore_index=True)
    return found.loc[found["kind"] != "", LEAK_COLUMNS].reset_index(drop=True)


def corpus_leaks(examples, folds, pieces, against, share=SHARE):
    """Test examples that are like a piece of the text that a language model was pretrained on.

    Parameters
    ----------
    examples, folds : DataFrame
    pieces : iterable of str
        Overlapping pieces of the text, each longer than an example.
    against : str
        The backbone's name.

    Returns
    -------
    DataFrame
        As `training_leaks`; kind is "contained" (every k-mer, on either strand, is in one piece) or "similar".
    """
    tested = folds.loc[folds["part"] == "test", ["fold", "id"]]
    sequence = examples.set_index("id")["sequence"].loc[tested["id"].unique()]
    shares = pd.Series(nearest_shares(sequence.tolist(), pieces), sequence.index)
    found = tested.assign(against=against, share=tested["id"].map(shares))
    found["kind"] = np.where(found["share"] == 1, CONTAINED, SIMILAR)
    return found.loc[found["share"] >= share, LEAK_COLUMNS].reset_index(drop=True)


def _overlapping(test, train):
    """Whether each test window shares a base with a training window: bool array."""
    if not {"chrom", "start", "end"} <= set(test) or not len(train):
        return np.zeros(len(test), bool)
    found = pd.Series(False, test.index)
    for chrom, own in test.groupby("chrom"):
        others = train[train["chrom"] == chrom].sort_values("start")
        if len(others):
            # The furthest end among windows that start before this one ends.
            before = np.searchsorted(others["start"], own["end"].to_numpy())
            furthest = np.maximum.accumulate(others["end"].to_numpy())
            found[own.index] = (before > 0) & (furthest[np.maximum(before - 1, 0)] > own["start"].to_numpy())
    return found.to_numpy()
