"""Names for motifs: the most similar ones of a collection, by Tomtom.

Gupta et al. 2007, Genome Biology 8, R24, doi:10.1186/gb-2007-8-2-r24.
"""

import warnings

import numpy as np

Q_VALUE = 0.05  # largest that a match may have
ENOUGH = 50  # motifs: Tomtom's p values come from the collection's own columns, and need that many


def name_motifs(motifs, collection, both_strands=True, background=()):
    """The best match of each motif in a collection.

    Parameters
    ----------
    motifs : list of array (w, 4)
        Counts.
    collection : list of Bio.motifs.Motif
    both_strands : bool
        Whether a motif may match the reverse complement.
    background : list of Bio.motifs.Motif
        Others, whose columns say how often columns resemble one another by chance; used where the collection is small.

    Returns
    -------
    list of (int, float, float, bool)
        Index of the match in the collection, its p value, its q value (Benjamini and Hochberg, over all motifs and all
        of the collection), and whether the match is to the reverse complement.
    """
    if not len(motifs):
        return []
    from memelite import tomtom
    from scipy.stats import false_discovery_control

    targets = [_shares([motif.counts[base] for base in "ACGT"]) for motif in (*collection, *background)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on small collections: what is missing is added as background
        p, score, _, _, turned = tomtom([_shares(counts.T) for counts in motifs], targets, None, 100, 1000, 100, 100,
                                        both_strands, 1)[:5]  # fmt: skip
    size = len(collection)
    p = np.clip(p[:, :size], 0, 1)
    q = false_discovery_control(p.ravel()).reshape(p.shape)
    best = [int(np.lexsort((-score[i, :size], p[i]))[0]) for i in range(len(motifs))]
    return [(j, float(p[i, j]), float(q[i, j]), bool(turned[i, j])) for i, j in enumerate(best)]


def _shares(rows):
    """Counts (4, w) as shares of each column."""
    rows = np.asarray(rows, float) + 1e-9
    return rows / rows.sum(0)
