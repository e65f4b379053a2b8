"""Interactions of two positions: what editing both does beyond the sum of what editing each does.

``I(i, j) = [f(both) - f(x)] - [f(i) - f(x)] - [f(j) - f(x)]``. The first two make ``f(both) - f(i)``, the effect of the
edit at j on the sequence that is edited at i. So each edited sequence is scored as any other is, by the exact fast path
where there is one: P edited sequences and P (P - 1) / 2 edits of them.
"""

from dataclasses import dataclass

import numpy as np

from seqlm.attribution.inputs import BASES, layout_read_by
from seqlm.attribution.loo import leave_one_out
from seqlm.common.classes import class_number
from seqlm.common.errors import InputError
from seqlm.inference.prediction import as_module

EDITS = ("mask", "replace")


@dataclass
class Interactions:
    """Effects of editing P positions of a sequence, each alone and two at a time.

    Attributes
    ----------
    positions : list of int
        In order.
    single : numpy.ndarray, float64
        (P,) prediction after the edit minus the prediction before it.
    both : numpy.ndarray, float64
        (P, P), symmetric: the same after both edits; NaN on the diagonal.
    """

    positions: list
    single: np.ndarray
    both: np.ndarray

    @property
    def interaction(self):
        """(P, P), symmetric: effect of both minus the sum of effects; NaN on the diagonal."""
        return self.both - self.single[:, None] - self.single


def interactions(model, sequence, positions, edit="mask", class_index="predicted", method="auto", device=None):
    """Interactions between positions of a sequence.

    Parameters
    ----------
    model : torch.nn.Module or path
        As for `leave_one_out`; one that reads bases.
    sequence : str
    positions : sequence of int
        From 0.
    edit : {"mask", "replace"}
        "replace": the mean over the bases that are not there, for two positions over their nine pairs.
    class_index : "predicted", str or int
        Whose logit is compared; that of the class predicted for the unedited sequence.
    method : {"auto", "reference"}
        See `leave_one_out`. Both give the same.
    device : str or torch.device, optional

    Returns
    -------
    Interactions

    Raises
    ------
    InputError
        Another edit; a model of atomic tokens.
    """
    model = as_module(model)
    if edit not in EDITS:
        raise InputError("interactions, edit", f"no such edit: {edit}", f"use {' or '.join(EDITS)}")
    if layout_read_by(model) is not None:
        raise InputError("interactions", "the model reads atomic tokens", "use a model of bases")
    positions = sorted({int(position) for position in positions})
    puts = {i: [b for b in BASES if b != _base(sequence[i])] if edit == "replace" else ["N"] for i in positions}
    edited = [(n, put) for n, i in enumerate(positions) for put in puts[i]]
    texts = [sequence[: positions[n]] + put + sequence[positions[n] + 1 :] for n, put in edited]
    later = [positions] + [positions[n + 1 :] for n, _ in edited]
    classes = getattr(getattr(model, "config", None), "target", None) == "class"
    scored = leave_one_out(
        model, [sequence, *texts], edit, class_index="all" if classes else class_index, method=method, device=device,
        positions=later,
    )  # fmt: skip
    scores = scored.scores.astype(float)
    if classes:
        wanted = scored.predicted[0] if class_index == "predicted" else class_index
        names = [str(name) for name in scored.classes]
        scores = scores[..., class_number(wanted, names)]
    if edit == "mask":
        scores = scores[:, :, None]
    effects = _over_others(scores, sequence, positions, edit)  # (1 + copies, P)
    # What each edit does by itself: the first row holds all of them.
    alone = {(n, put): scores[0, positions[n], BASES.find(put) if edit == "replace" else 0] for n, put in edited}
    both, count = np.zeros((len(positions), len(positions))), np.zeros(len(positions))
    for row, (n, put) in enumerate(edited, start=1):
        both[n] += alone[n, put] + np.where(np.arange(len(positions)) > n, effects[row], 0)
        count[n] += 1
    both = np.triu(both / np.maximum(count, 1)[:, None], 1)
    both = both + both.T
    np.fill_diagonal(both, np.nan)
    return Interactions(positions, effects[0], both)


def _over_others(scores, sequence, positions, edit):
    """Effect at each position (copies, P): of replacing the mean over the bases that are not there."""
    at = scores[:, positions]
    if edit == "mask":
        return at[..., 0]
    other = np.array([[base != _base(sequence[i]) for base in BASES] for i in positions])
    return np.where(other, at, 0).sum(2) / other.sum(1)


def _base(letter):
    return letter.upper().replace("U", "T")
