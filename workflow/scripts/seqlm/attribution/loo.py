"""Leave-one-out scores: what a prediction gains or loses when one base is removed, masked or replaced.

The score of an edit is ``prediction(edited) - prediction(original)``: negative where the base supports the
prediction. This file holds the meaning; `Reference` computes it the plain way, each edited copy through the whole
network. For our own networks only what an edit can reach is computed again (`windowed`, `widening`, `prefix`,
`recurrent`), with the same result.
"""

import importlib
from itertools import groupby

import torch
from tqdm import tqdm

from seqlm.attribution.atomic import AtomicInputs
from seqlm.attribution.inputs import Inputs, TextInputs, layout_read_by
from seqlm.attribution.result import gather
from seqlm.attribution.shift import chunks, edited_copies, run_starts
from seqlm.common.classes import class_number
from seqlm.common.errors import InputError
from seqlm.datasets.scaling import unscale
from seqlm.inference.prediction import as_module, check_lengths, choose_batch_size, encode, prepared
from seqlm.inference.reading import check_size, readable

EDITS = ("remove", "mask", "replace", "replacespecifier")
# Exact fast paths, by the model_type of a model's config. A class's `supports` has the last word.
FAST_PATHS = {
    "seqlm-cnn": ("seqlm.attribution.fast.windowed", "Windowed"),
    "seqlm-dilated": ("seqlm.attribution.fast.widening", "Widening"),
    "seqlm-backbone": ("seqlm.attribution.fast.prefix", "Prefix"),
    "seqlm-saluki": ("seqlm.attribution.fast.recurrent", "Recurrent"),
}
# Edits worked on together: enough to fill a path's batches, few enough to hold a whole track for each.
EDITS_AT_ONCE = {"cpu": 2**10, "cuda": 2**15}


def leave_one_out(
    model,
    sequences,
    edit="remove",
    replacements=None,
    reduce="sum",
    class_index="predicted",
    method="auto",
    batch_size=None,
    dtype=None,
    device=None,
    func=None,
    verbose=False,
    positions=None,
):
    """Leave-one-out scores of every position.

    Parameters
    ----------
    model : torch.nn.Module or path
        One of our models, the folder of a bundle, or any module that takes one-hot (N, 4, L)
        and returns (N,), (N, 1) or (N, classes).
    sequences : list of str
        Bases, in either case, with T or U (spelled as for `seqlm.predict`); separated tokens for a model of atomic
        tokens. What is longer than the model reads is cut as in a prediction, and the rest has no score.
    edit : {"remove", "mask", "replace", "replacespecifier"}
        "remove" deletes the position: what follows moves up by one and no base fills the
        free end, so the input keeps its length. "mask" puts no base: a zero column, an
        embedding of zero. "replace" puts other tokens. "replacespecifier" also puts each token
        that carries specifiers without them.
    replacements : list of str, or dict of str to list of str, optional
        The tokens that "replace" puts everywhere, or by the token that is there. A, C, G and
        T when left out (saturation mutagenesis). A token put in its own place scores 0.
    reduce : {"sum", "mean", "track"} or callable
        How tracks are compared: summed (default) or averaged over the sequence's own
        positions, or by a function (N, L) -> (N,). "track" keeps every position's difference.
    class_index : {"predicted", "all"}, str or int
        Which class's logit is compared: that of the class predicted for the original, all, or this one: by name, or
        where no class has this name by number from 0.
    method : {"auto", "reference"}
        "auto" recomputes only what an edit can reach where there is a path for the network, and of a run of
        equal bases removes one.
    batch_size : int, optional
        Copies in a batch on the reference path; chosen by their length when left out.
    dtype : str or torch.dtype, optional
        "bfloat16" computes in 16 bits: faster, no longer exact.
    device : str or torch.device, optional
        CUDA when there is any, else the CPU.
    func : callable, optional
        Applied to every output of the model first; takes the reference path.
    verbose : bool
        Show a progress bar.
    positions : list of sequence of int, optional
        Which positions of each sequence are scored; the others are NaN. All when left out.

    Returns
    -------
    LeaveOneOut

    Raises
    ------
    ValueError
        No sequences.
    InputError
        An option that does not exist, or options that do not go together.
    """
    if isinstance(sequences, str) or len(sequences) == 0:
        raise ValueError("leave_one_out needs a list of at least one sequence")
    check_size("batch_size", batch_size)
    if edit not in EDITS:
        raise InputError("edit", f"no such edit: {edit}", f"use one of {', '.join(EDITS)}")
    if method not in ("auto", "reference"):
        raise InputError("method", f"no such method: {method}", "use auto or reference")
    model = as_module(model)
    inputs = make_inputs(model, readable(model, sequences), edit, replacements)
    compare = _Comparison(model, reduce, class_index)
    results = [None] * len(sequences)
    with prepared(model, dtype, device) as run:
        path = _choose_path(model, run, inputs, method, func, batch_size)
        total = sum(len(tokens) for tokens in inputs.tokens)
        once_a_run = edit == "remove" and method == "auto" and positions is None
        progress = tqdm(total=total, disable=not verbose, desc="leave one out", unit="position", unit_scale=True)
        for rows in _batches(inputs, run.device):
            X = inputs.encode(rows)
            asked = inputs.asked(rows)
            if positions is not None:
                asked &= _at([positions[index] for index in rows], asked.shape[1])[..., None]
            unchanged = asked & inputs.unchanged(rows, X, asked.shape[1])
            computed = asked & ~unchanged
            starts = run_starts(X, asked.shape[1]) if once_a_run and isinstance(X, torch.Tensor) else None
            if starts is not None:
                computed &= (starts == torch.arange(asked.shape[1]))[..., None]
            where = computed.nonzero(as_tuple=True)
            read = torch.tensor([len(inputs.tokens[index]) for index in rows])
            weights = compare.weights(read, inputs.lengths[rows[0]])
            prediction, delta, classes = compare(*path(X, *where, weights), where[0], weights)
            values = torch.full((*asked.shape, *delta.shape[1:]), torch.nan)
            values[where], values[unchanged] = delta.float(), 0.0
            if starts is not None:
                values = values[torch.arange(len(rows))[:, None], starts]
                values[~asked] = torch.nan
            for local, index in enumerate(rows):
                results[index] = values[local], prediction[local], classes[local], unchanged[local]
            progress.update(int(read.sum()))
        progress.close()
    return gather(results, inputs, compare.classes)


class Reference:
    """Every edited copy through the whole network.

    Called with sequences and edits, a path returns the predictions for the sequences and
    the differences the edits make, as float64:

    ==================  ==============  =======================
    output              prediction      difference, M edits
    ==================  ==============  =======================
    track               (n, L)          (M, L)
    track with weights  (n, L)          (M,) weighted sum
    scalar, class       (n, ...)        (M, ...)
    ==================  ==============  =======================
    """

    def __init__(self, run, inputs, batch_size=None, func=None):
        self.run, self.inputs, self.batch_size, self.func = run, inputs, batch_size, func

    def __call__(self, X, row, position, choice, weights=None):
        prediction = self._predict(X if isinstance(X, torch.Tensor) else encode(self.inputs.model, X)).double()
        length = X.shape[-1] if isinstance(X, torch.Tensor) else max(map(len, X))
        size = self.batch_size or choose_batch_size(length, self.run.device, self.run.model)
        delta = []
        for chunk in chunks(len(row), size):
            copies = self._copies(X, row[chunk], position[chunk], choice[chunk])
            difference = self._predict(copies).double() - prediction[row[chunk]]
            delta.append(difference if weights is None else (difference * weights[row[chunk]]).sum(-1))
        empty = prediction[:0] if weights is None else prediction.new_zeros(0)
        return prediction, torch.cat(delta) if delta else empty

    def _predict(self, X):
        y = self.run(X, func=self.func)
        return y.squeeze(1) if y.ndim == 2 and y.shape[1] == 1 and not hasattr(self.run.model, "encode") else y

    def _copies(self, X, row, position, choice):
        if isinstance(self.inputs, TextInputs):
            return self.inputs.edited(row, position, choice, X)
        column = None if self.inputs.edit == "remove" else self.inputs.columns_at(X, row, position, choice)
        return edited_copies(X, row, position, column, self.inputs.blank)


class _Comparison:
    """How predictions become numbers that are compared: tracks reduced, classes chosen."""

    def __init__(self, model, reduce, class_index):
        config = getattr(model, "config", None)
        self.target = getattr(config, "target", None)
        self.names = getattr(config, "classes", None)
        self.scaling = getattr(config, "label_scaling", None)
        self.reduce, self.class_index = reduce, class_index
        if not callable(reduce) and reduce not in ("sum", "mean", "track"):
            raise InputError("reduce", f"no such reduction: {reduce}", "use sum, mean, track or a function")
        if class_index not in ("predicted", "all"):
            self.class_index = class_number(class_index, self.names or ())
        if class_index != "predicted" and self.target not in ("class", None):
            raise InputError("class_index", f"the model's target is {self.target}: no classes", "leave it out")
        self.classes = None  # names, or numbers, of what the last axis stands for

    def weights(self, read, length):
        """(n, length) weight of each position of a track in its sum; None where no sum is wanted."""
        if self.target != "track" or self.reduce not in ("sum", "mean"):
            return None
        weights = (torch.arange(length) < read[:, None]).double()
        return weights / read.clamp(min=1)[:, None] if self.reduce == "mean" else weights

    def __call__(self, prediction, delta, row, weights):
        """Reduced prediction (n, ...), difference (M, ...) and predicted class (n) of each sequence."""
        nothing = [None] * len(prediction)
        if self.target == "track":
            if weights is not None:
                return (prediction * weights).sum(-1), delta, nothing
            if callable(self.reduce):
                reduced = self.reduce(prediction)
                changed = self.reduce(prediction[row] + delta) - reduced[row] if len(row) else reduced[:0]
                return reduced, changed, nothing
            return prediction, delta, nothing
        if prediction.ndim == 1:
            original = unscale(prediction, self.scaling)
            return original, unscale(prediction[row] + delta, self.scaling) - original[row], nothing
        best = prediction.argmax(1)
        classes = [self.names[index] if self.names else index for index in best.tolist()]
        if self.class_index == "all":
            self.classes = self.names or list(range(prediction.shape[1]))
            return prediction, delta, classes
        if self.class_index != "predicted" and self.class_index >= prediction.shape[1]:
            problem, last = f"there is no class {self.class_index}", prediction.shape[1] - 1
            raise InputError("class_index", problem, f"use predicted, all, or a number from 0 to {last}")
        chosen = best if self.class_index == "predicted" else torch.full_like(best, self.class_index)
        return prediction.gather(1, chosen[:, None])[:, 0], delta.gather(1, chosen[row][:, None])[:, 0], classes


def make_inputs(model, sequences, edit, replacements=None):
    """The `Inputs` that fit a model.

    Base codes, token ids of a character tokenizer, atomic tokens, and one-hot for foreign modules have one column per
    token: an edit changes a column. For any other model (k-mers, byte pairs, hub tokenizers) the text is edited and
    encoded again.
    """
    check_lengths(model, sequences)
    if layout_read_by(model) is not None:
        return AtomicInputs(model, sequences, edit, replacements)
    if edit == "replacespecifier":
        raise InputError("edit replacespecifier", "the model reads no specifiers", "use edit: replace")
    tokenizer = getattr(model, "tokenizer", None)
    kind = tokenizer.init_kwargs.get("seqlm", {}).get("kind") if tokenizer is not None else None
    by_column = not hasattr(model, "encode") or kind == "character" or getattr(model, "reads_bases", False)
    return (Inputs if by_column else TextInputs)(model, sequences, edit, replacements)


def _at(positions, width):
    """(n, width) bool: whether a position is one of its sequence's."""
    chosen = torch.zeros(len(positions), width, dtype=torch.bool)
    for row, own in zip(chosen, positions, strict=True):
        row[torch.as_tensor(list(own), dtype=torch.long)] = True
    return chosen


def _choose_path(model, run, inputs, method, func, batch_size):
    """The fast path for a model where there is one and it is wanted, else the reference."""
    entry = FAST_PATHS.get(getattr(getattr(model, "config", None), "model_type", None))
    if method == "auto" and func is None and entry and not isinstance(inputs, TextInputs):
        path = getattr(importlib.import_module(entry[0]), entry[1])
        if path.supports(model):
            return path(run, inputs)
    return Reference(run, inputs, batch_size, func)


def _batches(inputs, device):
    """Lists of sequences that are scored together: equal input length, a bounded number of edits."""
    limit = EDITS_AT_ONCE[torch.device(device).type]
    order = sorted(range(len(inputs.tokens)), key=inputs.lengths.__getitem__)
    for _, members in groupby(order, key=inputs.lengths.__getitem__):
        rows, edits = [], 0
        for index in members:
            count = len(inputs.tokens[index]) * max(1, len(inputs.names))
            if rows and edits + count > limit:
                yield rows
                rows, edits = [], 0
            rows.append(index)
            edits += count
        yield rows
