"""Leave-one-out for the CNN: only what an edit can reach is computed again.

Letters: K and Q taps of the first and the second convolution, a and c how far they reach to the left, C hidden
channels, H channels of the head, n sequences of length L, M edits. An edit at position i changes the K hidden
positions from ``i - a`` on and the ``K + Q - 1`` outputs from ``i - a - c`` on. Arrays keep that room at both ends, so
that the window of edit i starts at index i.

The first convolution is a sum over table look-ups, one for every few bases. The second is linear in the normalised
features: it is applied to their *difference* from the original, K positions instead of the K + 2 (Q - 1) that the
outputs see, by a short Fourier transform (`seqlm.models.fourier`). GELU and the last layer follow on K + Q - 1 outputs.
On 300 bases and 11 taps this is 27 times less arithmetic than the whole network, before the transform.

A removed base moves everything behind it. Before the seam the edited sequence equals the original, behind it the
sequence that starts one base later. Both are computed once; each edit is their stitch, with K - 1 hidden positions at
the seam computed anew. What the second convolution makes of a stitch follows from running sums over its taps.
"""

import torch
import torch.nn.functional as F

from seqlm.attribution.fast.layout import channels_last, convolve, rows
from seqlm.attribution.fast.pooling import stitched_pool
from seqlm.attribution.fast.track import StitchedTrack
from seqlm.attribution.shift import chunks, shifted
from seqlm.models.fourier import BlockConvolution, pays
from seqlm.sequences.codes import NO_BASE

# Edits in a batch: on a CPU what lies between two layers should stay in the second-level cache.
EDITS_IN_BATCH = {"cpu": 192, "cuda": 2**13}
# Bases in a word of the first convolution's tables: 625 words of 128 channels fit in a second-level cache.
WORD = 4


class Windowed:
    """Predictions of a `CNN` and the differences that edits make; see `loo.Reference` for the call."""

    def __init__(self, run, inputs):
        self.run, self.model, self.remove = run, run.model, inputs.edit == "remove"
        self.columns = inputs.columns.to(run.device).long()
        conv = self.model.conv
        self.K = conv.kernel_size[0]
        self.a = self.K - 1 - (self.K - 1) // 2  # torch pads (K - 1) // 2 on the left
        self.W = max(1, self.K - self.remove)  # hidden positions computed anew
        self.weight = channels_last(conv.weight)
        self.words, self.places = _word_tables(conv)
        if self.model.config.target == "track":
            # The norm's scale goes into the taps; its shift and the bias of the convolution cancel in differences.
            taps = self.model.head.conv.weight * self.model.head.norm.weight[:, None]
            self.convolve = self._difference_convolution(taps)
            self.each_tap = channels_last(taps.permute(2, 0, 1).flatten(0, 1)[..., None])  # (Q H, C, 1, 1)

    def _difference_convolution(self, taps):
        """Second convolution of windows, positions first: (W, M, C) -> (W + Q - 1, M, H)."""
        room = taps.shape[2] - 1
        if self.run.dtype == torch.float32 and taps.device.type == "cpu" and pays(taps, self.W, room):
            return BlockConvolution(taps, self.W, room)
        laid_out = channels_last(taps)
        return lambda x: convolve(x.transpose(0, 1), laid_out, padding=room).transpose(0, 1)

    @staticmethod
    def supports(model):
        """Exactly our CNN: a subclass may compute something else."""
        from seqlm.models.networks.cnn import CNN

        return type(model) is CNN

    def __call__(self, X, row, position, choice, weights=None):
        device = self.run.device
        X, row, position, choice = (t.to(device) for t in (X.long().clamp(max=NO_BASE), row, position, choice))
        u = torch.arange(self.W + self.K - 1, device=device)
        # What the hidden window of edit i sees: without the removed base, or with another one in its place.
        seen = u + (u >= self.K - 1) if self.remove else u
        padded = F.pad(X, (self.K - 1, self.K), value=NO_BASE)
        with self.run.context():
            X_right = shifted(X, X.new_tensor(NO_BASE)) if self.remove else X
            score = _Tracks if self.model.config.target == "track" else _Pooled
            score = score(self, X, X_right, None if weights is None else weights.to(device))
            delta = [score.empty()]
            for chunk in chunks(len(row), EDITS_IN_BATCH[device.type], device):
                r, p, column = row[chunk], position[chunk], self.columns[choice[chunk]]
                bases = padded[r[:, None], p[:, None] + seen]
                if not self.remove:
                    bases[:, self.K - 1] = column
                delta.append(score(r, p, F.gelu(self._hidden_windows(bases)), column))
        return score.prediction.double().cpu(), torch.cat(delta).double().cpu()

    def _hidden_windows(self, bases):
        """First convolution of windows of bases (M, W + K - 1) -> (W, M, C)."""
        number = bases.to(self.places.dtype).T.unfold(0, self.K, 1) @ self.places  # (W, M, words)
        number = number.long() + 5**WORD * torch.arange(number.shape[2], device=bases.device)
        return F.embedding_bag(number.flatten(0, 1), self.words, mode="sum").view(*number.shape[:2], -1)

    def hidden(self, X):
        """First convolution, (n, L + K - 1, C)."""
        x = F.one_hot(F.pad(X, (self.K - 1, self.K - 1), value=NO_BASE), 5)[..., :4].to(self.weight.dtype)
        return convolve(x, self.weight, self.model.conv.bias)


class _Tracks:
    """From new hidden windows to differences of the track."""

    def __init__(self, path, X, X_right, weights):
        self.path, self.head = path, path.model.head
        K, L, device = path.K, X.shape[1], X.device
        self.L, self.Q = L, self.head.conv.kernel_size[0]
        self.c = self.Q - 1 - (self.Q - 1) // 2
        self.room = path.a + self.c, K + self.Q - 2 - path.a - self.c
        self.exists = F.pad(torch.ones(L, device=device), (path.a, K - 1 - path.a))[:, None]
        self.left, self.before, y = self._towers(X)
        self.prediction = y + self.head.linear.bias
        y_right = y
        if path.remove:
            right, self.before, y_right = self._towers(X_right)
            self.stitched = self._stitch_sums(self.left - right)
            self.both = torch.cat([self.left.flatten(0, 1), right.flatten(0, 1)])
        self.track = StitchedTrack(y, y, y_right, weights, self.room)

    def empty(self):
        return self.track.empty()

    def _normalised(self, x):
        return F.layer_norm(x, x.shape[-1:], eps=self.head.norm.eps)

    def _towers(self, X):
        """Normalised features (n, L + K - 1, C), second convolution (n, L + K + Q - 2, H), track less bias (n, L)."""
        x = F.gelu(self.path.hidden(X))
        inside = self.head.norm(x[:, self.path.a : self.path.a + self.L])
        output = self.head.conv(inside.transpose(1, 2)).transpose(1, 2)
        y = F.gelu(output) @ self.head.linear.weight[0]
        return self._normalised(x).mul_(self.exists), F.pad(output, (0, 0, *self.room)), y

    def _stitch_sums(self, gain):
        """(n, Q + 1, L + K + Q - 2, H): what outputs gain when their first t taps see `left` instead of `right`.

        `gain` is left - right, (n, L + K - 1, C).
        """
        gain = F.pad(gain, (0, 0, self.Q - 1, self.Q - 1))
        product = _project(gain, self.path.each_tap).unflatten(2, (self.Q, -1))
        n, outputs = len(gain), gain.shape[1] - self.Q + 1
        sums = product.new_empty(n, self.Q + 1, outputs, product.shape[-1])
        sums[:, 0] = 0
        for k in range(self.Q):
            # Output o (index o + a + c) sees with tap k the hidden position o + k - (Q - 1 - c), index + Q - 1 here.
            torch.add(sums[:, k], product[:, k : k + outputs, k], out=sums[:, k + 1])
        return sums

    def __call__(self, row, position, features, column):
        path, device = self.path, row.device
        j = torch.arange(path.W, device=device)[:, None]
        window = row * self.left.shape[1] + position + j
        if path.remove:
            original = F.embedding(window + (j >= path.a) * self.left[..., 0].numel(), self.both)
        else:
            original = rows(self.left, window)
        difference = self._normalised(features).sub_(original)
        if position.min() < path.a or position.max() > self.L - path.K + path.a:
            difference *= self.exists[position + j]
        x = path.convolve(difference)
        q = torch.arange(len(x), device=device)[:, None]
        width = self.before.shape[1]
        output = row * width + position + q
        x += rows(self.before, output)
        if path.remove:
            t = (path.a + self.Q - 1 - q).clamp(0, self.Q)
            x += rows(self.stitched, output + (row * self.Q + t) * width)
        return self.track(row, position, (F.gelu(x) @ self.head.linear.weight[0]).T)


class _Pooled:
    """From new hidden windows to differences of a scalar or of logits."""

    def __init__(self, path, X, X_right, weights):
        self.path, self.head = path, path.model.head
        inside = slice(path.a, path.a + X.shape[1])
        known, known_right = X < NO_BASE, X_right < NO_BASE
        left = F.gelu(path.hidden(X)[:, inside])
        right = F.gelu(path.hidden(X_right)[:, inside]) if path.remove else left
        parts = left, right, known, known_right
        self.pool = stitched_pool(self.head, *parts)
        room = (path.a, path.K - 1 - path.a)
        self.known, self.known_right = F.pad(known, room), F.pad(known_right, room)
        self.prediction = self.head(left, known)

    def empty(self):
        return self.prediction[:0]

    def __call__(self, row, position, features, column):
        j = torch.arange(self.path.W, device=row.device)
        window = row[:, None], position[:, None] + j
        if self.path.remove:
            known = torch.where(j < self.path.a, self.known[window], self.known_right[window])
        else:
            known = torch.where(j == self.path.a, (column < NO_BASE)[:, None], self.known[window])
        pooled = self.pool(row, position - self.path.a, features.transpose(0, 1), known)
        return self.head(pooled).double() - self.prediction[row]


def _word_tables(conv):
    """Tables (words x 5^WORD, C) of the sums over WORD taps, for every word of A, C, G, T and no base, and the place
    values (K, words) that turn K bases into the words' numbers. The bias is in the first table."""
    weight = F.pad(conv.weight, (0, -conv.kernel_size[0] % WORD, 0, 1))  # (C, 5, taps): no base, and taps past the end
    C, _, taps = weight.shape
    tables = []
    for k in range(0, taps, WORD):
        table = weight.new_zeros(1, C)
        for tap in range(k, k + WORD):
            table = (table[:, None] + weight[:, :, tap].T).flatten(0, 1)
        tables.append(table + conv.bias if k == 0 else table)
    # In float64 a product is exact, also where the rest is computed in 16 bits.
    place = 5.0 ** torch.arange(WORD - 1, -1, -1, dtype=torch.double, device=weight.device)
    places = torch.block_diag(*[place[:, None]] * len(tables))
    return torch.cat(tables), places[: conv.kernel_size[0]]


def _project(x, weight):
    """Linear map of (n, L, C_in) by weight (C_out, C_in, 1, 1): as a convolution oneDNN does it in half the time."""
    n, L, C = x.shape
    x = F.pad(x.reshape(-1, C), (0, 0, 0, -n * L % 16)).view(-1, 16, C)
    return convolve(x, weight).reshape(-1, len(weight))[: n * L].view(n, L, -1)
