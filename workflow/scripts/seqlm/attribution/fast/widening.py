"""Leave-one-out for the dilated network: windows that widen from layer to layer.

An edit changes as many outputs of the first convolution as it has taps. Every dilated layer adds its spacing to both
ends of that window, and the head's convolution its own reach. A layer reads the new features inside the window and the
unedited ones around it; where the window has grown as long as the sequence, the remaining layers run on all of it.

A removed base moves everything behind it: before the seam an edited sequence has the features of the original, behind
it those of the sequence that starts one base later. Turned round, before the seam it has those of the sequence that
starts one base earlier, and behind it those of the original.
"""

import torch
import torch.nn.functional as F

from seqlm.attribution.fast.layout import channels_last, convolve, rows
from seqlm.attribution.fast.pooling import stitch, stitched_pool
from seqlm.attribution.fast.track import StitchedTrack
from seqlm.attribution.shift import chunks, shifted
from seqlm.sequences.codes import NO_BASE

# Edits in a batch: on a CPU what lies between two layers should stay in the cache.
EDITS_IN_BATCH = {"cpu": 48, "cuda": 2**12}


class Widening:
    """Predictions of a `Dilated` network and the differences that edits make; see `loo.Reference` for the call."""

    def __init__(self, run, inputs):
        self.run, self.model, self.remove = run, run.model, inputs.edit == "remove"
        self.columns = inputs.columns.to(run.device).long()

    @staticmethod
    def supports(model):
        """Exactly our network: a subclass may compute something else."""
        from seqlm.models.networks.dilated import Dilated

        return type(model) is Dilated

    def __call__(self, X, row, position, choice, weights=None):
        device = self.run.device
        X, row, position, choice = (t.to(device) for t in (X.long().clamp(max=NO_BASE), row, position, choice))
        weights = None if weights is None else weights.to(device)
        with self.run.context():
            strands = [_Strand(self.model, X, shifted(X, X.new_tensor(NO_BASE)) if self.remove else X, X, weights)]
            if self.model.config.reverse_complement:
                strands.append(self._other_strand(X, weights))
            delta = [strands[0].empty()]
            for chunk in chunks(len(row), EDITS_IN_BATCH[device.type], device):
                r, p, column = row[chunk], position[chunk], self.columns[choice[chunk]]
                changes = [strands[0](r, p, None if self.remove else column)]
                if len(strands) > 1:
                    # The seam lies behind the removed base, or before it, read from the other end.
                    p = X.shape[1] - p if self.remove else X.shape[1] - 1 - p
                    changes.append(self._turned(strands[1](r, p, None if self.remove else complement(column))))
                delta.append(sum(changes) / len(changes))
            predictions = [strands[0].prediction] + [self._turned(strand.prediction) for strand in strands[1:]]
        return (sum(predictions) / len(predictions)).double().cpu(), torch.cat(delta).double().cpu()

    def _other_strand(self, X, weights):
        turned = complement(X).flip(1)
        moved = F.pad(turned[:, :-1], (1, 0), value=NO_BASE) if self.remove else turned
        return _Strand(self.model, moved, turned, turned, None if weights is None else weights.flip(1))

    def _turned(self, y):
        """A track of the other strand the right way round; sums and values of a sequence have no direction."""
        return y.flip(1) if self.model.config.target == "track" and y.ndim == 2 else y


class _Strand:
    """Differences on one strand.

    Parameters
    ----------
    left, right : (n, L) codes
        What edited sequences are before and behind the seam.
    original : (n, L) codes
        The unedited sequences: `left` or `right`.
    """

    def __init__(self, model, left, right, original, weights):
        self.model, self.remove, self.L = model, left is not right, left.shape[1]
        K = model.conv.kernel_size[0]
        self.K, self.before = K, K - 1 - (K - 1) // 2  # torch pads (K - 1) // 2 on the left
        self.W = max(1, K - self.remove)
        self.spacings = self._windowed_layers()
        is_track = model.config.target == "track"
        kernel = model.head.conv.kernel_size[0] if is_track else 1
        self.room = K + 2 * sum(self.spacings) + 2 * kernel
        self.codes = F.pad(torch.stack([left, right]), (self.room, self.room), value=NO_BASE)
        self.weight = channels_last(model.conv.weight)
        self.taps = [channels_last(layer.conv.weight) for layer in model.layers]
        # One array a layer: the left sequences' features, then the right ones', with room at both ends.
        self.features, y = self._tower(left)
        outputs = [y, y]
        if self.remove:
            behind, outputs[1] = self._tower(right)
            self.features = [torch.cat(pair) for pair in zip(self.features, behind, strict=True)]
        self.prediction = outputs[0 if original is left else 1]
        last = self.features[-1][:, self.room : self.room + self.L].chunk(1 + self.remove)
        self.sides = last[0], last[-1]
        self.whole = self.W + 2 * sum(self.spacings) + kernel - 1 >= self.L or len(self.spacings) < len(model.layers)
        if is_track:
            self.track = StitchedTrack(self.prediction, *outputs, weights, (self.room, self.room))
            self.weights = weights
        elif not self.whole:
            self.pool = stitched_pool(model.head, *self.sides, left < NO_BASE, right < NO_BASE)

    def _windowed_layers(self):
        """Spacings of the layers whose window is shorter than the sequence."""
        spacings, width = [], self.W
        for layer in self.model.layers:
            spacing = layer.conv.dilation[0]
            width += 2 * spacing
            if width >= self.L:
                break
            spacings.append(spacing)
        return spacings

    def _tower(self, codes):
        """Features that the windowed layers read, and the last one writes, with room; and the prediction."""
        x, known = self._one_hot(codes), (codes < NO_BASE)[..., None]
        x = F.gelu(convolve(F.pad(x, (0, 0, (self.K - 1) // 2, self.before)), self.weight, self.model.conv.bias))
        kept = [x]
        for number, layer in enumerate(self.model.layers):
            x = layer(x, known)
            if number < len(self.spacings):
                kept.append(x)
        return [F.pad(x, (0, 0, self.room, self.room)) for x in kept], self._head(x, known)

    def _head(self, x, known):
        return self.model.head(x * known) if self.model.config.target == "track" else self.model.head(x, known[..., 0])

    def _one_hot(self, codes):
        return F.one_hot(codes, 5)[..., :4].to(self.model.conv.weight.dtype)

    def empty(self):
        return self.track.empty() if self.model.config.target == "track" else self.prediction[:0]

    def __call__(self, row, seam, column):
        """Differences of M edits: base `column` put at `seam`, or (None) the stitch at `seam` instead."""
        self.edit = row, seam, column
        start = seam - self.before
        codes = self._codes(start - (self.K - 1) // 2, self.W + self.K - 1)
        x = F.gelu(convolve(self._one_hot(codes), self.weight, self.model.conv.bias))
        for number, spacing in enumerate(self.spacings):
            start, x = start - spacing, self._layer(number, start, x, spacing)
        if self.whole:
            return self._through_the_rest(start, x)
        if self.model.config.target == "track":
            start, y = self._track(start, x)
            return self.track(row, start + self.room, y)
        known = self._codes(start, x.shape[1]) < NO_BASE
        return self.model.head(self.pool(row, start, x, known)).double() - self.prediction[row]

    def _layer(self, number, start, x, spacing):
        """A dilated layer on new features (M, W, C) from `start` on -> (M, W + 2 spacing, C)."""
        layer, width = self.model.layers[number], x.shape[1]
        around = self._features(number, start - 2 * spacing, width + 4 * spacing)
        around[:, 2 * spacing : 2 * spacing + width] = x
        known = self._codes(start - 2 * spacing, around.shape[1]) < NO_BASE
        y = convolve(layer.norm(around) * known[..., None], self.taps[number], layer.conv.bias, dilation=spacing)
        y = F.glu(y) if layer.gated else F.gelu(y)
        return around[:, spacing:-spacing] + layer.mix(y)

    def _track(self, start, x):
        """The head on new features (M, W, C) from `start` on -> where its new outputs start, and they."""
        head, width = self.model.head, x.shape[1]
        kernel = head.conv.kernel_size[0]
        first = start - (kernel - 1)
        around = self._features(-1, first, width + 2 * (kernel - 1))
        around[:, kernel - 1 : kernel - 1 + width] = x
        known = self._codes(first, around.shape[1]) < NO_BASE
        place = first[:, None] + torch.arange(around.shape[1], device=x.device)
        exists = (place >= 0) & (place < self.L)
        y = head.conv((head.norm(around * known[..., None]) * exists[..., None]).transpose(1, 2)).transpose(1, 2)
        y = y[:, (kernel - 1) // 2 : (kernel - 1) // 2 + width + kernel - 1]  # those that see nothing but what is there
        return start - kernel // 2, head.linear(F.gelu(y)).squeeze(-1)

    def _through_the_rest(self, start, x):
        """Edited sequences put together whole, through the layers that are left."""
        row = self.edit[0]
        y = stitch(row, start, x, *self.sides)
        known = (self._codes(torch.zeros_like(start), self.L) < NO_BASE)[..., None]
        for layer in self.model.layers[len(self.spacings) :]:
            y = layer(y, known)
        delta = self._head(y, known).double() - self.prediction[row]
        if self.model.config.target == "track" and self.weights is not None:
            return (delta * self.weights[row]).sum(1)
        return delta

    def _place(self, start, width):
        """Numbers of `width` positions from `start` on among those of all sequences with room, left then right."""
        row, seam, _ = self.edit
        place = start[:, None] + torch.arange(width, device=row.device)
        n, length = self.codes.shape[1:]
        behind = (place >= seam[:, None]) * (n * length) if self.remove else 0
        return place, row[:, None] * length + self.room + place + behind

    def _features(self, number, start, width):
        """Unedited features around a window, (M, width, C)."""
        return rows(self.features[number], self._place(start, width)[1])

    def _codes(self, start, width):
        """Codes of the edited sequences, (M, width)."""
        place, number = self._place(start, width)
        codes = self.codes.flatten()[number]
        _, seam, column = self.edit
        return codes if self.remove else torch.where(place == seam[:, None], column[:, None], codes)


def complement(codes):
    """Codes of the pairing bases; no base stays none."""
    return torch.where(codes < NO_BASE, 3 - codes, codes)
