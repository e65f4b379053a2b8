"""How much the columns of a motif say: Schneider & Stephens 1990, Nucleic Acids Research 18:6097."""

import numpy as np


def information(counts, pseudocount=0.8):
    """Information content in bits (Schneider & Stephens 1990): counts (length, 4) -> heights (length, 4)."""
    counts = np.asarray(counts, float) + pseudocount / 4
    share = counts / counts.sum(1, keepdims=True)
    return share * (2 + (share * np.log2(share)).sum(1, keepdims=True))
