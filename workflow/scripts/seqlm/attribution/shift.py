"""Edits of one position: masked, replaced, or removed so that the rest moves up.

Sequences are model inputs whose last axis is the position: codes (n, L), or channels (n, C, L).
"""

import torch


def chunks(n, size, device=None):
    """Numbers 0 to n - 1 in tensors of at most `size`; none at all where there is nothing to edit."""
    return [torch.arange(start, min(start + size, n), device=device) for start in range(0, n, size)]


def edited_copies(X, row, position, column, blank):
    """One edited copy of a sequence per edit.

    Parameters
    ----------
    X : torch.Tensor, shape (n, L) or (n, C, L)
    row, position : int tensors, shape (M,)
        Which sequence, and where.
    column : tensor, shape (M,) or (M, C), or None
        What is put there; None removes the position: what follows moves one to the
        left and `blank` fills the free end.
    blank : tensor, shape () or (C,)
        Input that stands for no base.

    Returns
    -------
    torch.Tensor, shape (M, L) or (M, C, L)
    """
    if column is None:
        source = torch.arange(X.shape[-1], device=X.device)
        source = source + (source >= position[:, None])
        extended = torch.cat([X, _end(X, blank)], -1)
        if X.ndim == 2:
            return extended[row[:, None], source]
        return extended[row].gather(2, source[:, None].expand(-1, X.shape[1], -1))
    copies = X[row]
    copies[torch.arange(len(row), device=X.device), ..., position] = column
    return copies


def run_starts(X, width):
    """Where the run of equal positions begins that each of the first `width` positions is in: (n, width) int.

    Whichever one of a run is removed, the same sequence is left: one of them is enough to compute.
    """
    same = X[..., 1:width] == X[..., : width - 1]
    same = same.all(1) if X.ndim == 3 else same
    starts = torch.arange(width).expand(len(X), -1).clone()
    starts[:, 1:].masked_fill_(same.cpu(), 0)
    return starts.cummax(1).values


def shifted(X, blank):
    """Every sequence without its first position: ``shifted(X)[..., i] = X[..., i + 1]``, then `blank`.

    Right of a removed position the edited sequence *is* this one, whichever position was removed.
    """
    return torch.cat([X[..., 1:], _end(X, blank)], -1)


def _end(X, blank):
    """`blank` as one more position behind every sequence."""
    end = torch.empty_like(X[..., :1])
    end[...] = blank[:, None] if X.ndim == 3 else blank
    return end
