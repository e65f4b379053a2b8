"""Leave-one-out for the CNN: only what an edit can reach is computed again.

Letters: K and Q taps of the first and the second convolution, a and c how far they reach to the left, C hidden
channels, H channels of the head, n sequences of length L, M edits. An edit at position i changes the K hidden
positions from ``i - a`` on and the ``K + Q - 1`` outputs from ``i - a - c`` on. Arrays keep that room at both ends, so
that the window of edit i starts at index i.

The first convolution is linear in the bases: a changed base adds a known column of weights to each of K hidden
positions. The second is linear in the normalised features: it is applied to their *difference* from the original, K
positions instead of the K + 2 (Q - 1) that the outputs see. GELU and the last layer follow on K + Q - 1 outputs. On 300
bases and 11 taps this is 27 times less arithmetic than the whole network.

A removed base moves everything behind it. Before the seam the edited sequence equals the original, behind it the
sequence that starts one base later. Both are computed once; each edit is their stitch, with K - 1 hidden positions at
the seam computed anew. What the second convolution makes of a stitch follows from running sums over its taps.
"""

import torch
import torch.nn.functional as F

from seqlm.attribution.pooling import StitchedPool
from seqlm.attribution.shift import shifted

NOTHING = 4
# Edits in a batch: on a CPU what lies between two layers should stay in the second-level cache.
EDITS_IN_BATCH = {"cpu": 96, "cuda": 2**13}


class Windowed:
    """Predictions of a `CNN` and the differences that edits make; see `loo.Reference` for the call."""

    def __init__(self, run, inputs):
        self.run, self.model, self.remove = run, run.model, inputs.edit == "remove"
        self.columns = inputs.columns.to(run.device).long()
        conv = self.model.conv
        self.K = conv.kernel_size[0]
        self.a = self.K - 1 - (self.K - 1) // 2  # torch pads (K - 1) // 2 on the left
        # table[b, j]: what base b at position i adds to hidden position i - a + j; no base adds nothing.
        self.table = F.pad(conv.weight.permute(1, 2, 0).flip(1), (0, 0, 0, 0, 0, 1)).contiguous()
        self.change = self.table[:, None] - self.table  # [new, old]
        self.weight = _channels_last(conv.weight)
        self.W = max(1, self.K - self.remove)  # hidden positions computed anew

    @staticmethod
    def supports(model):
        """Exactly our CNN: a subclass may compute something else."""
        from seqlm.models.cnn import CNN

        return type(model) is CNN

    def __call__(self, X, row, position, choice, weights=None):
        device = self.run.device
        X, row, position, choice = (t.to(device) for t in (X.long().clamp(max=NOTHING), row, position, choice))
        with self.run.context():
            left = self._hidden(X)
            X_right = shifted(X, X.new_tensor(NOTHING)) if self.remove else X
            right = self._hidden(X_right) if self.remove else left
            score = _Tracks if self.model.config.target == "track" else _Pooled
            score = score(self, X, X_right, left, right, None if weights is None else weights.to(device))
            seam = self._seam_sums(X, X_right) if self.remove else None
            delta = []
            for chunk in torch.arange(len(row), device=device).split(EDITS_IN_BATCH[device.type]):
                r, p = row[chunk], position[chunk]
                j = torch.arange(self.W, device=device)
                window = (r * left.shape[1] + p)[:, None] + j
                column = self.columns[choice[chunk]]
                hidden = _rows(right, window)
                if self.remove:
                    hidden += _rows(seam, window * self.K + j)
                else:
                    hidden += F.embedding(column * 5 + X[r, p], self.change.view(25, -1)).view_as(hidden)
                delta.append(score(r, p, window, F.gelu(hidden), column))
        delta = torch.cat(delta) if delta else score.empty()
        return score.prediction.double().cpu(), delta.double().cpu()

    def _hidden(self, X):
        """First convolution, (n, L + K - 1, C)."""
        x = F.one_hot(F.pad(X, (self.K - 1, self.K - 1), value=NOTHING), 5)[..., :4].to(self.table.dtype)
        return _convolve(x, self.weight, self.model.conv.bias)

    def _seam_sums(self, X, X_right):
        """(n, L + K - 1, K, C): what the first convolution gains at hidden position h, window index j, when the bases
        that taps beyond j see are those of `X` instead of `X_right`."""
        sums = self.table.new_empty(len(X), X.shape[1] + self.K - 1, self.K, self.table.shape[2])
        sums[:, :, -1] = 0
        x, x_right = (F.pad(codes, (self.K - 1, self.K - 1), value=NOTHING) for codes in (X, X_right))
        for j in range(self.K - 1, 0, -1):
            seen = slice(self.K - 1 - j, self.K - 1 - j + sums.shape[1])
            gain = F.embedding(x[:, seen] * 5 + x_right[:, seen], self.change[:, :, j].reshape(25, -1))
            torch.add(sums[:, :, j], gain, out=sums[:, :, j - 1])
        return sums


class _Tracks:
    """From new hidden windows to differences of the track."""

    def __init__(self, path, X, X_right, left, right, weights):
        self.path, self.head, self.weights = path, path.model.head, weights
        K, L, device = path.K, X.shape[1], X.device
        self.L, self.Q = L, self.head.conv.kernel_size[0]
        self.c = self.Q - 1 - (self.Q - 1) // 2
        self.room = path.a + self.c, K + self.Q - 2 - path.a - self.c
        # The norm's scale goes into the taps; its shift and the bias of the convolution cancel in differences.
        taps = self.head.conv.weight * self.head.norm.weight[:, None]
        self.taps = _channels_last(taps)
        self.exists = F.pad(torch.ones(L, device=device), (path.a, K - 1 - path.a))[:, None]
        self.left = self._normalised(F.gelu(left)) * self.exists
        self.before, y = self._outputs(left)
        self.prediction = y + self.head.linear.bias
        self.y = F.pad(y, self.room)
        if path.remove:
            self.right = self._normalised(F.gelu(right)) * self.exists
            self.before, y_right = self._outputs(right)
            self.both = torch.cat([self.left.flatten(0, 1), self.right.flatten(0, 1)])
            self.stitched = self._stitch_sums(taps)
            self.gain = F.pad(y_right - y, self.room).double()
            if weights is not None:
                self.gain = self.gain * F.pad(weights, self.room)
                self.behind = F.pad(self.gain.flip(1).cumsum(1).flip(1), (0, 1))
        self.weights = None if weights is None else F.pad(weights, self.room)

    def empty(self):
        return self.prediction[:0] if self.weights is None else self.prediction.new_zeros(0)

    def _normalised(self, x):
        return F.layer_norm(x, x.shape[-1:], eps=self.head.norm.eps)

    def _outputs(self, hidden):
        """Second convolution (n, L + K + Q - 2, H), zero outside the sequence; the track without its bias (n, L)."""
        x = F.gelu(hidden[:, self.path.a : self.path.a + self.L])
        x = self.head.conv(self.head.norm(x).transpose(1, 2)).transpose(1, 2)
        return F.pad(x, (0, 0, *self.room)), F.gelu(x) @ self.head.linear.weight[0]

    def _stitch_sums(self, taps):
        """(n, L + K + Q - 2, Q + 1, H): what output o gains when its first t taps see `left` instead of `right`."""
        n, width, _ = self.left.shape
        outputs = width + self.Q - 1
        product = (self.left - self.right) @ taps.permute(1, 2, 0).flatten(1)  # every tap by itself
        product = F.pad(product.view(n, width, self.Q, -1), (0, 0, 0, 0, self.Q - 1, self.Q - 1))
        sums = product.new_empty(n, outputs, self.Q + 1, product.shape[-1])
        sums[:, :, 0] = 0
        for k in range(self.Q):
            # Output o (index o + a + c) sees with tap k the hidden position o + k - (Q - 1 - c), index + Q - 1 here.
            torch.add(sums[:, :, k], product[:, k : k + outputs, k], out=sums[:, :, k + 1])
        return sums

    def __call__(self, row, position, window, features, column):
        path, device = self.path, row.device
        if path.remove:
            j = torch.arange(path.W, device=device)
            original = F.embedding(window + (j >= path.a) * (self.left.shape[0] * self.left.shape[1]), self.both)
        else:
            original = _rows(self.left, window)
        difference = self._normalised(features).sub_(original)
        if position.min() < path.a or position.max() > self.L - path.K + path.a:
            difference *= self.exists[position[:, None] + torch.arange(path.W, device=device)]
        x = _convolve(difference, self.taps, padding=self.Q - 1)
        q = torch.arange(x.shape[1], device=device)
        output = row[:, None] * self.before.shape[1] + position[:, None] + q
        x += _rows(self.before, output)
        if path.remove:
            t = (path.a + self.Q - 1 - q).clamp(0, self.Q)
            x += _rows(self.stitched, output * (self.Q + 1) + t)
        gain = F.gelu(x) @ self.head.linear.weight[0] - self.y.flatten()[output]
        return self._reduce(row, position, output, gain.double())

    def _reduce(self, row, position, output, gain):
        """Weighted sum of each edit's differences, or all of them laid out on the track."""
        end = position + output.shape[1]
        if self.weights is not None:
            total = (gain * self.weights.flatten()[output]).sum(1)
            return total + self.behind[row, end] if self.path.remove else total
        index = torch.arange(self.y.shape[1], device=row.device)
        track = self.gain[row] * (index >= end[:, None]) if self.path.remove else gain.new_zeros(len(row), len(index))
        track.scatter_(1, output - row[:, None] * self.y.shape[1], gain)
        return track[:, self.room[0] : self.room[0] + self.L]


class _Pooled:
    """From new hidden windows to differences of a scalar or of logits."""

    def __init__(self, path, X, X_right, left, right, weights):
        self.path, self.head, L = path, path.model.head, X.shape[1]
        inside = slice(path.a, path.a + L)
        known, known_right = X < NOTHING, X_right < NOTHING
        left, right = F.gelu(left[:, inside]), F.gelu(right[:, inside])
        self.pool = StitchedPool(self.head.pooling, left, right, known, known_right)
        room = (path.a, path.K - 1 - path.a)
        self.known, self.known_right = F.pad(known, room).flatten(), F.pad(known_right, room).flatten()
        self.prediction = self.head(left, known)

    def empty(self):
        return self.prediction[:0]

    def __call__(self, row, position, window, features, column):
        j = torch.arange(self.path.W, device=row.device)
        if self.path.remove:
            known = torch.where(j < self.path.a, self.known[window], self.known_right[window])
        else:
            known = torch.where(j == self.path.a, (column < NOTHING)[:, None], self.known[window])
        pooled = self.pool(row, position - self.path.a, features, known)
        return self.head(pooled).double() - self.prediction[row]


def _rows(x, index):
    """Vectors of `x` (..., C) by their number: (*index.shape, C)."""
    return F.embedding(index, x.reshape(-1, x.shape[-1]))


def _channels_last(weight):
    """Weights (C_out, C_in, k) laid out for `_convolve`."""
    return weight.unsqueeze(2).contiguous(memory_format=torch.channels_last)


def _convolve(x, weight, bias=None, padding=0):
    """Convolution with channels last: x (n, L, C_in) -> (n, L', C_out).

    As a 2-d convolution in channels-last memory the input is read and the output written as they are.
    """
    x = x.transpose(1, 2).unsqueeze(2)
    return F.conv2d(x, weight, bias, padding=(0, padding)).squeeze(2).transpose(1, 2)
