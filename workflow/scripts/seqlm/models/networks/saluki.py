"""Saluki: convolutions with pooling, then a recurrence from the 3' end to the 5' end.

The network of Agarwal & Kelley 2022 (Genome Biology 23:245), as its published code builds it::

    X (N, C, L)  C = 6: four bases, first base of each codon, exon junction; zeros on the right
    conv 5 (no bias)                                                      C -> 64
    6 x [LayerNorm, ReLU, conv 5, dropout 0.3, max-pool 2]                64 -> 64
    LayerNorm, ReLU, GRU 64 reading from the 3' end (padding first)       -> (N, 64)
    BatchNorm, ReLU, dense 64, dropout 0.3, BatchNorm, ReLU, dense        -> (N, outputs)

All convolutions are 'valid': step ``t`` of the recurrence sees the `window` inputs from ``stride * t`` on
(320 and 64 with six blocks), so 12,288 inputs give exactly 188 steps.

Most of a block is padding. Its features are one constant and the recurrence reads it first, so the state it leaves
behind depends only on how many steps of padding there were: it is computed once per batch and every sequence starts
from it. The result is the same as running the network over the whole block, at the cost of the bases alone.
"""

import torch
import torch.nn.functional as F
from torch import nn

from seqlm.common.errors import InputError
from seqlm.models.base import SequenceConfig, SequenceModel
from seqlm.models.layers import Conv1d, Dropout
from seqlm.tokenization.atomic import AtomicLayout

# Positions worked on at once: activations of 64 channels in this many positions stay within reach of a CPU's caches.
NETWORK = {
    "class": "Saluki",
    "words": "Saluki network",
    "about": "the network of Agarwal & Kelley 2022, for mRNAs",
    "family": "network",
    "targets": ["scalar", "class"],
    "shared": False,  # normalises by statistics of its batches
    # As published, but for AdamW in place of Adam.
    "training": {
        "learning_rate": 1e-4,
        "schedule": "constant",
        "warmup": 0,
        "weight_decay": 1e-4,
        "batch_size": 64,
        "epochs": 100,
        "patience": 10,
    },
    "options": {
        "length": {
            "type": "integer",
            "minimum": 1,
            "description": "input length in tokens (12,288).",
        },
        "blocks": {"type": "integer", "minimum": 1, "description": "convolution blocks (6)."},
        "filters": {"type": "integer", "minimum": 1, "description": "width of the layers (64)."},
        "kernel": {"type": "integer", "minimum": 1, "description": "positions that a convolution reads (5)."},
        "dropout": {"type": "number", "minimum": 0, "exclusiveMaximum": 1, "description": "dropout (0.3)."},
        "max_shift": {"type": "integer", "minimum": 0, "description": "largest random shift in training (3)."},
        "memory": {
            "type": "number",
            "minimum": 0,
            "description": "over how many steps of 2^blocks tokens, at most, the state of its recurrence fades before"
            " it has learned anything; 0, as published: it halves in each. With few or long mRNAs a value near"
            " length / 2^blocks lets it see the whole mRNA.",
        },
        "left_tailing": {
            "type": "boolean",
            "description": "keep the right end of an mRNA that is too long (true), or the left.",
        },
        "center_token": {"type": "string", "description": "the token put in the middle of the input, if one is."},
        "samplesize": {
            "type": "integer",
            "minimum": 1,
            "description": "learn the vocabulary of atomic tokens from this many training examples; all when missing.",
        },
    },
}

POSITIONS_AT_ONCE = {"cpu": 1 << 15}
POSITIONS_ON_ACCELERATOR = 1 << 22


class SalukiConfig(SequenceConfig):
    """Shape of a Saluki network and of its input.

    Parameters
    ----------
    length : int
        Block size: tokens that are read; longer sequences are cut, shorter ones are zeros on the right.
    layout : dict, optional
        Fields of `seqlm.tokenization.atomic.AtomicLayout`: how text becomes channels. Plain bases when not given.
    filters, kernel, blocks : int
        Width, kernel size and number of [.., conv, .., pool] blocks.
    dropout : float
    max_shift : int
        In training, each sequence starts up to this many zeros later.
    memory : float
        Steps (of ``2 ** blocks`` tokens) over which the recurrence forgets before it has learned anything: without
        input each unit's state falls to 1/e in about u steps, u drawn uniformly from 1 to `memory`, by a bias ln(u) of
        its update gate (Tallec & Ollivier 2018, ICLR). 0 starts the biases at zero, as published: every state is
        halved in every step, and a training set of a thousand genes is too small to unlearn it.
    left_tailing, center_token : optional
        How sequences longer than `length` are cut, instead of what `layout` says.
    """

    model_type = "seqlm-saluki"

    def __init__(
        self,
        target="scalar",
        length=12288,
        layout=None,
        filters=64,
        kernel=5,
        blocks=6,
        dropout=0.3,
        max_shift=3,
        memory=0,
        layer_norm_eps=0.007,
        left_tailing=None,
        center_token=None,
        **kwargs,
    ):
        super().__init__(target=target, length=length, **kwargs)
        cut = {"left_tailing": left_tailing, "center_token": center_token}
        self.layout = (layout or {}) | {name: value for name, value in cut.items() if value is not None}
        self.filters = filters
        self.kernel = kernel
        self.blocks = blocks
        self.dropout = dropout
        self.max_shift = max_shift
        self.memory = memory
        self.layer_norm_eps = layer_norm_eps


class ChannelNorm(nn.LayerNorm):
    """LayerNorm over the channels of (N, C, L), then ReLU; channels stay last in memory, so nothing is copied."""

    def forward(self, x):
        return super().forward(x.transpose(1, 2)).transpose(1, 2).relu()


class SalukiBlock(nn.Module):
    """LayerNorm, ReLU, conv, dropout, max-pool: (N, F, L) -> (N, F, (L - kernel + 1) // 2)."""

    def __init__(self, filters, kernel, dropout, eps):
        super().__init__()
        self.norm = ChannelNorm(filters, eps=eps)
        self.conv = Conv1d(filters, filters, kernel)
        self.dropout = Dropout(dropout)

    def forward(self, x):
        return F.max_pool1d(self.dropout(self.conv(self.norm(x))), 2)


class SalukiHead(nn.Module):
    """State of the recurrence to output: (N, F) -> (N, n_outputs)."""

    def __init__(self, filters, n_outputs, dropout):
        super().__init__()
        self.norm_1 = nn.BatchNorm1d(filters, eps=1e-3)
        self.dense_1 = nn.Linear(filters, filters)
        self.dropout = Dropout(dropout)
        self.norm_2 = nn.BatchNorm1d(filters, eps=1e-3)
        self.dense_2 = nn.Linear(filters, n_outputs)

    def forward(self, state):
        state = self.dropout(self.dense_1(_batch_norm(self.norm_1, state).relu()))
        return self.dense_2(_batch_norm(self.norm_2, state).relu())


def _batch_norm(norm, x):
    """A batch of one has no variance (the last batch of an epoch may be one): it takes the running statistics."""
    if norm.training and len(x) == 1:
        return F.batch_norm(x, norm.running_mean, norm.running_var, norm.weight, norm.bias, False, 0.0, norm.eps)
    return norm(x)


class Saluki(SequenceModel):
    """Saluki network for scalar and class targets.

    ``model(X)`` takes any of

    - (N, L) integers: token codes of `config.layout`; a code outside its vocabulary is nothing (zeros);
    - (N, 1 + S, L) floats: token codes and S specifier channels;
    - (N, C, L) floats: the channels themselves.

    L may be anything up to the block size; what is missing on the right is padding.
    """

    config_class = SalukiConfig
    least_batch = 64  # `forward` works on pieces of a bounded size, whatever the batch

    def __init__(self, config):
        super().__init__(config)
        if config.target not in ("scalar", "class"):
            raise InputError(
                "model saluki", f"target {config.target!r} is not one value per sequence", "use scalar or class"
            )
        self.layout = AtomicLayout(**config.layout)
        self.channels = self.layout.channels
        self.stride = 2**config.blocks
        self.window = _window(config.blocks, config.kernel)
        self.steps = 1 + max(0, -(-(config.length - self.window) // self.stride))
        self.first = Conv1d(self.channels, config.filters, config.kernel, bias=False)
        self.blocks = nn.ModuleList(
            SalukiBlock(config.filters, config.kernel, config.dropout, config.layer_norm_eps)
            for _ in range(config.blocks)
        )
        self.norm = ChannelNorm(config.filters, eps=config.layer_norm_eps)
        self.gru = nn.GRU(config.filters, config.filters, batch_first=True)
        self.head = SalukiHead(config.filters, config.n_outputs, config.dropout)
        self._tables = {}
        self.post_init()

    def _init_weights(self, module):
        """He-normal kernels and orthogonal recurrence, as published."""
        if isinstance(module, (nn.Conv1d, nn.Linear)):
            nn.init.kaiming_normal_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.GRU):
            nn.init.kaiming_normal_(module.weight_ih_l0)
            for gate in module.weight_hh_l0.chunk(3):
                nn.init.orthogonal_(gate)
            nn.init.zeros_(module.bias_ih_l0)
            if self.config.memory > 1:
                update = module.bias_ih_l0[module.hidden_size : 2 * module.hidden_size]
                with torch.no_grad():
                    update.uniform_(1, self.config.memory).log_()
            nn.init.zeros_(module.bias_hh_l0)
        elif isinstance(module, (nn.LayerNorm, nn.BatchNorm1d)):
            nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)
            if isinstance(module, nn.BatchNorm1d):
                module.reset_running_stats()

    def encode(self, sequences):
        """(N, length) token codes, or (N, 1 + S, length) floats when the layout has specifiers."""
        return torch.from_numpy(self.layout.encode(sequences, self.config.length))

    def inputs_of(self, steps):
        """Inputs that `steps` steps read."""
        return self.stride * (steps - 1) + self.window

    def dense(self, X):
        """Channels (N, C, L) in float of any accepted `X`."""
        if X.is_floating_point() and X.shape[1] == self.channels:
            return X
        codes, specifiers = (X[:, 0].round().int(), X[:, 1:]) if X.is_floating_point() else (X, None)
        table, size = self._table(X.device), self.layout.size
        codes = codes.int()
        codes = codes.where((codes >= 0) & (codes < size), size)
        channels = F.embedding(codes, table).transpose(1, 2)
        return channels if specifiers is None else torch.cat([channels, specifiers.to(channels.dtype)], dim=1)

    def _table(self, device):
        """Channels of each token code; the last row, zeros, is for every other code."""
        if device not in self._tables:
            self._tables[device] = torch.from_numpy(self.layout.table()).to(device)
        return self._tables[device]

    def lengths(self, X):
        """(N,) inputs up to the last that is not all zeros."""
        if X.dim() == 3:
            present = (X != 0).any(1) if X.shape[1] == self.channels else self.dense(X).ne(0).any(1)
        else:
            present = X.ge(0) & X.lt(self.layout.size)
        position = torch.arange(1, X.shape[-1] + 1, device=X.device, dtype=torch.int32)
        return (present * position).amax(1)

    def tower(self, channels):
        """Convolutions: (N, C, inputs_of(T)) -> features of each step (N, T, F)."""
        x = self.first(channels)
        for block in self.blocks:
            x = block(x)
        return self.norm(x).transpose(1, 2)

    def recurrence(self, features, state=None):
        """Read the steps from the last to the first.

        Parameters
        ----------
        features : (N, T, F)
        state : (N, F), optional
            State before the last step; zeros when not given.

        Returns
        -------
        (N, T, F)
            State after each step, so the final state is ``[:, 0]``.
        """
        # In full precision, always: over hundreds of steps the rounding of a bfloat16 state adds up to another result.
        with torch.autocast(features.device.type, enabled=False):
            dtype = self.gru.weight_hh_l0.dtype
            start = None if state is None else state.to(dtype).unsqueeze(0).contiguous()
            return self.gru(features.to(dtype).flip(1), start)[0].flip(1)

    def padding_states(self, steps):
        """(steps + 1, F): state after 0, 1, .. `steps` steps over padding."""
        count = steps if self.training else min(steps, 1)  # without dropout all steps over padding are alike
        weight = self.first.weight
        state = weight.new_zeros(1, self.config.filters)
        if steps == 0:
            return state
        features = self.tower(weight.new_zeros(1, self.channels, self.inputs_of(count)))
        states = self.recurrence(features.expand(1, steps, -1))[0].flip(0)
        return torch.cat([state.to(states.dtype), states])

    def forward(self, X):
        if X.shape[-1] > self.inputs_of(self.steps):
            raise ValueError(f"sequences of {X.shape[-1]} tokens; the block is {self.config.length}")
        shift = torch.zeros(len(X), dtype=torch.long, device=X.device)
        if self.training and self.config.max_shift:
            shift = torch.randint(self.config.max_shift + 1, (len(X),), device=X.device)
        lengths = (self.lengths(X) + shift).clamp(max=self.config.length)
        seen = (-(-lengths // self.stride)).clamp(1, self.steps)  # later steps see padding alone
        steps, order = seen.sort(stable=True)
        padding = self.padding_states(self.steps - int(steps[0]))
        states = []
        for rows in _buckets(steps.tolist(), self.stride, X.device.type):
            chosen, last = order[rows], int(steps[rows][-1])
            channels = self._shifted(X[chosen], shift[chosen], self.inputs_of(last))
            start = padding[self.steps - last].expand(len(chosen), -1)
            states.append(self.recurrence(self.tower(channels), start)[:, 0])
        output = self.head(torch.cat(states)[order.argsort()])
        return output.squeeze(1) if self.config.target == "scalar" else output

    def _shifted(self, X, shift, width):
        """Channels (n, C, width): each row moved right by its shift, cut at the block, zeros elsewhere."""
        channels = self.dense(X[..., :width]).to(self.first.weight.dtype)
        channels = F.pad(channels, (0, width - channels.shape[-1]))
        if not shift.any():
            return channels
        source = torch.arange(width, device=X.device) - shift[:, None]
        inside = (source >= 0) & (torch.arange(width, device=X.device) < self.config.length)
        moved = channels.gather(2, source.clamp(min=0)[:, None].expand_as(channels))
        return moved * inside[:, None]


def _window(blocks, kernel):
    """Inputs that one step of the recurrence sees."""
    window = 1
    for _ in range(blocks):
        window = 2 * window + kernel - 1
    return window + kernel - 1


def _buckets(steps, stride, device):
    """Slices over ascending `steps` that hold a bounded number of positions once padded to their longest."""
    limit = max(1, POSITIONS_AT_ONCE.get(device, POSITIONS_ON_ACCELERATOR) // stride)
    start = 0
    for end in range(1, len(steps) + 1):
        if end == len(steps) or (end + 1 - start) * steps[end] > limit:
            yield slice(start, end)
            start = end
