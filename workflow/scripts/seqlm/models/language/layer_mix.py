"""Features of several layers of an encoder as one.

The last layer of a language model is made for its own task: a causal one has turned the base it has just read into a
guess of the next. What a head needs may lie in a lower layer, and which one is learned: the head reads
``scale * sum_k softmax(weight)_k x_k`` of normalised layers x_k (ELMo, Peters et al. 2018).

Normalising is done twice. Each token of each layer by LayerNorm, so that no layer drowns the others by its scale. Then
each feature by its mean and standard deviation over training examples: pretrained states lie in a narrow cone (Timkey &
van Schijndel 2021). In the demo's GPT 97 % of the last layer's energy is one vector that all tokens share and the rest
has an effective rank of 3, so that a head learns from it very slowly, not because the base would be gone (it explains
45 % of what varies). What the LayerNorms give does not depend on anything learned: of a frozen encoder it is cached.

Layers are numbered as transformers' ``hidden_states`` are: 0 is the embedding, n the encoder's final output. As in ELMo
the embedding is that of the token alone, without its place: places that pretraining found no use for drift at random,
and in a small GPT they soon are larger than the bases.
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


def states_by_layer(output, n, embedded=None, left_out=False):
    """States of the layers 0 to n out of what an encoder of n blocks gives, n + 1 tensors (N, T, E).

    The last is the final output, behind the last norm: some (HyenaDNA) give it and what it was before. Those that read
    alignments (RNA-MSM) have an axis of sequences, of one each.

    Parameters
    ----------
    output : ModelOutput
        With ``hidden_states`` and ``last_hidden_state``.
    n : int
    embedded : tensor (N, T, E), optional
        What stands for layer 0, see `embedding_of`; otherwise the state before the first block.
    left_out : bool
        Whether the encoder gives no such state, see `leaves_out_first`.

    Returns
    -------
    list of tensor, or None where the encoder does not give its layers
    """
    hidden, last = getattr(output, "hidden_states", None) or (), output.last_hidden_state
    if embedded is not None and hidden:
        hidden = (embedded, *hidden[0 if left_out else 1 :])
    if len(hidden) not in (n + 1, n + 2) or any(x.numel() != last.numel() for x in hidden[:n]):
        return None
    return [*(x.reshape(last.shape) for x in hidden[:n]), last]


def leaves_out_first(backbone):
    """Whether transformers leaves the state before the first block out of those of the layers (Mamba)."""
    return "mamba" in backbone.config.model_type and type(backbone).__module__.startswith("transformers.")


def embedding_of(backbone, ids):
    """Embedding (N, T, E) of ids, each token's alone; None where there is none of the states' width (ALBERT)."""
    try:
        embedding = backbone.get_input_embeddings()
        fits = embedding.weight.shape[1] == backbone.config.hidden_size
    except (AttributeError, NotImplementedError):  # code of a model's own
        return None
    # Our GPT's knows ids that are nothing.
    return getattr(backbone, "embed_tokens", embedding)(ids) if fits else None


def side_by_side(hidden, numbers):
    """Chosen layers, each normalised: n + 1 tensors (N, T, E) -> (N, T, K E)."""
    chosen = [F.layer_norm(hidden[k], hidden[k].shape[-1:], eps=1e-6) for k in numbers]
    return chosen[0] if len(chosen) == 1 else torch.cat(chosen, -1)


# The weights of a few layers have further to go than those of a head, and a training of a few hundred steps must get
# there: they learn ten times as fast. In the demo R rises from .46 to .51.
SPEED = 10.0


class LayerMix(nn.Module):
    """Learned weights of K layers: (..., S P K E) -> (..., S P E), S strands side by side, each with its K layers.

    Where pooling has put P = 2 kinds of values side by side (mean and maximum), each kind has statistics of its own.

    Attributes
    ----------
    weight : (K,)
        Zeros at first, so that all layers count the same.
    scale : scalar
    mean, deviation : (K, E), or (P, K, E)
        Of each feature over training examples, on both strands alike; see `standardise`.
    """

    def __init__(self, n_layers, width, strands=1, parts=1):
        super().__init__()
        self.strands = strands
        self.weight = nn.Parameter(torch.zeros(n_layers))
        self.scale = nn.Parameter(torch.ones(()))
        shape = (n_layers, width) if parts == 1 else (parts, n_layers, width)
        self.register_buffer("mean", torch.zeros(shape))
        self.register_buffer("deviation", torch.ones(shape))

    def shares(self):
        """What each layer counts: (K,), sums to 1."""
        return torch.softmax(SPEED * self.weight.float(), 0)

    def standardise(self, batches, scale=True):
        """Take mean and standard deviation of each feature from training examples.

        Parameters
        ----------
        batches : iterable of tensors (..., S P K E)
        scale : bool
            Whether features are divided by their deviation. Not where the encoder is trained: what varies little it may
            soon vary more, and a small step of its weights would be a large one of such a feature.
        """
        count, total, squares = 0, 0, 0
        for x in batches:
            x = self._by_layer(x).double().flatten(0, -1 - self.mean.dim())
            count, total, squares = count + len(x), total + x.sum(0), squares + x.square().sum(0)
        mean = total / count
        self.mean.copy_(mean)
        if scale:
            deviation = (squares / count - mean.square()).clamp(min=0).sqrt()
            self.deviation.copy_(deviation.where(deviation > 1e-4, 1.0))  # a feature that is constant stays so

    def forward(self, x):
        x = self._by_layer(x)
        weight = (self.scale * self.shares())[:, None] / self.deviation
        # A sum of K products: half the time of one matrix product over so short an axis, and no copy of `x`. In float32
        # whatever the type of `x`: what is left once the mean is gone may be small.
        mixed = x[..., 0, :] * weight[..., 0, :]
        for k in range(1, len(self.weight)):
            mixed = mixed + x[..., k, :] * weight[..., k, :]
        return (mixed - (weight * self.mean).sum(-2)).flatten(-self.mean.dim())

    def _by_layer(self, x):
        return x.unflatten(-1, (self.strands, *self.mean.shape))
