"""What every table of examples must satisfy, whatever it was made from."""

from collections import Counter

import numpy as np
import pandas as pd

from seqlm.common.errors import InputError
from seqlm.sequences import clean


def clean_examples(examples, settings, where):
    """Bring sequences into one spelling: upper-case A, C, G, T, N.

    Parameters
    ----------
    examples : DataFrame
        With id, sequence, and perhaps a track as target.
    settings : dict
        molecule ("dna" or "rna") and policy ("error", "N" or "drop").
    where : str
        Names the dataset in errors.

    Returns
    -------
    DataFrame
        Without the examples that were dropped. RNA is written with T, as models read both alike.
    dict of str to int
        Characters changed and examples left out, by reason; only what happened.
    """
    molecule, policy = settings.get("molecule", "dna"), settings.get("policy", "N")
    counts, sequences, kept = Counter(), [], []
    for name, sequence in zip(examples["id"], examples["sequence"], strict=True):
        here = f"{where}, example {name!r}"
        cleaned, found = clean(sequence, molecule, policy, here)
        if found["converted"] and policy == "error":
            letter, other = ("U", "rna") if molecule == "dna" else ("T", "dna")
            raise InputError(here, f"has {letter} but the molecule is {molecule}",
                             f"set cleaning molecule: {other}, or policy: N to accept both")  # fmt: skip
        counts.update(found)
        if cleaned == "":
            raise InputError(here, "the sequence is empty", "remove it or fill it in")
        kept.append(cleaned is not None)
        if cleaned is not None:
            sequences.append(cleaned.replace("U", "T"))
    examples = examples[kept].assign(sequence=pd.array(sequences, "str"))
    return examples, {name: int(count) for name, count in counts.items() if count}


def lengths(sequences):
    """Length of each sequence: bases, or tokens where they are separated by spaces."""
    tokens = sequences.str.contains(" ", regex=False)
    return sequences.str.len().where(~tokens, sequences.str.count(" ") + 1)


def within_lengths(examples, shortest, longest):
    """Leave out examples shorter or longer than wanted (None: any length), and count them."""
    length = lengths(examples["sequence"])
    short = length < (shortest or 0)
    long = length > (longest or np.inf)
    counts = {"too_short": int(short.sum()), "too_long": int(long.sum())}
    return examples[~short & ~long], {name: count for name, count in counts.items() if count}


def drop_unlabelled(examples, missing, where):
    """Deal with examples whose label is not known: an error, or left out (`missing` "error" or "drop").

    Returns
    -------
    DataFrame
        The labelled examples.
    dict of str to int
        How many were left out.
    """
    if "target" not in examples:
        return examples, {}
    unknown = examples["target"].isna()
    if unknown.all():
        raise InputError(where, "no example has a label", "check the label column")
    if unknown.any() and missing != "drop":
        name = examples.loc[unknown, "id"].iloc[0]
        raise InputError(f"{where}, example {name!r}", f"has no label ({int(unknown.sum())} such examples)",
                         "fill it in, or leave such examples out with missing: drop")  # fmt: skip
    return examples[~unknown], {"unlabelled": int(unknown.sum())} if unknown.any() else {}


def subsample(examples, count, seed):
    """`count` rows drawn at random without replacement, in their order; all when there are no more."""
    if count is None or count >= len(examples):
        return examples
    chosen = np.random.default_rng(seed).choice(len(examples), count, replace=False)
    return examples.iloc[np.sort(chosen)]


def check_examples(examples, target, where):
    """Raise an `InputError` for a table that nothing can be learned from.

    No examples; an id that is there twice; a track as long as something else than its sequence, or with a NaN; a
    scalar that is infinite or the same everywhere; a single class, or a class with one example.
    """
    if len(examples) == 0:
        raise InputError(where, "no examples are left", "check the source and what was filtered out")
    twice = examples["id"].duplicated()
    if twice.any():
        raise InputError(
            where, f"id {examples.loc[twice, 'id'].iloc[0]!r} is there twice", "give every example its own id"
        )
    if "target" not in examples:
        return
    if target == "track":
        for name, sequence, track in zip(examples["id"], examples["sequence"], examples["target"], strict=True):
            if len(track) != len(sequence):
                raise InputError(f"{where}, example {name!r}", f"{len(track)} scores for {len(sequence)} bases",
                                 "give one score per base")  # fmt: skip
            if not np.isfinite(track).all():
                position = int(np.argmin(np.isfinite(track))) + 1
                raise InputError(f"{where}, example {name!r}", f"the score of base {position} is not a number",
                                 "give every base a score, 0 for none")  # fmt: skip
    elif target == "scalar":
        infinite = np.isinf(examples["target"].to_numpy(float))
        if infinite.any():
            name = examples["id"].to_numpy()[infinite][0]
            raise InputError(f"{where}, example {name!r}", "the label is infinite", "correct it or leave it empty")
        if len(examples) > 1 and examples["target"].nunique() == 1:
            raise InputError(where, f"every label is {examples['target'].iloc[0]}", "check the label column")
    else:
        sizes = examples["target"].value_counts()
        if len(sizes) < 2:
            raise InputError(where, f"the only class is {sizes.index[0]!r}", "give examples of at least two classes")
        if sizes.min() < 2:
            name = sizes.index[sizes == 1][0]
            raise InputError(where, f"class {name!r} has one example", "add examples of it, or remove it")


def summarise(name, examples, target, cleaning, label):
    """summary.json of a dataset.

    Parameters
    ----------
    name, target : str
    examples : DataFrame
    cleaning : dict
        Counts of what was changed and left out.
    label : dict
        What is known about how labels came about; figures of the labels themselves are added.
    """
    length = lengths(examples["sequence"])
    if "training_only" in examples:
        label = {**label, "training_only": int(examples["training_only"].sum())}
    drawn = examples[~examples["training_only"]] if "training_only" in examples else examples
    classes = sorted(examples["target"].unique().tolist()) if target == "class" and "target" in examples else None
    return {
        "dataset": name,
        "target": target,
        "classes": classes,
        "examples": len(examples),
        "length": {"min": int(length.min()), "max": int(length.max())},
        "groups": int(examples["group"].nunique()) if "group" in examples else 0,
        "cleaning": cleaning,
        "label": {**label, **_label_figures(drawn, target)},
    }


def _label_figures(examples, target):
    if "target" not in examples:
        return {}
    if target == "class":
        return {"count": {str(name): int(count) for name, count in examples["target"].value_counts(sort=False).items()}}
    if target == "scalar":
        values = examples["target"].astype(float)
        return {figure: float(getattr(values, figure)()) for figure in ("mean", "std", "min", "max")}
    values = np.concatenate(examples["target"].tolist())
    return {"nonzero_bases": int(np.count_nonzero(values)), "bases": len(values), "max": float(values.max())}
