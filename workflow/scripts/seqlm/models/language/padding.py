"""Encoders for which padding is not nothing.

Some do not use the attention mask everywhere: the convolutions of GPN and ConvBERT read the padding next to a
sequence's last tokens, others count positions or choose a kind of attention by the padded length. Which they are is not
written anywhere, so it is found out: the first sequence that is padded is also run alone. Where that gives other
states, sequences of one length are run together, which is right for any encoder.
"""

import torch

# How far states of a sequence that is padded may be from those of it alone, as a share of their size.
TOLERANCE = {torch.float32: 1e-4, torch.float64: 1e-8}
LOW_TOLERANCE = 0.1  # of 16-bit arithmetic


def in_batch(network, run, ids, known):
    """States of a padded batch, each sequence's those that it has alone.

    Parameters
    ----------
    network : torch.nn.Module
        Remembers whether it heeds the mask.
    run : callable
        ``(ids, known) -> states (n, T, ...)``
    ids : integer tensor (N, T)
    known : bool tensor (N, T)
        Where there is a token.

    Returns
    -------
    tensor (N, T, ...)
        Zeros beyond a sequence's last token where they are run by length.
    """
    lengths = (torch.arange(1, ids.shape[1] + 1, device=ids.device) * known).amax(1)
    least, longest = lengths.aminmax()
    if least == ids.shape[1]:
        return run(ids, known)
    if 0 < longest < ids.shape[1]:  # padded for a longer one, which is in another batch
        width, longest = ids.shape[1], int(longest)
        states = in_batch(network, run, ids[:, :longest], known[:, :longest])
        return torch.cat([states, states.new_zeros(len(ids), width - longest, *states.shape[2:])], 1)
    if heeds_mask(network, run, ids, known, lengths):
        return run(ids, known)
    result = None
    for length in lengths.unique().tolist():
        rows = (lengths == length).nonzero()[:, 0]
        if not length:
            continue
        states = run(ids[rows, :length], known[rows, :length])
        if result is None:
            result = states.new_zeros(*ids.shape, *states.shape[2:])
        # Not in place: states may carry gradients.
        full = torch.cat([states, states.new_zeros(len(rows), ids.shape[1] - length, *states.shape[2:])], 1)
        result = result.index_add(0, rows, full)
    return run(ids, known) if result is None else result


@torch.no_grad()
def heeds_mask(network, run, ids, known, lengths):
    """Whether states of a sequence are the same beside padding as alone; found out once for a network."""
    if "_seqlm_heeds_mask" not in network.__dict__:
        some = lengths.where(lengths > 0, ids.shape[1])
        row, length = int(some.argmin()), int(some.min())
        if length == ids.shape[1]:
            return True  # nothing can be seen from a sequence without a token
        modes = [(module, module.training) for module in network.modules()]
        network.eval()
        try:
            with torch.autocast(ids.device.type, enabled=False):
                beside = run(ids[row : row + 1], known[row : row + 1])[0, :length]
                alone = run(ids[row : row + 1, :length], known[row : row + 1, :length])[0]
        finally:
            for module, training in modes:
                module.training = training
        there = known[row, :length]
        off, size = (beside - alone)[there].abs().max(), alone[there].abs().max()
        network.__dict__["_seqlm_heeds_mask"] = bool(off <= TOLERANCE.get(alone.dtype, LOW_TOLERANCE) * size)
    return network.__dict__["_seqlm_heeds_mask"]
