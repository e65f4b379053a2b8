"""Leave-one-out for Saluki: a window through the convolutions, then the recurrence from the first changed step on.

Every convolution of Saluki has five taps and every block halves the length, so an edit reaches five positions of each
layer, however deep: positions ``s - 4 .. s + 4`` of a convolution whose input changed at ``s .. s + 4``, and after
pooling the five from ``(s - 4) // 2`` on. (Other kernel sizes: as many as the kernel has taps.) Left of them the edited
sequence's layer is the original's; right of them it is the same, or, when a base was removed, that of the sequence
which starts one base later. Both are computed once.

The recurrence reads from the 3' end. It starts from the state behind the last changed step, and all edits that have
started take the same step together. Steps over padding are never taken: their states are known.

Letters: k taps, C channels of the input, F filters, T steps, M edits. Windows that reach past an end of a layer hold
values that nothing inside the layer depends on.
"""

import torch
import torch.nn.functional as F

from seqlm.attribution.shift import chunks, shifted

# Edits whose windows go through the convolutions together.
EDITS_IN_BATCH = {"cpu": 256, "cuda": 2**14}


class Recurrent:
    """Predictions of a `Saluki` network and the differences that edits make; see `loo.Reference` for the call."""

    def __init__(self, run, inputs):
        self.run, self.model, self.inputs = run, run.model, inputs
        self.remove = inputs.edit == "remove"
        self.k = self.model.config.kernel

    @staticmethod
    def supports(model):
        """Exactly our network: a subclass may compute something else."""
        from seqlm.models.networks.saluki import Saluki

        return type(model) is Saluki

    def __call__(self, X, row, position, choice, weights=None):
        columns = None if self.remove else self.inputs.columns_at(X, row, position, choice).to(self.run.device)
        X, row, position = (t.to(self.run.device) for t in (X, row, position))
        predictions, delta = [], []
        with self.run.context():
            for r in range(len(X)):
                own = row == r
                column = None if self.remove else self.model.dense(columns[own][..., None])[..., 0]
                prediction, edited = self._sequence(X[r : r + 1], position[own], column)
                predictions.append(prediction)
                delta.append(edited.double() - prediction.double())
        return torch.stack(predictions).double().cpu(), torch.cat(delta).cpu()

    def _sequence(self, X, position, column):
        """Prediction () or (classes,) for one sequence, and (M, ...) for copies with `column` (M, C) put in."""
        model, device = self.model, X.device
        order = position.argsort(descending=True, stable=True)  # the recurrence meets the 3' end first
        position, column = position[order], None if self.remove else column[order]
        used = max(int(model.lengths(X)[0]), int(position[0]) + 1 if len(position) else 0)
        T = min(max(1, -(-used // model.stride)), model.steps)
        behind = model.padding_states(model.steps - T)[-1:]
        left = _Tower(model, X, T, behind)
        right = _Tower(model, shifted(X, self.inputs.blank.to(device)), T, behind) if self.remove else left
        start, features = [position[:0]], [left.features.new_zeros(0, self.k, model.config.filters)]
        for chunk in chunks(len(position), EDITS_IN_BATCH[device.type], device):
            s, window = self._windows(left, right, position[chunk], None if self.remove else column[chunk])
            start.append(s)
            features.append(window)
        states = self._recurrence(left, right, torch.cat(start), torch.cat(features))
        y = model.head(torch.cat([left.states[:1], states]))
        y = y.squeeze(1) if model.config.target == "scalar" else y
        return y[0], y[1:][order.argsort()]

    def _windows(self, left, right, position, column):
        """First changed step (M,) and features (M, k, F) of k steps from there on, for edits at `position`."""
        k = self.k
        offset = torch.arange(2 * k - 1, device=position.device)
        seen = position[:, None] - (k - 1) + offset
        x = _stitch(left.channels, right.channels, seen, position[:, None] if self.remove else None)
        if column is not None:
            x[:, k - 1] = column
        s, h = position - (k - 1), _convolve(x, self.model.first)
        for layer, block in enumerate(self.model.blocks):
            g = _norm(block.norm, h)
            s_next = (s - (k - 1)).div(2, rounding_mode="floor")
            # The pooled positions s_next .. s_next + k - 1 come from 2 k outputs, these from 3 k - 1 inputs.
            seen = 2 * s_next[:, None] + torch.arange(3 * k - 1, device=position.device)
            x = _stitch(left.inputs[layer], right.inputs[layer], seen, s[:, None] + k if self.remove else None)
            first = s - 2 * s_next
            x.scatter_(1, (first[:, None] + offset[:k])[..., None].expand(-1, -1, x.shape[2]), g)
            h = _convolve(x, block.conv).unflatten(1, (k, 2)).amax(2)
            s = s_next
        return s, _norm(self.model.norm, h)

    def _recurrence(self, left, right, start, features):
        """State (M, F) after the last step, for edits in descending order whose steps from `start` on are new."""
        gru = self.model.gru
        new = F.linear(features, gru.weight_ih_l0, gru.bias_ih_l0)
        old = F.linear(left.features, gru.weight_ih_l0, gru.bias_ih_l0)
        T, steps = len(old), range(len(old))
        last = (start + self.k - 1).clamp(max=T - 1)
        # At step t the first `active` edits have started; from `changed` on they read new features.
        t = torch.arange(T, device=start.device)
        active = (last[:, None] >= t).sum(0).tolist()
        changed = (start[:, None] > t).sum(0).tolist()
        state = features.new_zeros(len(start), features.shape[-1])
        before = 0
        for t in reversed(steps):
            now = active[t]
            state[before:now] = right.states[t + 1]
            gates = old[t].expand(now, -1)
            if changed[t] < now:
                rows = torch.arange(changed[t], now, device=start.device)
                gates = torch.cat([gates[: changed[t]], new[rows, t - start[rows]]])
            hidden = F.linear(state[:now], gru.weight_hh_l0, gru.bias_hh_l0)
            reset, update = (gates[:, : 2 * state.shape[1]] + hidden[:, : 2 * state.shape[1]]).sigmoid().chunk(2, 1)
            candidate = (gates[:, 2 * state.shape[1] :] + reset * hidden[:, 2 * state.shape[1] :]).tanh()
            state[:now] = torch.lerp(candidate, state[:now], update)
            before = now
        return state


class _Tower:
    """Every layer of one sequence.

    Attributes
    ----------
    channels : (L, C)
    inputs : list of (L_i, F)
        What each block's convolution reads.
    features : (T, F)
    states : (T + 1, F)
        State after each step of the recurrence, then the state before the first.
    """

    def __init__(self, model, X, T, behind):
        width = model.inputs_of(T)
        channels = model.dense(X[..., :width]).to(model.first.weight.dtype)
        channels = F.pad(channels, (0, width - channels.shape[-1]))
        self.channels, self.inputs = channels[0].T.contiguous(), []
        h = model.first(channels)
        for block in model.blocks:
            g = block.norm(h)
            self.inputs.append(g[0].T.contiguous())
            h = F.max_pool1d(block.conv(g), 2)
        features = model.norm(h).transpose(1, 2)
        self.features = features[0]
        self.states = torch.cat([model.recurrence(features, behind)[0], behind])


def _stitch(left, right, index, seam=None):
    """Positions `index` (M, W) of a layer (L, F): (M, W, F), from the seam (M, 1) on those of `right`."""
    inside = index.clamp(0, len(left) - 1)
    if seam is None:
        return F.embedding(inside, left)
    return F.embedding(inside + len(left) * (index >= seam), torch.cat([left, right]))


def _norm(norm, x):
    """`ChannelNorm` with channels last."""
    return F.layer_norm(x, norm.normalized_shape, norm.weight, norm.bias, norm.eps).relu_()


def _convolve(x, conv):
    """A convolution with channels last: (M, W, C) -> (M, W - k + 1, F)."""
    return conv(x.transpose(1, 2)).transpose(1, 2)
