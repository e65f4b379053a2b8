"""Motifs out of importances, by TF-MoDISco (Shrikumar et al. 2018, arXiv:1811.00416; modisco-lite).

Stretches that matter more than chance (seqlets) are cut out, compared and clustered; a motif is what a cluster's
seqlets have in common.
"""

from dataclasses import dataclass, replace

import numpy as np

from seqlm.sequences.information import information

WINDOW, FLANK = 21, 10  # bases: of a seqlet's core, and on either side of it (TF-MoDISco's)
PADDING = 20  # bases without importance put at both ends, so that what lies at an end is found too
ENOUGH, FEWEST = 100, 20  # seqlets: TF-MoDISco clusters more than 100; we try with 20 and say so
SHORTEST = 4  # columns: what agrees in fewer is a base that matters anywhere, and has any motif's name by chance
# Columns at the ends are cut off with less than this share of the largest importance, or fewer bits: a stretch of N has
# the name of any long motif.
KEPT, INFORMATIVE = 0.3, 0.25


@dataclass
class Motif:
    """What seqlets of one cluster have in common.

    Attributes
    ----------
    counts : array (w, 4)
        How often A, C, G and T stand at each position.
    contribution : array (w, 4)
        Mean importance of each base there.
    seqlets : int
    effect : {"supports", "opposes"}
        Whether the motif raises the prediction or lowers it.
    """

    counts: np.ndarray
    contribution: np.ndarray
    seqlets: int
    effect: str

    def turned(self):
        """Its reverse complement."""
        return replace(self, counts=self.counts[::-1, ::-1], contribution=self.contribution[::-1, ::-1])


def discover(one_hot, hypothetical, both_strands=True):
    """Motifs of sequences.

    Parameters
    ----------
    one_hot, hypothetical : float32 array (n, L, 4)
        As `seqlm.explanation.importance.importance` gives them.
    both_strands : bool
        False for RNA: seqlets are then read as they stand. TF-MoDISco always joins a stretch with its reverse
        complement; of such a cluster the larger half is kept.

    Returns
    -------
    motifs : list of Motif
        Those that support a prediction first, then by their number of seqlets.
    said : str
        One sentence: what was found, and what may be doubted.
    """
    one_hot, hypothetical = (_padded(array) for array in (one_hot, hypothetical))
    importance = (one_hot * hypothetical).sum(2)
    if not np.ptp(importance):
        return [], "No base mattered to any prediction, so there is no motif."
    seqlets = _count(importance)
    if seqlets < FEWEST:
        return [], (
            f"{seqlets} stretches stand out from {len(one_hot):,} examples, too few to compare (at least {FEWEST} are "
            "needed): no motif. More examples may show some."
        )
    patterns = _patterns(one_hot, hypothetical, FEWEST - 1 if seqlets <= ENOUGH else ENOUGH)
    motifs = [_motif(pattern, effect, one_hot, importance, both_strands) for effect, pattern in patterns]
    motifs = list(filter(None, motifs))
    short = sum(len(motif.counts) < SHORTEST for motif in motifs)
    motifs = [motif for motif in motifs if len(motif.counts) >= SHORTEST]
    motifs = sorted(motifs, key=lambda motif: (motif.effect != "supports", -motif.seqlets))
    said = f"{seqlets:,} stretches stand out from {len(one_hot):,} examples; {_number(len(motifs))} recurs among them."
    if len(motifs) > 1:
        said = said.replace("recurs", "recur")
    if short:
        said += f" {short} more {'agrees' if short == 1 else 'agree'} in fewer than {SHORTEST} bases."
    if seqlets <= ENOUGH:
        said += f" These are few stretches (TF-MoDISco wants more than {ENOUGH}): more examples may show more motifs."
    return motifs, said


def _number(count):
    return "no motif" if not count else "1 motif" if count == 1 else f"{count} motifs"


def _padded(array):
    """Zeros at both ends, and as many as a window needs."""
    short = max(0, WINDOW + 2 * FLANK - array.shape[1] - 2 * PADDING)
    return np.pad(array, ((0, 0), (PADDING, PADDING + short), (0, 0)))


# Of windows none is taken for a place alone: TF-MoDISco's default takes the best 3% even where nothing stands out.
SEQLETS = {"target_fdr": 0.2, "min_passing_windows_frac": 0.0, "max_passing_windows_frac": 0.2}


def _count(importance):
    from modiscolite.extract_seqlets import extract_seqlets

    found, threshold = extract_seqlets(
        attribution_scores=importance, window_size=WINDOW, flank=FLANK, suppress=int(0.5 * WINDOW) + FLANK,
        weak_threshold_for_counting_sign=0.8, **SEQLETS,
    )  # fmt: skip
    core = [importance[seqlet.example_idx, seqlet.start + FLANK : seqlet.end - FLANK].sum() for seqlet in found]
    return int(np.sum(np.abs(core) > threshold))


def _patterns(one_hot, hypothetical, more_than):
    """(effect, pattern) of TF-MoDISco; clusters are made where more than so many seqlets are of one sign."""
    from modiscolite.tfmodisco import TFMoDISco

    options = {name.replace("target_fdr", "target_seqlet_fdr"): value for name, value in SEQLETS.items()}
    found = TFMoDISco(
        one_hot, hypothetical, sliding_window_size=WINDOW, flank_size=FLANK, min_metacluster_size=more_than,
        final_min_cluster_size=min(FEWEST, more_than // 2), **options,
    )  # fmt: skip
    return [(effect, p) for effect, own in zip(("supports", "opposes"), found, strict=True) for p in own or ()]


def _motif(pattern, effect, one_hot, importance, both_strands):
    """Counts and mean importances of a pattern's seqlets, its ends that say nothing cut off; None where too few."""
    seqlets = pattern.seqlets
    if not both_strands:
        forward = [seqlet for seqlet in seqlets if not seqlet.is_revcomp]
        seqlets = forward if 2 * len(forward) >= len(seqlets) else [s for s in seqlets if s.is_revcomp]
        if len(seqlets) < FEWEST // 2:
            return None
    counts, contribution = np.zeros((2, pattern.length, 4))
    for seqlet in seqlets:
        place = seqlet.example_idx, slice(seqlet.start, seqlet.end)
        bases = one_hot[place]
        own = bases * importance[place][:, None]
        turned = both_strands and seqlet.is_revcomp
        counts += bases[::-1, ::-1] if turned else bases
        contribution += own[::-1, ::-1] if turned else own
    contribution /= len(seqlets)
    weight = np.abs(contribution.sum(1))
    bits = information(counts, pseudocount=2).sum(1)  # few seqlets say little
    kept = np.flatnonzero((weight >= KEPT * weight.max()) & (bits >= INFORMATIVE))
    span = slice(kept[0], kept[-1] + 1) if len(kept) else slice(0)
    return Motif(counts[span], contribution[span], len(seqlets), effect)
