"""Pooling of sequences of which only a window is new.

An edited sequence's features are those of `left` before the window, of the window inside it, and of `right` behind
it. With running sums or maxima from both ends, pooling costs the window alone.
"""

import torch

from seqlm.models.heads import POOLINGS


def stitched_pool(head, left, right, known_left, known_right):
    """What pools edited sequences as `head.pool` would; see `StitchedPool` for the arguments and the call."""
    sides = left, right, known_left, known_right
    if head.pooling in POOLINGS:
        return StitchedPool(head.pooling, *sides)
    return (StitchedPositions if head.pooling == "positions" else Stitched)(head.learned, *sides)


class StitchedPool:
    """`PooledHead.pool` for edited sequences.

    Parameters
    ----------
    pooling : {"mean", "max", "mean_max", "first", "last"}
    left, right : (n, L, C)
        Features before and behind the windows.
    known_left, known_right : (n, L) bool
        Positions that count.
    """

    def __init__(self, pooling, left, right, known_left, known_right):
        self.pooling, self.left, self.right = pooling, left, right
        self.L = left.shape[1]
        if pooling == "mean_max":
            self.parts = [StitchedPool(part, left, right, known_left, known_right) for part in ("mean", "max")]
        elif pooling == "mean":
            self.before, self.count_before = _sums(left, known_left)
            self.behind, self.count_behind = (t.flip(1) for t in _sums(right.flip(1), known_right.flip(1)))
        elif pooling == "max":
            self.before = _maxima(left, known_left)
            self.behind = _maxima(right.flip(1), known_right.flip(1)).flip(1)
        else:
            # Position of the nearest known base: the last one before p, or the first one from p on.
            self.last_before, self.first_before = _last_before(known_left), _first_before(known_left)
            size = self.L - 1
            self.first_behind = size - _last_before(known_right.flip(1)).flip(1)
            self.last_behind = size - _first_before(known_right.flip(1)).flip(1)

    def __call__(self, row, start, window, known):
        """(M, C) pooled features of M edited sequences.

        Parameters
        ----------
        row, start : (M,)
            Which sequence, and where its window starts (it may reach past either end).
        window : (M, W, C)
        known : (M, W) bool
            False also where the window lies outside the sequence.
        """
        if self.pooling == "mean_max":
            return torch.cat([part(row, start, window, known) for part in self.parts], -1)
        s, e = start.clamp(0, self.L), (start + window.shape[1]).clamp(0, self.L)
        if self.pooling == "mean":
            total = self.before[row, s] + self.behind[row, e] + (window * known[..., None]).sum(1, dtype=torch.double)
            count = self.count_before[row, s] + self.count_behind[row, e] + known.sum(1)
            return (total / count.clamp(min=1)[:, None]).to(window.dtype)
        if self.pooling == "max":
            inside = window.masked_fill(~known[..., None], -torch.inf).amax(1)
            largest = torch.maximum(torch.maximum(self.before[row, s], self.behind[row, e]), inside)
            return largest.masked_fill(largest == -torch.inf, 0.0)
        return self._pick(row, start, s, e, window, known)

    def _pick(self, row, start, s, e, window, known):
        """Features of the first or last known position; of position L - 1 or 0 when nothing is known."""
        W, none = window.shape[1], -1
        offset = torch.arange(W, device=row.device)
        if self.pooling == "first":
            inside = offset.where(known, W).amin(1)
            inside = torch.where(inside < W, start + inside, none)
            behind = self.first_behind[row, e]
            found = [self.first_before[row, s], inside, torch.where(behind < self.L, behind, none)]
            default = self.L - 1
        else:
            inside = offset.where(known, none).amax(1)
            inside = torch.where(inside >= 0, start + inside, none)
            behind = self.last_behind[row, e]
            found = [torch.where(behind < self.L, behind, none), inside, self.last_before[row, s]]
            default = 0
        index = torch.full_like(row, default)
        for place in reversed(found):
            index = torch.where((place >= 0) & (place < self.L), place, index)
        new = window[torch.arange(len(row), device=row.device), (index - start).clamp(0, W - 1)]
        old = torch.where((index < s)[:, None], self.left[row, index], self.right[row, index])
        return torch.where(((index >= s) & (index < e))[:, None], new, old)


class StitchedPositions:
    """The head's `Positions` for edited sequences; see `StitchedPool` for the arguments.

    What is kept of each position is a few channels, and only these are laid out whole.
    """

    def __init__(self, positions, left, right, known_left, known_right):
        self.positions = positions
        self.everywhere = StitchedPool("mean_max", left, right, known_left, known_right)
        kept = positions.kept(left, known_left)
        self.left, self.right = kept, kept if right is left else positions.kept(right, known_right)

    def __call__(self, row, start, window, known):
        kept = stitch(row, start, self.positions.kept(window, known), self.left, self.right)
        return self.positions.gathered(kept, self.everywhere(row, start, window, known))


class Stitched:
    """Edited sequences put together whole, for other heads that learn how to pool; see `StitchedPool`."""

    def __init__(self, pool, left, right, known_left, known_right):
        self.pool, self.left, self.right = pool, left, right
        self.known_left, self.known_right = known_left, known_right

    def __call__(self, row, start, window, known):
        """(M, ...) what `pool` (features, known) makes of M edited sequences."""
        features = stitch(row, start, window, self.left, self.right)
        return self.pool(features, stitch(row, start, known, self.known_left, self.known_right))


def stitch(row, start, window, left, right):
    """`left` before the window, the window, and `right` behind it: (M, L, ...); see `StitchedPool`."""
    L, W = left.shape[1], window.shape[1]
    whole = window.new_empty(len(row), L + 2 * W, *left.shape[2:])
    middle = whole[:, W : W + L]
    middle[:] = left[row]
    if right is not left:
        behind = torch.arange(L, device=row.device) >= start[:, None]
        middle[behind] = right[row][behind]
    # A window may reach past either end; what lies more than its width outside touches nothing.
    place = (start.clamp(-W, L) + W)[:, None] + torch.arange(W, device=row.device)
    whole[torch.arange(len(row), device=row.device)[:, None], place] = window
    return middle


def _sums(x, known):
    """Sums and counts over the known positions before each position, (n, L + 1, C) and (n, L + 1)."""
    sums = torch.nn.functional.pad((x * known[..., None]).cumsum(1, dtype=torch.double), (0, 0, 1, 0))
    return sums, torch.nn.functional.pad(known.cumsum(1), (1, 0))


def _maxima(x, known):
    """Largest known value before each position, -inf where there is none, (n, L + 1, C)."""
    x = x.masked_fill(~known[..., None], -torch.inf)
    return torch.nn.functional.pad(x, (0, 0, 1, 0), value=-torch.inf).cummax(1).values


def _last_before(known):
    """Last known position before each position, -1 where there is none, (n, L + 1)."""
    position = torch.arange(known.shape[1], device=known.device).where(known, -1)
    return torch.nn.functional.pad(position, (1, 0), value=-1).cummax(1).values


def _first_before(known):
    """First known position before each position, -1 where there is none, (n, L + 1)."""
    L = known.shape[1]
    position = torch.arange(L, device=known.device).where(known, L)
    first = torch.nn.functional.pad(position, (1, 0), value=L).cummin(1).values
    return torch.where(first < L, first, -1)
