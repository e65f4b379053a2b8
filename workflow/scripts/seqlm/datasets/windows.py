"""Examples that are windows of sequences: labelled by a motif scan, or by the source that they come from."""

import heapq
import re

import numpy as np
import pandas as pd
from tqdm import tqdm

from seqlm.common.errors import InputError
from seqlm.sequences import Windows, read_fasta
from seqlm.sequences.motifs import motif_mask, motif_scanner

BATCH = 4096  # windows scanned at once
_GENE = re.compile(r"(?:^|[\s\[])(?:gene|locus_tag|gene_id)[=:]([^\s\];]+)")


def motif_windows(path, label, *, length=300, step=None, subsample=None, max_n_fraction=0.1, with_motif=None,
                  policy="N", molecule="dna", seed=0, where="windows"):  # fmt: skip
    """Windows of a FASTA file, every base labelled by a motif scan (see `seqlm.sequences.motifs`).

    Each window is scanned by itself: a hit that only partly lies in it gives no label, so that labels are a function
    of the example.

    Parameters
    ----------
    path : path
    label : dict
        motif, and p_value or score, strands, pseudocount, background: see `motif_scanner`.
    length, step : int
        Bases; windows tile the sequences when `step` is missing.
    subsample : int, optional
        Windows to draw; all when missing.
    max_n_fraction : float
        Windows with a larger fraction of bases other than A, C, G, T are left out.
    with_motif : float, optional
        Fraction of the subsample that carries a motif, drawn at random from those that do; the rest is drawn from
        those that do not. As it comes when missing.
    policy, molecule : str
        For letters that are neither bases nor N, see `seqlm.sequences.Windows`.
    seed : int

    Returns
    -------
    examples : DataFrame
        id, sequence, target (float32 array), chrom, start, end, strand.
    cleaning, label : dict
        For the summary.
    """
    scanner = motif_scanner(**label, where=f"{where}, label")
    windows = Windows(path, length, step, max_n_fraction, policy=policy, molecule=molecule)
    if length < len(scanner):
        raise InputError(
            where, f"windows of {length} bases are shorter than the motif ({len(scanner)})", "lengthen them"
        )
    if with_motif is not None:
        chosen = _balanced(windows, scanner, subsample, with_motif, seed, where)
    elif subsample is not None:
        chosen = windows.subsample(subsample, seed)
    else:
        chosen = list(windows)
    if not chosen:
        raise InputError(path, f"no window of {length} bases with at most {max_n_fraction:.0%} unknown bases",
                         "shorten the windows or allow more unknown bases")  # fmt: skip
    batches = [chosen[i : i + BATCH] for i in range(0, len(chosen), BATCH)]
    tracks = np.concatenate([_tracks(batch, scanner) for batch in batches])
    examples = pd.DataFrame(chosen).assign(target=list(tracks), strand="+")
    about = {"motif": scanner.name, "motif_length": len(scanner), "threshold": scanner.threshold,
             "with_motif": int(motif_mask(tracks).any(axis=1).sum())}  # fmt: skip
    return examples, _window_counts(windows), about


def _tracks(windows, scanner):
    """Tracks of windows of one length: float32 (n, length), scanned in one go with an N between neighbours."""
    length = len(windows[0].sequence)
    text = "N".join(window.sequence for window in windows) + "N"
    return scanner.track(text).reshape(len(windows), length + 1)[:, :length]


def _balanced(windows, scanner, subsample, with_motif, seed, where):
    """Windows in file order, the given fraction of them with a motif. Reads the file twice, in flat memory."""
    if subsample is None:
        raise InputError(where, "with_motif needs to know how many windows to draw", "give subsample too")
    carries, batch = [], []
    for window in tqdm(windows, desc="motif scan", unit="window"):
        batch.append(window)
        if len(batch) == BATCH:
            carries.append(motif_mask(_tracks(batch, scanner)).any(axis=1))
            batch = []
    if batch:
        carries.append(motif_mask(_tracks(batch, scanner)).any(axis=1))
    carries = np.concatenate(carries) if carries else np.zeros(0, bool)
    rng = np.random.default_rng(seed)
    wanted, with_it = round(subsample * with_motif), np.flatnonzero(carries)
    others = np.flatnonzero(~carries)
    for kind, count, there in (("with", wanted, with_it), ("without", subsample - wanted, others)):
        if count > len(there):
            raise InputError(where, f"{count} windows {kind} a motif are wanted, there are {len(there)}",
                             "change subsample, with_motif or the p_value")  # fmt: skip
    chosen = np.zeros(len(carries), bool)
    chosen[rng.choice(with_it, wanted, replace=False)] = True
    chosen[rng.choice(others, subsample - wanted, replace=False)] = True
    return [window for window, taken in zip(windows, chosen, strict=True) if taken]


def class_windows(paths, *, length=60, step=None, per_class=None, train_step=None, max_n_fraction=0.1, policy="N",
                  molecule="dna", seed=0, where="windows"):  # fmt: skip
    """Windows of several FASTA files, such as coding sequences of species; the class is the file's name.

    Windows start at multiples of `step` from the start of each record (in frame, for coding sequences and steps
    divisible by three). Where headers name genes (``gene=`` or ``gene:``), only the longest record of each gene is
    used, so that isoforms give no window twice.

    Parameters
    ----------
    paths : dict of str to path
        Class name to FASTA file.
    length, step : int
        Bases; windows do not overlap when `step` is missing.
    per_class : int, optional
        Windows to draw from each file; all where there are fewer.
    train_step : int, optional
        The genes of these windows give further ones for training, that start this many bases apart. All classes keep
        their share of the training part by weights.
    max_n_fraction : float
    policy, molecule : str
        As in `motif_windows`.
    seed : int

    Returns
    -------
    examples : DataFrame
        id, sequence, target (class name), group (class and gene, or record), chrom (record), start, end, strand; with
        `train_step` also training_only and weight.
    cleaning, label : dict
        For the summary.
    """
    tables, cleaning = [], {}
    for number, (name, path) in enumerate(paths.items()):
        named, left_out = _genes(path)
        kept = {"max_unknown": max_n_fraction, "policy": policy, "molecule": molecule}
        windows = Windows(path, length, step, **kept)
        rng = np.random.default_rng([seed, number])
        eligible = (window for window in windows if window.chrom in named)
        chosen = list(eligible) if per_class is None else _draw(eligible, per_class, rng)
        if not chosen:
            raise InputError(path, f"no window of {length} bases for class {name!r}", "shorten the windows")
        table = pd.DataFrame(chosen)
        if train_step:
            table = _with_more(table, Windows(path, length, train_step, **kept))
        genes = table["chrom"].map(named)
        tables.append(table.assign(id=name + ":" + table["id"], target=name, group=name + ":" + genes, strand="+"))
        counts = {**_window_counts(windows), "isoforms": left_out}
        cleaning |= {f"{name}_{what}": count for what, count in counts.items() if count}
    examples = pd.concat(tables, ignore_index=True)
    if train_step:
        examples["weight"] = _balancing(examples)
    return examples, cleaning, {"per_class": per_class}


def _with_more(drawn, windows):
    """Drawn windows, then all others of the same records, marked as for training only."""
    records, known = set(drawn["chrom"]), set(drawn["id"])
    more = [window for window in windows if window.chrom in records and window.id not in known]
    both = [drawn, pd.DataFrame(more, columns=drawn.columns)]
    return pd.concat(both, ignore_index=True).assign(training_only=np.repeat([False, True], [*map(len, both)]))


def _balancing(examples):
    """Weights by which windows for training only count, together, for each class as much as its drawn ones do.

    A species with longer genes gives more of them, which says nothing about how frequent it is among drawn windows. On
    average they weigh 1, as drawn windows do.
    """
    more = examples["training_only"]
    drawn, further = (examples.loc[rows, "target"].value_counts() for rows in (~more, more))
    weight = examples["target"].map(drawn / further * (more.sum() / (~more).sum()))
    return weight.where(more, 1.0).astype("float32")


def gene_of(record):
    """The gene that a FASTA header names (``gene=``, ``gene:``, ``locus_tag=``, ``gene_id=``), else the record's id."""
    found = _GENE.search(record.description)
    return found.group(1) if found else record.id


def _genes(path):
    """Gene of each record to use (the longest of its gene), and how many records were left out."""
    longest = {}
    records = 0
    for record in read_fasta(path, check="ids"):
        records += 1
        gene = gene_of(record)
        if gene not in longest or len(record.sequence) > longest[gene][1]:
            longest[gene] = record.id, len(record.sequence)
    return {record: gene for gene, (record, _) in longest.items()}, records - len(longest)


def _draw(windows, count, rng):
    """`count` of a stream, each subset equally likely, in the stream's order: those with the largest random keys."""
    kept = []
    for number, window in enumerate(windows):
        entry = (rng.random(), number, window)
        if len(kept) < count:
            heapq.heappush(kept, entry)
        else:
            heapq.heappushpop(kept, entry)
    return [window for _, _, window in sorted(kept, key=lambda entry: entry[1])]


def _window_counts(windows):
    """Counts of a pass over `Windows`, named for the summary."""
    names = {
        "invalid": "invalid_characters",
        "dropped": "windows_dropped",
        "unknown": "too_many_n",
        "short": "short_records",
    }
    return {name: windows.counts[count] for count, name in names.items() if windows.counts.get(count)}
