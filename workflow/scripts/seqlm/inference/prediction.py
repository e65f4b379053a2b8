"""Predictions of any torch module or bundle, in batches, for any number of inputs and outputs.

`predict` and `predict_cross` take the arguments, and keep the behaviour, of tangermeme's functions of these
names, so either can stand in for the other. On top of that, ``model`` may be the folder of a bundle and ``X`` a
list of sequences.
"""

import os
from contextlib import contextmanager, nullcontext
from functools import partial
from itertools import groupby

import torch
from tqdm import tqdm

from seqlm.common.errors import InputError
from seqlm.common.memory import in_parts, out_of_memory
from seqlm.inference.reading import check_size, check_tensors, encoded, readable
from seqlm.sequences import base_codes

# Positions (sequences x length) in one batch when the caller names no batch size. On a CPU a batch whose
# activations stay in the cache is fastest; a GPU wants many more positions at once to be busy.
CPU_POSITIONS, GPU_POSITIONS = 2**13, 2**19
# A longer input is cut into pieces where a network says its reach. A piece is at least this many times as long as the
# reach, so that little is computed twice.
REACHES = 16


def predict(model, X, args=None, func=None, batch_size=None, dtype=None, device=None, verbose=False):
    """Predictions for every example, in batches, without gradients.

    Parameters
    ----------
    model : torch.nn.Module or path
        Any module, or the folder of a bundle. Its device and the training mode of every
        submodule are as before afterwards.
    X : torch.Tensor, shape (N, ...), or list of str
        Examples along the first axis, kept in their own dtype and cast batch by batch.
        Sequences are encoded by ``model.encode`` where the model has one, else one-hot
        (N, 4, length), in batches of equal length, so that padding never touches a result.
        Case and U or T make no difference, and what is no base is read as N, as on the command line.
    args : sequence of torch.Tensor, optional
        Further inputs of the model, each with N rows, cast like `X`.
    func : callable, optional
        Applied to each batch's output, on the device.
    batch_size : int, optional
        Examples in a batch; chosen by the size of an example when left out.
    dtype : str or torch.dtype, optional
        Dtype of the inputs; 16-bit ones turn on autocast. The model's own when left out.
    device : str or torch.device, optional
        CUDA when there is any, else the CPU.
    verbose : bool
        Show a progress bar.

    Returns
    -------
    torch.Tensor or list of torch.Tensor
        On the CPU, in the order of `X`. A list when the model returns several tensors,
        or when sequences of unequal length give outputs of unequal shape (one per sequence).

    Raises
    ------
    ValueError
        `X` is empty or one text, `batch_size` below 1, or an element of `args` no tensor or of another number of rows.
    InputError
        A batch needs more memory than there is.

    Notes
    -----
    A model that says in ``reach`` how many positions on either side a value of its track depends on (`cnn`) predicts
    long sequences in overlapping pieces: the same values, in memory that grows by the values alone. Any other model
    reads a sequence as a whole; cut long ones into windows for it.
    """
    check_size("batch_size", batch_size)
    if len(X) == 0:
        raise ValueError("predict needs at least one example, but X is empty")
    model = as_module(model)
    if args is not None:
        check_tensors(args)
        for arg in args:
            if arg.shape[0] != len(X):
                raise ValueError(f"every element of args must have as many rows as X ({len(X)}), not {arg.shape[0]}")
    if not isinstance(X, torch.Tensor):
        return _predict_sequences(model, readable(model, X), args, func, batch_size, dtype, device, verbose)
    with prepared(model, dtype, device) as run:
        size = batch_size or choose_batch_size(X[0].shape[-1] if X.ndim > 1 else 1, run.device, model)
        outputs = []
        for start in tqdm(range(0, len(X), size), disable=not verbose, desc="predict", unit="batch"):
            batch = slice(start, start + size)
            outputs.append(run(X[batch], [arg[batch] for arg in args] if args is not None else (), func))
    return _join(outputs)


def predict_cross(model, X, args, func=None, batch_size=None, dtype=None, device=None, verbose=False):
    """Predictions for every example of `X` with every row of `args`.

    The rows of the elements of `args` belong together: row j of each goes with row j of
    the others. One batch of pairs is made at a time; the whole cross never exists.

    Parameters
    ----------
    model, X, func, batch_size, dtype, device, verbose
        As for `predict`; sequences must be of one length.
    args : sequence of torch.Tensor
        Each with the same number of rows, M.

    Returns
    -------
    torch.Tensor or list of torch.Tensor
        Shape (N, M, ...).

    Raises
    ------
    ValueError
        `X` or an element of `args` is empty, or the elements differ in their number of rows; see also `predict`.
    """
    check_size("batch_size", batch_size)
    check_tensors(args)
    if len(X) == 0:
        raise ValueError("predict_cross needs at least one example, but X is empty")
    rows = {len(arg) for arg in args}
    if len(rows) != 1 or 0 in rows:
        raise ValueError(f"the elements of args must have the same number of rows, at least one; got {sorted(rows)}")
    model = as_module(model)
    if not isinstance(X, torch.Tensor):
        X = encode(model, readable(model, X))
    n, m = len(X), rows.pop()
    with prepared(model, dtype, device) as run:
        size = batch_size or choose_batch_size(X[0].shape[-1] if X.ndim > 1 else 1, run.device, model)
        outputs = []
        for start in tqdm(range(0, n * m, size), disable=not verbose, desc="predict", unit="batch"):
            pair = torch.arange(start, min(start + size, n * m))
            example, row = pair // m, pair % m
            outputs.append(run(X[example], [arg[row] for arg in args], func))
    y = _join(outputs)
    return [part.unflatten(0, (n, m)) for part in y] if isinstance(y, list) else y.unflatten(0, (n, m))


def encode(model, sequences):
    """Model input for sequences: the model's own encoding, else one-hot float32 (N, 4, length), no base = 0."""
    if hasattr(model, "encode"):
        return model.encode(sequences)
    lengths = {len(sequence) for sequence in sequences}
    if len(lengths) > 1:
        raise ValueError(f"this model takes sequences of one length, got lengths {min(lengths)} to {max(lengths)}")
    codes = torch.from_numpy(base_codes(sequences))
    return torch.nn.functional.one_hot(codes.long(), 5)[..., :4].transpose(1, 2).float().contiguous()


def check_lengths(model, sequences, where="sequence"):
    """Refuse sequences of another length than those that a model which keeps positions was trained on."""
    bases = getattr(getattr(model, "config", None), "bases", None)
    other = next((len(sequence) for sequence in sequences if bases and len(sequence) != bases), None)
    if other is not None:
        from seqlm.models.heads import other_length

        raise other_length(other, bases, where, "bases")


def choose_batch_size(length, device, model=None):
    """Examples of `length` positions that keep the device busy without filling its memory.

    A model that cuts batches into pieces itself says in ``least_batch`` how many it wants at once.
    """
    positions = GPU_POSITIONS if torch.device(device).type == "cuda" else CPU_POSITIONS
    return max(getattr(model, "least_batch", 1), positions // max(1, length))


def as_module(model):
    """The module itself, or the one loaded from a bundle's folder."""
    if isinstance(model, (str, os.PathLike)):
        from seqlm.models.bundle import load_model

        return load_model(model)
    return model


@contextmanager
def prepared(model, dtype=None, device=None):
    """Put a module on its device in evaluation mode for a block; yield ``run(X, args, func)`` for one batch.

    On leaving, the module's device and the mode of each of its submodules are restored.
    """
    if device is None:
        device = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(device)
    if isinstance(dtype, str):
        dtype = getattr(torch, dtype)
    parameter = next(model.parameters(), None)
    if dtype is None:
        dtype = torch.float32 if parameter is None else parameter.dtype
    home = None if parameter is None else parameter.device
    modes = [(module, module.training) for module in model.modules()]
    try:
        if home != device:
            model.to(device)
        model.eval()
        with torch.no_grad():
            yield _Run(model, dtype, device)
    finally:
        for module, training in modes:
            module.training = training
        if home is not None and home != device:
            model.to(home)


class _Run:
    """One forward pass: a batch to the device, through the model and `func`, back to the CPU."""

    def __init__(self, model, dtype, device):
        self.model, self.dtype, self.device = model, dtype, device
        self.keeps_codes = hasattr(model, "encode")
        low = dtype in (torch.float16, torch.bfloat16) or (device.type == "cuda" and dtype != torch.float32)
        self.context = (lambda: torch.autocast(device.type, dtype)) if low else nullcontext

    def to_device(self, X):
        narrow = not X.dtype.is_floating_point and X.element_size() < self.dtype.itemsize
        # Small integers travel as they are and grow on the device; other casts are made before the copy.
        return X.to(self.device).to(self.dtype) if narrow else X.to(self.dtype).to(self.device)

    def __call__(self, X, args=(), func=None):
        try:
            parts = in_parts(lambda start, end: self._batch(X[start:end], [arg[start:end] for arg in args]), len(X))
        except RuntimeError as error:
            if not out_of_memory(error):
                raise
            problem = f"one of {X.shape[-1]:,} positions needs more memory than there is"
            raise InputError("predict", problem, "cut long sequences into windows") from None
        y = parts[0] if len(parts) == 1 else _join(parts)
        if func is not None:
            y = func(y)
        if isinstance(y, torch.Tensor):
            return y.cpu()
        if isinstance(y, (list, tuple)):
            return tuple(part.cpu() for part in y)
        raise ValueError(f"the model returned {type(y).__name__}; predict needs a tensor or several tensors")

    def _batch(self, X, args):
        with self.context():
            piece = None if args else self._piece(X)
            return self._in_pieces(X, piece) if piece else self._forward(X, args)

    def _forward(self, X, args=()):
        # Our models read base codes and token ids, (N, length) integers, as they are.
        codes = self.keeps_codes and X.ndim == 2 and not X.dtype.is_floating_point
        return self.model(X.to(self.device) if codes else self.to_device(X), *[self.to_device(arg) for arg in args])

    def _piece(self, X):
        """Positions to predict at a time, or None for all."""
        reach = getattr(self.model, "reach", None) if self.keeps_codes else None
        if reach is None:
            return None
        positions = GPU_POSITIONS if self.device.type == "cuda" else CPU_POSITIONS
        size = max(positions, REACHES * reach)
        return size if X.shape[-1] > size + reach else None

    def _in_pieces(self, X, size):
        """What the model makes of all of X (N, .., length), piece by piece, each with its neighbours within reach."""
        length, reach, y = X.shape[-1], self.model.reach, None
        for start in range(0, length, size):
            end, first = min(start + size, length), max(start - reach, 0)
            part = self._forward(X[..., first : end + reach])[..., start - first : end - first]
            if y is None:
                y = part.new_empty(*part.shape[:-1], length)
            y[..., start:end] = part
        return y


def _join(outputs):
    if isinstance(outputs[0], torch.Tensor):
        return outputs[0] if len(outputs) == 1 else torch.cat(outputs)
    return [torch.cat(parts) for parts in zip(*outputs, strict=True)]


def _predict_sequences(model, sequences, args, func, batch_size, dtype, device, verbose):
    """Encode batch by batch; sequences of equal length go together, results return to the order they came in."""
    check_lengths(model, sequences)
    fixed = getattr(getattr(model, "config", None), "length", None)
    lengths = [fixed or len(sequence) for sequence in sequences]
    order = sorted(range(len(sequences)), key=lengths.__getitem__)
    groups = []
    with prepared(model, dtype, device) as run:
        for length, members in groupby(order, key=lengths.__getitem__):
            members = list(members)
            size = batch_size or choose_batch_size(length, run.device, model)
            groups += [members[start : start + size] for start in range(0, len(members), size)]
        outputs = []
        for group in tqdm(groups, disable=not verbose, desc="predict", unit="batch"):
            names = [f"sequence {index + 1}" for index in group]
            X = encoded(partial(encode, model), [sequences[index] for index in group], names)
            outputs.append(run(X, [arg[group] for arg in args] if args is not None else (), func))
    position = torch.empty(len(sequences), dtype=torch.long)
    position[torch.tensor([index for group in groups for index in group])] = torch.arange(len(sequences))
    shapes = {part.shape[1:] for part in outputs if isinstance(part, torch.Tensor)}
    if len(shapes) > 1:
        rows = [row for part in outputs for row in part]
        return [rows[index] for index in position.tolist()]
    y = _join(outputs)
    return [part[position] for part in y] if isinstance(y, list) else y[position]


def predict_targets(model, sequences, batch_size=None, dtype=None, device=None, verbose=False):
    """Predictions in the units of the labels.

    Parameters
    ----------
    model : SequenceModel or path
    sequences : list of str
    batch_size, dtype, device, verbose
        As for `predict`.

    Returns
    -------
    list of numpy.ndarray, or numpy.ndarray
        Track: one array per sequence, as long as the sequence is (or as much of it as the model reads). Scalar: (N,),
        the scaling of the training labels undone. Class: probabilities (N, classes).
    """
    from seqlm.datasets.scaling import unscale

    model = as_module(model)
    sequences = readable(model, sequences)  # white space in them has no value of a track
    y = predict(model, sequences, batch_size=batch_size, dtype=dtype, device=device, verbose=verbose)
    if model.config.target == "track":
        return [track[: len(sequence)].float().numpy() for track, sequence in zip(y, sequences, strict=True)]
    if model.config.target == "scalar":
        return unscale(y.double(), model.config.label_scaling).numpy()
    return torch.softmax(y.double(), -1).numpy()
