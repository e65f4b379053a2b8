"""What callers from Python give, brought into the form that models were trained on, or refused in one line.

The command lines and pipelines clean what they read by the same rules, so that a sequence has one prediction, however
it comes.
"""

from numbers import Integral

import torch

from seqlm.common.errors import InputError
from seqlm.sequences import clean
from seqlm.tokenization import spelled
from seqlm.tokenization.atomic import as_read, reads_tokens


class NotTensors(InputError, TypeError, AttributeError):
    """Further inputs of a model that are no tensors; tangermeme's `predict` raises one of the latter two."""


def readable(model, sequences, tokenizer=None):
    """Sequences as a model reads them.

    Parameters
    ----------
    model : torch.nn.Module
    sequences : sequence of str
    tokenizer : PreTrainedTokenizerBase, optional
        Default: ``model.tokenizer``.

    Returns
    -------
    list of str
        Upper case A, C, G, T and N, see `seqlm.sequences.clean`; as given for models of atomic tokens.

    Raises
    ------
    InputError
        A single text instead of a list, or an element that is no text or is empty.
    """
    sequences = texts(sequences)
    if reads_tokens(model, tokenizer):
        return sequences
    return [clean(sequence)[0] for sequence in as_read(model, map(str.strip, sequences))]


def written(model, sequences):
    """Sequences as the tokenizer of a model, where it has one, reads them; raises as `readable` and `spelled` do."""
    sequences, tokenizer = readable(model, sequences), getattr(model, "tokenizer", None)
    return sequences if tokenizer is None else spelled(tokenizer, sequences)


def encoded(encode, sequences, names):
    """What ``encode(sequences)`` gives; of a sequence that it cannot read, an error that says which one.

    Some are too short for a tokenizer's words, leave a rest, or have more tokens than a backbone reads.

    Parameters
    ----------
    encode : callable
    sequences : list of str
    names : sequence of str
        What errors call the sequences.
    """
    try:
        return encode(sequences)
    except InputError:
        for name, sequence in zip(names, sequences, strict=True):
            try:
                encode([sequence])
            except InputError as error:
                raise InputError(name, error.problem, error.mend) from None
        raise


def texts(sequences):
    """A list of texts, none of them empty; an `InputError` where they are something else."""
    if isinstance(sequences, (str, bytes)):
        raise InputError("sequences", "are one text, not a list of them", "give a list, [sequence] for a single one")
    if not hasattr(sequences, "__iter__"):
        raise InputError("sequences", f"are a {type(sequences).__name__}, not a list of text", "give a list of str")
    sequences = list(sequences)
    for number, sequence in enumerate(sequences, 1):
        if not isinstance(sequence, str):
            kind = type(sequence).__name__
            raise InputError(f"sequence {number}", f"is a {kind}, not text", "give a list of str, or encoded a Tensor")
        if not sequence.strip():
            raise InputError(f"sequence {number}", "is empty", "leave it out")
    return sequences


def check_size(name, size):
    """Refuse a number of things at a time, or a length, that is no whole number from one; None leaves it to us."""
    if size is None:
        return
    if isinstance(size, bool) or not isinstance(size, Integral):
        raise InputError(name, f"cannot be {size!r}", "give a whole number, or leave it out")
    if size < 1:
        raise InputError(name, f"cannot be {size}", "give 1 or more, or leave it out")


def check_tensors(args):
    """Refuse further inputs of a model that are no tensors, or have no rows."""
    if not hasattr(args, "__iter__"):
        raise NotTensors("args", f"are a {type(args).__name__}", "give a list of tensors")
    for number, arg in enumerate(args, 1):
        if not isinstance(arg, torch.Tensor):
            kind = type(arg).__name__
            raise NotTensors(f"args, element {number}", f"is a {kind}, not a tensor", "use torch.as_tensor")
        if arg.ndim == 0:
            raise InputError(f"args, element {number}", "has no rows", "give a row for each example")
