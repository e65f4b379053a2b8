"""Examples that are there twice, on either strand: kept, or all but one left out."""

import pandas as pd

from seqlm.sequences import reverse_complement
from seqlm.sequences.similarity import plain_bases


def drop_duplicates(examples, target):
    """Leave out examples that another group has too, as they are or as reverse complement.

    Of a set of duplicates the group of the first stays (drawn examples come before those for training only); where
    classes contradict each other, none does.

    Parameters
    ----------
    examples : DataFrame
        id, sequence, and perhaps group, target, training_only. An example without a group is one by itself.
    target : {"track", "scalar", "class"}

    Returns
    -------
    DataFrame
        What is kept, in its order.
    dict of str to int
        duplicates and contradicting_duplicates that were left out; only what happened.
    """
    text = examples["sequence"].map(plain_bases).str.upper()
    either = pd.Series([min(one, reverse_complement(one)) for one in text], examples.index)
    group = pd.Series([("example", name) for name in examples["id"]], examples.index, dtype=object)
    if "group" in examples:
        group = examples["group"].astype(object).where(examples["group"].notna(), group)
    order = examples.index
    if "training_only" in examples:
        order = examples.sort_values("training_only", kind="stable").index
    by_text = group[order].groupby(either[order], sort=False)
    extra = group != by_text.transform("first").reindex(examples.index)
    contradicting = pd.Series(False, examples.index)
    if target == "class" and "target" in examples:
        contradicting = examples["target"].groupby(either, sort=False).transform("nunique") > 1
    counts = {
        "duplicates": int((extra & ~contradicting).sum()),
        "contradicting_duplicates": int(contradicting.sum()),
    }
    return examples[~extra & ~contradicting], {name: count for name, count in counts.items() if count}
