"""Leave-one-out scores piece by piece: the same however the pieces are divided among jobs.

Numbers in a batch depend in their last digits on what else is in it. So sequences are cut into pieces of a fixed size,
each is scored by itself, and a job gets whole pieces.
"""

import numpy as np

from seqlm.sequences.codes import NO_BASE

PIECE = 2**10  # tokens: at least as many edits, enough to fill batches
ABOUT_ALL = ("replacements", "classes")  # arrays that say what an axis stands for


def pieces(lengths):
    """Cut sequences of these lengths into pieces.

    Returns
    -------
    list of slice
    """
    result, first, tokens = [], 0, 0
    for index, length in enumerate(lengths):
        if tokens and tokens + length > PIECE:
            result.append(slice(first, index))
            first, tokens = index, 0
        tokens += length
    return [*result, slice(first, len(lengths))]


def share(items, shard):
    """What the kth of n jobs gets of a list; ``shard`` is (k, n), counted from 1."""
    number, shards = shard
    return items[len(items) * (number - 1) // shards : len(items) * number // shards]


def join_arrays(parts):
    """Arrays of several pieces as one, narrower ones widened: by NaN, no base, or False.

    Parameters
    ----------
    parts : list of dict of str to array
        The first axis is the sequence, the second the position.
    """
    return {name: _join(name, [part[name] for part in parts]) for name in parts[0]}


def _join(name, arrays):
    if name in ABOUT_ALL:
        return arrays[0]
    if name in ("id", "prediction"):
        return np.concatenate(arrays)
    width = max(array.shape[1] for array in arrays)
    fill = NO_BASE if name == "codes" else False if arrays[0].dtype == bool else np.nan
    rest = [(0, 0)] * (arrays[0].ndim - 2)
    return np.concatenate(
        [np.pad(a, [(0, 0), (0, width - a.shape[1]), *rest], constant_values=fill) for a in arrays]
    )  # fmt: skip


ADDED, PEAKS = ("energy_joules", "queue_seconds"), ("peak_memory_bytes", "peak_host_memory_bytes")


def join_costs(parts):
    """What several jobs cost together: seconds and work added up, the largest peak of memory."""
    total = {key: sum(part.get(key, 0) for part in parts) for key in ("seconds", "samples", "tokens")}
    rates = {f"{key}_per_second": total[key] / total["seconds"] for key in ("samples", "tokens") if total["seconds"]}
    total |= {key: sum(part[key] for part in parts) for key in ADDED if all(key in part for part in parts)}
    peaks = {key: max(part[key] for part in parts) for key in PEAKS if key in parts[0]}
    return {**parts[0], **total, **rates, **peaks}
