"""How positions are best gathered on a dataset, found by training the plain CNN each way.

Windows cut around a splice site line up and a head that keeps positions wins by far; in a table of enhancers of one
length a motif stands anywhere, and the same head learns what it sees by heart. A site that occurs somewhere wants the
maximum, composition along an mRNA the mean alone. Lengths cannot tell these apart, the validation part can. One choice
a fold serves all models of a dataset, so that they differ in nothing else by it.
"""

import tempfile

import numpy as np
import pandas as pd

from seqlm.datasets.separation.groups import group_numbers
from seqlm.evaluation.contest.sums import Sums, group_sums, jackknife_error

ANYWHERE = "mean_max", "mean"  # the first unless the other is clearly better
MOST = 10_000  # training examples that the choice is made on, at most
MOST_BASES = 2e7  # and their bases, about
SEED = 0
OF_LABELS = "label_scaling", "class_weights"  # training settings that say what is learned, not how
SIGN = {"log_loss": -1, "pearson": 1}  # whether more is better


def choose_pooling(data, fold, training=None, *, precision="auto", device="auto"):
    """Train the plain CNN with each way to gather positions, and see which validates best.

    The ways are mean and maximum, the mean alone, and positions kept where all sequences have one length. Mean and
    maximum stand unless another is better by more than the standard error of the difference, as few examples make
    any order by chance, and a network that learned nothing has a smaller loss than one that learned by heart. Each
    example counts the same, whatever its weight.

    Parameters
    ----------
    data : Dataset
        With folds and a target that is no track.
    fold : int
    training : dict, optional
        Training settings of the study; what concerns the labels is kept.
    precision, device : str

    Returns
    -------
    dict
        pooling: the best one; otherwise: the better of those that need no places, for models whose tokens have none;
        metric: what decided; validation: its value with each.
    """
    settings = {key: value for key, value in (training or {}).items() if key in OF_LABELS}
    own = data.folds[(data.folds["fold"] == fold) & (data.folds["part"] == "train")]
    own = data.examples[data.examples["id"].isin(own["id"]) & data.examples["target"].notna()]
    most = examples_at_most(own["sequence"].str.len().mean())
    if len(own) > most:
        from seqlm.datasets.subsampling import with_fewer_labels

        data = with_fewer_labels(data, fold, most, SEED)
    ways = (*ANYWHERE, *(["positions"] if data.summary["aligned"] else []))
    found = {way: _validated(data, fold, way, settings, precision=precision, device=device) for way in ways}
    return {
        "pooling": _best(found, ways),
        "otherwise": _best(found, ANYWHERE),
        "metric": found["mean"].metric,
        "validation": {way: sums.value() for way, sums in found.items()},
    }


def examples_at_most(length):
    """Training examples that the choice is made on, of such a mean length."""
    return int(min(MOST, max(MOST_BASES / max(length, 1), 200)))


def _validated(data, fold, pooling, settings, **options):
    """What the validation metric of a CNN is computed from, by groups: Sums."""
    # A plan asks `examples_at_most`, and torch takes seconds to import.
    from seqlm.evaluation.validation import read_folds
    from seqlm.training.fitting import fit_dataset_model

    model = {"network": "cnn", "pooling": pooling}
    with tempfile.TemporaryDirectory() as folder:
        fit_dataset_model(data, fold, model, settings, SEED, folder, names=("dataset", pooling), **options)
        (validated,) = read_folds([folder], data.classes)
    of = data.folds.drop_duplicates("id") if "cluster" in data.folds else data.examples
    kept_together = "cluster" if "cluster" in data.folds else "group"
    named = of.set_index("id").get(kept_together, pd.Series(None, index=of["id"], dtype=object))
    groups = group_numbers(named.reindex(validated.ids))
    y, p, metric = validated.labels, validated.predictions, "log_loss" if data.target == "class" else "pearson"
    shift = 0.0 if data.target == "class" else y.mean()
    return Sums(metric, group_sums(metric, data.target, y, p, groups, groups.max() + 1, shift))


def _best(found, ways):
    """The way with the best metric of those that are clearly better than the first, or the first."""
    sign, first = SIGN[found[ways[0]].metric], ways[0]
    known = [way for way in ways if np.isfinite(found[way].value())]
    if first not in known:  # it predicts a constant
        return max(known, key=lambda way: sign * found[way].value(), default=first)
    best, most = first, 0.0
    for way in known[1:]:
        gain = sign * (found[way].value() - found[first].value())
        error = jackknife_error(found[way].left_out() - found[first].left_out())
        if gain > max(error, most):
            best, most = way, gain
    return best
