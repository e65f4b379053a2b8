"""Features of several layers of an encoder as one.

The last layer of a language model is made for its own task: a causal one has turned the base it has just read into a
guess of the next. What a head needs may lie in a lower layer, and which one is learned: every layer is normalised on
its own, so that none drowns the others by its scale, and the head reads ``scale * sum_k softmax(weight)_k x_k`` (ELMo,
Peters et al. 2018). Normalised layers do not depend on the weights, so those of a frozen encoder can be cached.

Layers are numbered as transformers' ``hidden_states`` are: 0 is the embedding, n the encoder's final output.
"""

import torch
import torch.nn.functional as F
from torch import nn

from seqlm.common.errors import InputError


def layer_numbers(layers, n):
    """The layers that a setting names.

    Parameters
    ----------
    layers : "last", "all" or list of int
    n : int
        Blocks of the encoder.

    Returns
    -------
    list of int, or None for the last layer as it is

    Raises
    ------
    InputError
        A layer that is not there, or is named twice.
    """
    if layers == "last":
        return None
    numbers = list(range(n + 1)) if layers == "all" else layers
    if not isinstance(numbers, (list, tuple)) or not numbers:
        raise InputError("layers", f"cannot read {layers!r}", "use last, all or a list of numbers")
    wrong = [k for k in numbers if not isinstance(k, int) or isinstance(k, bool) or not 0 <= k <= n]
    if wrong:
        raise InputError("layers", f"the backbone has no layer {wrong[0]!r}", f"use 0 (the embedding) to {n}")
    if len(set(numbers)) < len(numbers):
        raise InputError("layers", f"{numbers} names a layer twice", "name each layer once")
    return list(numbers)


def side_by_side(hidden, numbers):
    """Chosen layers, each normalised: n + 1 tensors (N, T, E) -> (N, T, K E)."""
    chosen = [F.layer_norm(hidden[k], hidden[k].shape[-1:], eps=1e-6) for k in numbers]
    return chosen[0] if len(chosen) == 1 else torch.cat(chosen, -1)


class LayerMix(nn.Module):
    """Learned weights of K layers: (..., S K E) -> (..., S E), S strands side by side, each with its K layers.

    Attributes
    ----------
    weight : (K,)
        Before the softmax; zeros at first, so that all layers count the same.
    scale : scalar
    """

    def __init__(self, n_layers, strands=1):
        super().__init__()
        self.strands = strands
        self.weight = nn.Parameter(torch.zeros(n_layers))
        self.scale = nn.Parameter(torch.ones(()))

    def shares(self):
        """What each layer counts: (K,), sums to 1."""
        return torch.softmax(self.weight.float(), 0)

    def forward(self, x):
        x = x.unflatten(-1, (self.strands, len(self.weight), -1))
        weight = self.scale * self.shares()
        # A sum of K products: half the time of one matrix product over so short an axis, and no copy of `x`.
        mixed = x[..., 0, :] * weight[0]
        for k in range(1, len(weight)):
            mixed = mixed + x[..., k, :] * weight[k]
        return mixed.flatten(-2)
