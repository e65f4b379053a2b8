"""Building blocks written for the machines most people have: CPUs.

Each means exactly what its namesake in PyTorch means, and elsewhere than on a
CPU it *is* its namesake. Measured on two AMD cores (torch 2.13), batch of 64 x
300 positions, forward and backward:

=========================================  ==============  =========
what                                       PyTorch         here
=========================================  ==============  =========
convolution 128 -> 128, 11 wide            65 ms float32   25 ms bfloat16, 45 ms float32
the same, forward only, one busy core      119 ms float32  69 ms float32
dropout on 64 x 300 x 128                  17 ms           3 ms
causal attention, 4 heads, dropout 0.2     565 ms          90 ms bfloat16
=========================================  ==============  =========

The reasons: oneDNN convolves fastest with channels last in memory; PyTorch
draws dropout masks one 32-bit number per element on one core; and its fused
attention on CPUs knows no dropout and falls back to a slow path.
"""

import torch
import torch.nn.functional as F
from torch import nn

from seqlm.models.fourier import BLOCK, BlockConvolution, convolve_in_blocks, pays


class Conv1d(nn.Conv1d):
    """`torch.nn.Conv1d`, computed with channels last in memory on a CPU.

    Parameters, their names and the shapes of input (N, C_in, L) and output
    (N, C_out, L) are those of `torch.nn.Conv1d`. An input that is a transposed
    view of a contiguous (N, L, C_in) is not copied, and the output is such a view.
    """

    def forward(self, x):
        if x.device.type != "cpu" or self.padding_mode != "zeros":
            return super().forward(x)
        if not torch.is_grad_enabled() and x.dtype == torch.float32 and self._in_blocks():
            y = convolve_in_blocks(x.transpose(1, 2), self._blocks(), self.kernel_size[0])
            return (y if self.bias is None else y.add_(self.bias)).transpose(1, 2)
        x = x.unsqueeze(2).contiguous(memory_format=torch.channels_last)
        stride, dilation = (1, *self.stride), (1, *self.dilation)
        padding = self.padding if isinstance(self.padding, str) else (0, *self.padding)
        return F.conv2d(x, self.weight.unsqueeze(2), self.bias, stride, padding, dilation, self.groups).squeeze(2)

    def _in_blocks(self):
        """Whether this is a convolution that `seqlm.models.fourier` does faster, in float32."""
        plain = self.stride == self.dilation == (1,) and self.groups == 1 and self.padding == "same"
        weight = self.weight
        return plain and weight.dtype == torch.float32 and not torch.is_autocast_enabled("cpu") and pays(weight)

    def _blocks(self):
        """The transformed weights, kept until the weights change."""
        if self.weight.is_inference():  # these do not say when they change
            return BlockConvolution(self.weight, BLOCK)
        version = self.weight.data_ptr(), self.weight._version
        kept = self.__dict__.get("_transformed")
        if kept is None or kept[0] != version:
            kept = self.__dict__["_transformed"] = version, BlockConvolution(self.weight, BLOCK)
        return kept[1]

    def __getstate__(self):
        return {name: value for name, value in super().__getstate__().items() if name != "_transformed"}


class LayerNorm(nn.LayerNorm):
    """`torch.nn.LayerNorm`; under autocast on a CPU its result is in the lower precision at once.

    PyTorch would give float32, which every matrix product that follows converts anew. Sums stay in float32.
    """

    def forward(self, x):
        if x.device.type == "cpu" and torch.is_autocast_enabled("cpu"):
            x = x.to(torch.get_autocast_dtype("cpu"))
        return super().forward(x)


class Dropout(nn.Dropout):
    """`torch.nn.Dropout`; on a CPU eight elements share one 64-bit random number."""

    def forward(self, x):
        if x.device.type != "cpu" or not self.training or self.p in (0, 1):
            return super().forward(x)
        return _Dropout.apply(x, self.p)


def add_dropped(x, y, dropout):
    """``x + dropout(y)`` with `dropout` a module of this file: a residual addition in fewer passes over memory."""
    if x.device.type != "cpu" or not dropout.training or dropout.p in (0, 1):
        return x + dropout(y)
    return _AddDropped.apply(x, y, dropout.p)


class _AddDropped(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, y, p):
        ctx.p, ctx.dtype, keep = p, y.dtype, keep_mask(y.shape, p)
        ctx.save_for_backward(keep)
        return torch.add(x, y * keep, alpha=1 / (1 - p))

    @staticmethod
    def backward(ctx, gradient):
        (keep,) = ctx.saved_tensors
        return gradient, (gradient.to(ctx.dtype) * keep).mul_(1 / (1 - ctx.p)), None


class _Dropout(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, p):
        ctx.p, keep = p, keep_mask(x.shape, p)
        ctx.save_for_backward(keep)
        return (x * keep).div_(1 - p)

    @staticmethod
    def backward(ctx, gradient):
        (keep,) = ctx.saved_tensors
        return (gradient * keep).div_(1 - ctx.p), None


def keep_mask(shape, p):
    """Random int8 tensor on the CPU: 0 with probability `p`, else 1.

    One random byte per element, compared with one of the two neighbours of
    256 p; which of them is drawn for each mask, so that the rate is exact.
    """
    size = torch.Size(shape).numel()
    numbers = torch.empty(-(-size // 8), dtype=torch.int64).random_(-(2**63), None).view(torch.uint8)
    keep = numbers[:size] >= min(int(256 * p + torch.rand(()).item()), 255)
    return keep.view(torch.int8).view(shape)  # products with int8 are vectorised, those with bool are not


def causal_attention(q, k, v, dropout=0.0, mask=None):
    """Scaled dot-product attention in which no token sees what follows it.

    Parameters
    ----------
    q : tensor (N, H, T, D)
    k, v : tensor (N, H, P + T, D)
    dropout : float
        Rate at which attention weights are dropped.
    mask : bool tensor broadcastable to (N, H, T, P + T), optional
        True where a query may look. Needed when there are P > 0 earlier keys,
        unless T is 1.

    Returns
    -------
    tensor (N, H, T, D)
    """
    plain = mask is None and q.shape[2] == k.shape[2]
    # In bfloat16, separate matrix products beat PyTorch's fused kernel on CPUs; with dropout they do in any precision.
    if plain and q.device.type == "cpu" and (dropout or q.dtype == torch.bfloat16):
        return _CausalAttention.apply(q, k, v, dropout)
    return F.scaled_dot_product_attention(q, k, v, mask, dropout, is_causal=plain and q.shape[2] > 1)


class _CausalAttention(torch.autograd.Function):
    """Attention by blocks of queries, each with the keys up to its end: a third of the work falls away."""

    BLOCKS = 3

    @staticmethod
    def forward(ctx, q, k, v, dropout):
        T, D = q.shape[2:]
        ctx.shape, ctx.dropout = q.shape, dropout
        q, k, v = (x.reshape(-1, T, D) for x in (q * D**-0.5, k, v))
        hidden = torch.full((T, T), -torch.inf, dtype=q.dtype).triu_(1)
        y, saved = torch.empty_like(q), []
        for start, end in _blocks(T):
            weights = torch.bmm(q[:, start:end], k[:, :end].transpose(1, 2))
            weights[:, :, start:] += hidden[start:end, start:end]  # keys before the block are seen by all of it
            weights = torch.softmax(weights, -1)
            kept = weights * keep_mask(weights.shape, dropout) if dropout else weights
            y[:, start:end] = torch.bmm(kept, v[:, :end])
            saved += [weights, kept]
        y.div_(1 - dropout)
        ctx.save_for_backward(q, k, v, y, *saved)
        return y.view(ctx.shape)

    @staticmethod
    def backward(ctx, gradient):
        q, k, v, y, *saved = ctx.saved_tensors
        T, D = q.shape[1:]
        gradient = gradient.reshape(q.shape)
        # sum over keys of (weight x its gradient), which softmax's derivative needs, from the output alone
        total = (gradient * y).sum(-1, keepdim=True)
        gradient = gradient / (1 - ctx.dropout)
        dq, dk, dv = torch.empty_like(q), torch.zeros_like(k), torch.zeros_like(v)
        for (start, end), weights, kept in zip(_blocks(T), saved[::2], saved[1::2], strict=True):
            part = gradient[:, start:end]
            dv[:, :end] += torch.bmm(kept.transpose(1, 2), part)
            d = torch.bmm(part, v[:, :end].transpose(1, 2)).mul_(kept)
            d.addcmul_(weights, total[:, start:end], value=-1)
            dq[:, start:end] = torch.bmm(d, k[:, :end])
            dk[:, :end] += torch.bmm(d.transpose(1, 2), q[:, start:end])
        return *(x.view(ctx.shape) for x in (dq.mul_(D**-0.5), dk, dv)), None


def _blocks(T):
    """Ranges of queries."""
    size = max(-(-T // _CausalAttention.BLOCKS), 64)
    return [(start, min(start + size, T)) for start in range(0, T, size)]
