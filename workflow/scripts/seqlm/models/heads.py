"""What is trained on top of an encoder's features (N, L, dim)."""

import torch
import torch.nn.functional as F
from torch import nn

from seqlm.common.errors import InputError
from seqlm.models.layers import Conv1d, Dropout

POOLINGS = ("mean", "max", "first", "last")


def pool(x, mask=None, pooling="mean"):
    """(N, L, dim) -> (N, dim), over the positions where `mask` (N, L) is true (all, when None)."""
    if mask is None:
        mask = torch.ones(x.shape[:2], dtype=torch.bool, device=x.device)
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


class ConvHead(nn.Module):
    """One value per position: (N, L, dim) -> (N, L).

    LayerNorm, convolution over `kernel` positions, GELU, dropout, linear. On
    384 features it has 541,697 parameters.
    """

    def __init__(self, dim, hidden=128, kernel=11, dropout=0.2):
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.conv = Conv1d(dim, hidden, kernel, padding="same")
        self.dropout = Dropout(dropout)
        self.linear = nn.Linear(hidden, 1)

    @property
    def reach(self):
        """Positions on either side that an output depends on; an even kernel has one more on its right."""
        return self.conv.kernel_size[0] // 2

    def forward(self, x):
        x = self._convolved(x).transpose(1, 2)  # channels stay last in memory
        return self.linear(self.dropout(F.gelu(x))).squeeze(-1)

    def _convolved(self, x):
        """conv(norm(x)), (N, L, dim) -> (N, hidden, L).

        While training on features of a frozen encoder, scale and shift of the norm move into the convolution: the
        same function, but its input then needs no gradient, which is a third of the work.
        """
        if x.requires_grad or not torch.is_grad_enabled():
            return self.conv(self.norm(x).transpose(1, 2))
        plain = F.layer_norm(x, self.norm.normalized_shape, eps=self.norm.eps).transpose(1, 2)
        weight = self.conv.weight * self.norm.weight[:, None]
        y = torch.func.functional_call(self.conv, {"weight": weight}, (plain,))
        # What the shift adds depends on how much of the kernel lies within the sequence.
        shift = torch.einsum("hdk,d->hk", self.conv.weight, self.norm.bias)[:, None]
        return y + F.conv1d(torch.ones_like(x[:1, None, :, 0]), shift.to(x.dtype), padding="same").to(y.dtype)


class PooledHead(nn.Module):
    """One value or a row of logits per sequence: (N, L, dim) -> (N,) or (N, n_outputs).

    Parameters
    ----------
    n_outputs : int
        1 gives (N,), more gives (N, n_outputs).
    pooling : {"mean", "max", "first", "last"}
        How positions become one: averaged, the largest per feature, the first,
        or the last known one (which alone has seen everything under a causal backbone).
    """

    def __init__(self, dim, n_outputs=1, hidden=128, pooling="mean", dropout=0.2):
        super().__init__()
        if pooling not in POOLINGS:
            raise InputError("pooling", f"no such pooling: {pooling}", f"use one of {', '.join(POOLINGS)}")
        self.pooling = pooling
        self.norm = nn.LayerNorm(dim)
        self.hidden = nn.Linear(dim, hidden)
        self.dropout = Dropout(dropout)
        self.linear = nn.Linear(hidden, n_outputs)

    def pool(self, x, mask=None):
        """See the function `pool`."""
        return pool(x, mask, self.pooling)

    def forward(self, x, mask=None):
        """`x` is (N, L, dim), or (N, dim) when pooled already."""
        if x.dim() == 3:
            x = self.pool(x, mask)
        x = self.linear(self.dropout(F.gelu(self.hidden(self.norm(x)))))
        return x.squeeze(-1) if self.linear.out_features == 1 else x


class LinearHead(nn.Module):
    """Pooled features, standardised, through one linear map: (N, L, dim) -> (N,) or (N, n_outputs).

    The linear probe: its numbers come from `seqlm.models.solved.probe.fit_head`, not from gradient descent.
    """

    def __init__(self, dim, n_outputs=1, pooling="mean"):
        super().__init__()
        self.pooling = pooling
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
