"""Examples in arrays, whole batches at a time, in an order that a continued run repeats."""

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
