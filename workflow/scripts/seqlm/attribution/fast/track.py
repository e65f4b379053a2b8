"""Differences of tracks of which only a window is new."""

import torch
import torch.nn.functional as F


class StitchedTrack:
    """What edits change in a track: before its window an edited sequence has `left`, behind it `right`.

    Parameters
    ----------
    track, left, right : (n, L)
        Of the unedited sequence, and of what lies before and behind the windows.
    weights : (n, L) or None
        Of each position in the sum that is wanted; None keeps every position.
    room : (int, int)
        How far windows may reach past either end.
    """

    def __init__(self, track, left, right, weights, room):
        self.room, self.L = room, track.shape[1]
        self.track = F.pad(track, room)
        self.gains = [None if side is track else F.pad(side - track, room).double() for side in (left, right)]
        self.weights = None if weights is None else F.pad(weights, room)
        if weights is not None:
            before, behind = (None if gain is None else gain * self.weights for gain in self.gains)
            self.before = None if before is None else F.pad(before.cumsum(1), (1, 0))
            self.behind = None if behind is None else F.pad(behind.flip(1).cumsum(1).flip(1), (0, 1))

    def empty(self):
        """The differences of no edits."""
        return self.track.new_zeros(0) if self.weights is not None else self.track[:0, : self.L]

    def __call__(self, row, start, window):
        """(M,) weighted sums, or (M, L) differences, of M edits.

        Parameters
        ----------
        row, start : (M,)
            Which sequence, and where its window starts, counted from ``room[0]`` before the sequence.
        window : (M, W)
        """
        width, device = self.track.shape[1], row.device
        place = (row * width + start)[:, None] + torch.arange(window.shape[1], device=device)
        gain, end = (window - self.track.flatten()[place]).double(), start + window.shape[1]
        if self.weights is not None:
            total = (gain * self.weights.flatten()[place]).sum(1)
            total = total if self.gains[0] is None else total + self.before[row, start]
            return total if self.gains[1] is None else total + self.behind[row, end]
        index = torch.arange(width, device=device)
        whole = gain.new_zeros(len(row), width)
        if self.gains[0] is not None:
            whole += self.gains[0][row] * (index < start[:, None])
        if self.gains[1] is not None:
            whole += self.gains[1][row] * (index >= end[:, None])
        whole.scatter_(1, place - row[:, None] * width, gain)
        return whole[:, self.room[0] : self.room[0] + self.L]
