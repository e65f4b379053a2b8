"""Motifs that a model reads in a dataset, as the workflow's tables.

================  =====================================================================================
found.tsv         dataset, model, motif, effect, seqlets, consensus, match, match_id, family, p_value, q_value
said.tsv          dataset, model, said: a sentence on what was found
logos.npz         motif (m,), and for each counts_<motif> and contribution_<motif> (w, 4)
<model>.bed       hits, see `seqlm.explanation.hits`
================  =====================================================================================
"""

import numpy as np
import pandas as pd
from Bio.motifs import jaspar

from seqlm.explanation.discovery import discover
from seqlm.explanation.hits import motif_hits, scanner
from seqlm.explanation.importance import importance
from seqlm.explanation.naming import ENOUGH, Q_VALUE, name_motifs
from seqlm.sequences.motif_files import JASPAR, jaspar_motifs, read_motifs

COLUMNS = ["dataset", "model", "motif", "effect", "seqlets", "consensus", "match", "match_id", "family", "p_value",
           "q_value"]  # fmt: skip


def dataset_motifs(arrays, examples, dataset, model, settings, molecule="dna"):
    """Discover, name and find motifs.

    Parameters
    ----------
    arrays : dict of numpy.ndarray
        Leave-one-out scores, as of `seqlm.attribution.dataset_scores.score_dataset`.
    examples : DataFrame
        The dataset's.
    dataset, model : str
    settings : dict
        examples (how many), and file (path) or jaspar (group of species).
    molecule : {"dna", "rna"}
        RNA has one strand, and its consensus is written with U.

    Returns
    -------
    found, said : DataFrame
    logos : dict of numpy.ndarray
    hits : DataFrame

    Raises
    ------
    InputError
        A motif file that cannot be read.
    """
    both = molecule == "dna"
    collection, named_after, background = _collection(settings)
    arrays = {name: array[: settings["examples"]] if name != "replacements" else array
              for name, array in arrays.items() if name != "classes"}  # fmt: skip
    motifs, said = discover(*importance(arrays), both_strands=both)
    rows, logos, scanners = [], {"motif": np.array([f"m{i + 1}" for i in range(len(motifs))], str)}, {}
    names = name_motifs([motif.counts for motif in motifs], collection, both, background)
    for name, motif, (j, p_value, q_value, turned) in zip(logos["motif"], motifs, names, strict=True):
        motif = motif.turned() if turned else motif  # so that it is read as its match is written
        known = collection[j] if q_value <= Q_VALUE else None
        rows.append([
            dataset, model, name, motif.effect, motif.seqlets, _consensus(motif.counts, both),
            known.name if known else "", (known.matrix_id or "") if known else "", _family(known), p_value, q_value,
        ])  # fmt: skip
        logos |= {f"counts_{name}": motif.counts, f"contribution_{name}": motif.contribution}
        scan = scanner(motif.counts, both)
        if scan is not None:
            scanners[f"{name}_{known.name}" if known else str(name)] = scan
    if motifs:
        count = sum(bool(row[6]) for row in rows)
        said += f" {count} of {len(motifs)} resembles one of {named_after} (Tomtom, q at most {Q_VALUE})."
        said = said if count == 1 else said.replace(" resembles one ", " resemble some ")
    found = pd.DataFrame(rows, columns=COLUMNS)
    note = pd.DataFrame([[dataset, model, said]], columns=["dataset", "model", "said"])
    return found, note, logos, motif_hits(scanners, arrays, examples)


def _collection(settings):
    """The motifs that names are taken from, what they are called together, and others where they are few."""
    if "jaspar" in settings:
        group = settings["jaspar"]
        return jaspar_motifs(group), f"JASPAR's motifs of {group} ({JASPAR.replace('JASPAR', 'release ')})", ()
    own = read_motifs(settings["file"])
    return own, "the motif file's", jaspar_motifs("vertebrates") if len(own) < ENOUGH else ()


def _consensus(counts, both):
    motif = jaspar.Motif("m", "m", counts=dict(zip("ACGT", (counts.T + 1e-9).tolist(), strict=True)))
    text = str(motif.degenerate_consensus)
    return text if both else text.replace("T", "U")


def _family(motif):
    family = getattr(motif, "tf_family", None) or ""
    return ", ".join(map(str, family)) if isinstance(family, list | tuple) else str(family)
