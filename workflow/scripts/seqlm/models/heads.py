"""What is trained on top of an encoder's features (N, L, dim)."""

import math

import torch
import torch.nn.functional as F
from torch import nn

from seqlm.common.errors import InputError
from seqlm.models.layers import Conv1d, Dropout

# Poolings that are a fixed function of the features, and all that a head knows.
POOLINGS = ("mean", "max", "mean_max", "first", "last")
HEAD_POOLINGS = (*POOLINGS, "attention", "positions")


def pool(x, mask=None, pooling="mean"):
    """(N, L, dim) -> (N, dim), over the positions where `mask` (N, L) is true (all, when None).

    "mean_max" puts mean and maximum side by side, (N, 2 dim).
    """
    if mask is None:
        mask = torch.ones(x.shape[:2], dtype=torch.bool, device=x.device)
    if pooling == "mean_max":
        return torch.cat([pool(x, mask, "mean"), pool(x, mask, "max")], -1)
    if pooling == "mean":
        return (x * mask.unsqueeze(-1)).sum(1) / mask.sum(1, keepdim=True).clamp(min=1)
    if pooling == "max":
        x = x.masked_fill(~mask.unsqueeze(-1), -torch.inf).amax(1)
        return x.masked_fill(~mask.any(1, keepdim=True), 0.0)
    positions = torch.arange(x.shape[1], device=x.device)
    if pooling == "last":
        index = positions.where(mask, 0).amax(1)
    else:
        index = positions.where(mask, x.shape[1] - 1).amin(1)
    return x[torch.arange(len(x), device=x.device), index]


class Convolutions(nn.Module):
    """What lies around a position brought together: (N, L, dim) -> (N, L, hidden).

    LayerNorm, then `depth` times a convolution over `kernel` positions and GELU. With `skip` channels beside the
    features (bases, one-hot), the first convolution reads those too, unnormalised.
    """

    def __init__(self, dim, hidden=128, kernel=11, depth=1, skip=0):
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.conv = Conv1d(dim, hidden, kernel, padding="same")
        self.skip = Conv1d(skip, hidden, kernel, padding="same", bias=False) if skip else None
        self.deeper = nn.ModuleList(Conv1d(hidden, hidden, kernel, padding="same") for _ in range(depth - 1))

    @property
    def sees(self):
        """Positions before and after it that an output depends on: an even kernel has one more after."""
        kernel, depth = self.conv.kernel_size[0], 1 + len(self.deeper)
        return depth * ((kernel - 1) // 2), depth * (kernel // 2)

    @property
    def reach(self):
        """Positions on either side that an output depends on, those of the longer side."""
        return max(self.sees)

    def convolved(self, x, shown=None, mask=None):
        """`x` is (N, L, dim), `shown` (N, L, skip); positions outside `mask` (N, L) count as if they were not there."""
        x = self._first(x, mask)
        if self.skip is not None:
            x = x + self.skip(shown.transpose(1, 2))
        for conv in self.deeper:
            x = F.gelu(x)
            x = conv(x if mask is None else x * mask.unsqueeze(1))
        return F.gelu(x.transpose(1, 2))  # channels stay last in memory

    def _first(self, x, mask):
        """conv(norm(x)), (N, L, dim) -> (N, hidden, L).

        While training on features of a frozen encoder, scale and shift of the norm move into the convolution: the
        same function, but its input then needs no gradient, which is a third of the work.
        """
        at = None if mask is None else mask.unsqueeze(-1)
        if x.requires_grad or not torch.is_grad_enabled():
            x = self.norm(x)
            return self.conv((x if at is None else x * at).transpose(1, 2))
        plain = F.layer_norm(x, self.norm.normalized_shape, eps=self.norm.eps)
        plain = (plain if at is None else plain * at).transpose(1, 2)
        weight = self.conv.weight * self.norm.weight[:, None]
        y = torch.func.functional_call(self.conv, {"weight": weight}, (plain,))
        # What the shift adds depends on how much of the kernel lies within the sequence.
        shift = torch.einsum("hdk,d->hk", self.conv.weight, self.norm.bias)[:, None].to(x.dtype)
        inside = torch.ones_like(x[:1, None, :, 0]) if mask is None else mask[:, None].to(x.dtype)
        return y + F.conv1d(inside, shift, padding="same").to(y.dtype)


class ConvHead(Convolutions):
    """One value per position: (N, L, dim) -> (N, L).

    `Convolutions`, dropout, linear. On 384 features and of depth 1, as DNA-LLM's is, it has 541,697 parameters.
    """

    def __init__(self, dim, hidden=128, kernel=11, dropout=0.2, skip=0, depth=1):
        super().__init__(dim, hidden, kernel, depth, skip)
        self.dropout = Dropout(dropout)
        self.linear = nn.Linear(hidden, 1)

    def forward(self, x, shown=None):
        """`x` is (N, L, dim), `shown` (N, L, skip)."""
        return self.linear(self.dropout(self.convolved(x, shown))).squeeze(-1)


class PooledHead(nn.Module):
    """One value or a row of logits per sequence: (N, L, dim) -> (N,) or (N, n_outputs).

    Convolutions on request, pooling, LayerNorm, a hidden layer with GELU, dropout, linear.

    Parameters
    ----------
    n_outputs : int
        1 gives (N,), more gives (N, n_outputs).
    pooling : {"mean", "max", "mean_max", "first", "last", "attention", "positions"}
        How positions become one: averaged, the largest per feature, both side by side, the first, the last known one
        (which alone has seen everything under a causal backbone), averaged with learned weights, or not at all: see
        `Positions`.
    length : int, optional
        Positions there are, for "positions".
    depth : int
        Convolutions over `kernel` positions before pooling, so that what stands side by side (a motif) is one feature
        before it is averaged. Not for features that are pooled already.
    skip : int
        Channels beside the features that the first of them reads, see `Convolutions`.
    """

    def __init__(
        self, dim, n_outputs=1, hidden=128, pooling="mean", dropout=0.2, length=None, depth=0, kernel=11, skip=0
    ):
        super().__init__()
        if pooling not in HEAD_POOLINGS:
            raise InputError("pooling", f"no such pooling: {pooling}", f"use one of {', '.join(HEAD_POOLINGS)}")
        self.pooling = pooling
        self.convolutions = Convolutions(dim, hidden, kernel, depth, skip) if depth else None
        dim = hidden if depth else dim
        if pooling == "attention":
            self.learned = Attention(dim)
        elif pooling == "positions":
            self.learned = Positions(dim, length, dropout)
            dim = self.learned.width
        dim *= 2 if pooling == "mean_max" else 1
        self.norm = nn.LayerNorm(dim)
        self.hidden = nn.Linear(dim, hidden)
        self.dropout = Dropout(dropout)
        self.linear = nn.Linear(hidden, n_outputs)

    def convolved(self, x, mask=None, shown=None):
        """What is pooled, from features (N, L, dim) of the positions in `mask`, and `shown` (N, L, skip)."""
        return x if self.convolutions is None else self.convolutions.convolved(x, shown, mask)

    def pool(self, x, mask=None):
        """What `convolved` gives, (N, L, ...), as one vector each, see the function `pool`."""
        return pool(x, mask, self.pooling) if self.pooling in POOLINGS else self.learned(x, mask)

    def forward(self, x, mask=None, shown=None):
        """`x` is (N, L, dim), or (N, dim) when pooled already."""
        return self.read(self.pool(self.convolved(x, mask, shown), mask) if x.dim() == 3 else x)

    def read(self, x):
        """Outputs for what `pool` gives."""
        x = self.linear(self.dropout(F.gelu(self.hidden(self.norm(x)))))
        return x.squeeze(-1) if self.linear.out_features == 1 else x


def pooled_head(dim, config, skip=0):
    """The `PooledHead` that a network's config asks for."""
    sizes = config.n_outputs, config.hidden, config.pooling, config.dropout, config.length
    return PooledHead(dim, *sizes, getattr(config, "before_pooling", 0), config.kernel, skip)


class _Equal(nn.Linear):
    """Scores that are all the same at first.

    A layer's own business: transformers asks the layers of a model to initialise themselves again, and of modules
    nothing that have no weights but those of their layers.
    """

    def reset_parameters(self):
        nn.init.zeros_(self.weight)
        nn.init.zeros_(self.bias)


class Attention(nn.Module):
    """Mean over positions with learned weights: (N, L, dim) -> (N, dim). Before training it is the plain mean."""

    def __init__(self, dim):
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.score = _Equal(dim, 1)

    def forward(self, x, mask=None):
        score = self.score(self.norm(x)).float()
        if mask is not None:
            # A large negative number, not -inf: a sequence of nothing has to give a number too.
            score = score.masked_fill(~mask.unsqueeze(-1), -1e9)
        return (x * score.softmax(1)).sum(1).to(x.dtype)


class Positions(nn.Module):
    """Features kept where they are: (N, L, dim) -> (N, width).

    For aligned inputs of one length: what lies how far from the start (or the centre) of a window is not averaged away.
    Features are reduced to `CHANNELS` at each position, averaged within bins where there are more than
    `BINS` positions, and laid side by side; their mean and maximum over all positions follow, for what may lie
    anywhere.

    Parameters
    ----------
    length : int
        Positions of every input.
    """

    CHANNELS, BINS = 16, 256

    def __init__(self, dim, length, dropout=0.2):
        super().__init__()
        if not length:
            raise InputError("pooling", "positions needs inputs of one length", "give length, or use mean_max")
        self.length, self.bin = length, math.ceil(length / self.BINS)
        self.reduce = nn.Linear(dim, self.CHANNELS)
        self.dropout = Dropout(dropout)
        self.width = math.ceil(length / self.bin) * self.CHANNELS + 2 * dim

    def forward(self, x, mask=None):
        if x.shape[1] != self.length:
            raise other_length(x.shape[1], self.length)
        return self.gathered(self.kept(x, mask), pool(x, mask, "mean_max"))

    def kept(self, x, mask=None):
        """What is kept of each position, (N, L, dim) -> (N, L, CHANNELS)."""
        kept = F.gelu(self.reduce(x))
        return kept if mask is None else kept * mask.unsqueeze(-1)

    def gathered(self, kept, everywhere):
        """(N, width) of what is kept of each position and what is true of all, mean and maximum (N, 2 dim)."""
        kept = F.pad(kept, (0, 0, 0, -self.length % self.bin)).unflatten(1, (-1, self.bin)).mean(2)
        return torch.cat([self.dropout(kept.flatten(1)), everywhere], -1)


def other_length(given, wanted, where="sequence", unit="positions"):
    """The `InputError` of an input that is not as long as those a model was trained on."""
    problem = f"has {given} {unit}, but the model keeps positions (pooling: positions) and reads exactly {wanted}"
    return InputError(where, problem, "give windows of that length, or train with pooling: mean_max")


class LinearHead(nn.Module):
    """Pooled features, standardised, through one linear map: (N, L, dim) -> (N,) or (N, n_outputs).

    The linear probe: its numbers come from `seqlm.models.solved.probe.fit_head`, not from gradient descent.
    """

    def __init__(self, dim, n_outputs=1, pooling="mean"):
        super().__init__()
        if pooling not in POOLINGS:
            raise InputError("pooling", f"a linear head cannot pool by {pooling}", f"use one of {', '.join(POOLINGS)}")
        self.pooling = pooling
        dim *= 2 if pooling == "mean_max" else 1
        self.register_buffer("center", torch.zeros(dim))
        self.register_buffer("scale", torch.ones(dim))
        self.linear = nn.Linear(dim, n_outputs)

    def pool(self, x, mask=None):
        """See the function `pool`."""
        return pool(x, mask, self.pooling)

    def forward(self, x, mask=None):
        """`x` is (N, L, dim), or (N, dim) when pooled already."""
        if x.dim() == 3:
            x = self.pool(x, mask)
        x = self.linear((x - self.center) / self.scale)
        return x.squeeze(-1) if self.linear.out_features == 1 else x
