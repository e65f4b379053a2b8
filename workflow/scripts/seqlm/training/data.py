"""Examples in arrays, whole batches at a time, in an order that a continued run repeats."""

import itertools

import numpy as np
import torch


class ArrayData(torch.utils.data.Dataset):
    """Examples in arrays; a whole batch is gathered at once.

    Parameters
    ----------
    X : array or tensor (n, ...), or an object with ``rows(index) -> tensor``
        Model inputs; memory-mapped arrays stay on disk.
    y : array or tensor (n, ...)
        float: values (NaN = not known); integer: class numbers.
    weight : array (n,), optional
        Weight of each example in the loss.
    """

    def __init__(self, X, y, weight=None):
        self.X = X
        self.y = _tensor(y)
        if self.y.is_floating_point():
            self.y = self.y.float()
            self.missing = bool(torch.isnan(self.y).any())
        else:
            self.y, self.missing = self.y.long(), False
        self.weight = None if weight is None else _tensor(weight).float()
        if not len(X) == len(self.y) == len(self.weight if weight is not None else self.y):
            raise ValueError(
                f"{len(X)} inputs, {len(self.y)} targets, {None if weight is None else len(weight)} weights"
            )

    def __len__(self):
        return len(self.y)

    def __getitems__(self, index):
        """A whole batch as a dict of tensors: X, y and, where needed, weight and known."""
        index = np.asarray(index)
        chosen = torch.from_numpy(index)
        batch = {"X": rows(self.X, index), "y": self.y[chosen]}
        if self.weight is not None:
            batch["weight"] = self.weight[chosen]
        if self.missing:
            batch["known"] = ~torch.isnan(batch["y"])
        return batch


def _tensor(array):
    return array if isinstance(array, torch.Tensor) else torch.from_numpy(np.ascontiguousarray(array))


def rows(array, index):
    """Rows `index` of an array, tensor or feature store, as a tensor."""
    if hasattr(array, "rows"):
        return array.rows(index)
    if isinstance(array, torch.Tensor):
        return array[torch.as_tensor(index)]
    return torch.from_numpy(np.asarray(array[index]))


class SeededOrder(torch.utils.data.Sampler):
    """A new random order each epoch that depends on (seed, epoch) alone, so that a continued run repeats it."""

    def __init__(self, size, seed):
        self.size, self.seed, self.epoch = size, seed, 0

    def set_epoch(self, epoch):
        self.epoch = epoch

    def __len__(self):
        return self.size

    def __iter__(self):
        return iter(np.random.default_rng([self.seed, self.epoch]).permutation(self.size).tolist())


class Shares(torch.utils.data.Sampler):
    """One process's share of each batch of an order that all processes see alike.

    Batches are the same whatever the number of processes: cut into pieces where memory is short, and each piece among
    the processes.

    Parameters
    ----------
    sampler : iterable of int
        The order, of `len(sampler)` examples.
    batch_size, piece : int
        Examples of an optimizer step, and of one forward pass of all processes together.
    rank, size : int
    """

    def __init__(self, sampler, batch_size, piece, rank, size):
        self.sampler, self.batch_size, self.piece, self.rank, self.size = sampler, batch_size, piece, rank, size

    def set_epoch(self, epoch):
        if hasattr(self.sampler, "set_epoch"):
            self.sampler.set_epoch(epoch)

    def __len__(self):
        whole, rest = divmod(len(self.sampler), self.batch_size)
        return whole * -(-self.batch_size // self.piece) + -(-rest // self.piece)

    def __iter__(self):
        order = iter(self.sampler)
        while batch := list(itertools.islice(order, self.batch_size)):
            for first in range(0, len(batch), self.piece):
                piece = batch[first : first + self.piece]
                own = np.array_split(piece, self.size)[self.rank].tolist()
                # A process without an example computes one that counts for nothing: the others wait for its gradients.
                yield own or [-1 - piece[0]]


class Shared(torch.utils.data.Dataset):
    """A dataset read through `Shares`: a batch that counts for nothing has the key "idle"."""

    def __init__(self, data):
        self.data = data

    def __len__(self):
        return len(self.data)

    def __getitems__(self, index):
        if index[0] >= 0:
            return self.data.__getitems__(index)
        return self.data.__getitems__([-1 - i for i in index]) | {"idle": torch.ones(len(index), dtype=torch.bool)}
