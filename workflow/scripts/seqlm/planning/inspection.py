"""Looking at somebody's files with the readers that the study will use: what they hold, and what to mind."""

import tempfile
from collections import Counter
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd

from seqlm.common.errors import InputError
from seqlm.datasets import build_dataset
from seqlm.datasets.examples import lengths
from seqlm.planning.columns import find_columns, is_numeric
from seqlm.sequences import is_bgzip, is_gzip, read_fasta, reverse_complement
from seqlm.sequences.downloads.sources import fetch
from seqlm.sequences.similarity import plain_bases, similarity_clusters
from seqlm.sequences.tables.bed import read_bed
from seqlm.sequences.tables.rows import read_columns

SUFFIXES = {
    "fasta": (".fa", ".fasta", ".fna", ".ffn", ".fas"),
    "bed": (".bed", ".narrowpeak", ".broadpeak"),
    "table": (".tsv", ".csv", ".txt"),
    "gff": (".gff", ".gff3", ".gtf"),
    "genbank": (".gb", ".gbk", ".gbff"),
}
CLUSTERED = 20_000  # sequences that are compared with one another at most
SCORE, SIGNAL = 5, 7  # columns of BED and narrowPeak


@dataclass
class Seen:
    """What files hold.

    Attributes
    ----------
    kind : {"records", "table", "regions", "transcripts"}
        How the study will read them.
    sources : dict of str to dict
        The study's section `sources`.
    entry : dict
        The dataset's entry, without folds.
    examples : DataFrame
        As the study will have them.
    summary : dict
        As in a dataset's summary.json.
    label : str
        The label's column, or what stands for it.
    notes : list of str
        Sentences on what was seen.
    clusters : int array, or None
        Cluster of similar sequences of each example (of a sample where there are many).
    """

    kind: str
    sources: dict
    entry: dict
    examples: pd.DataFrame
    summary: dict
    label: str
    notes: list = field(default_factory=list)
    clusters: np.ndarray | None = None

    @property
    def target(self):
        return self.entry["target"]

    @property
    def length(self):
        """Median length in bases."""
        return int(lengths(self.examples["sequence"]).median())


def file_kind(path):
    """What a file holds, by its suffix.

    Raises
    ------
    InputError
        The file is missing or empty, or its suffix is not known.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(path, "there is no such file", "check the path")
    if path.is_dir():
        raise InputError(path, "is a folder", "give a file")
    if not path.stat().st_size:
        raise InputError(path, "the file is empty", "give a file with content")
    suffix = Path(path.stem if path.suffix in (".gz", ".bgz") else path.name).suffix.lower()
    for kind, suffixes in SUFFIXES.items():
        if suffix in suffixes:
            return kind
    known = ", ".join(suffix for suffixes in SUFFIXES.values() for suffix in suffixes)
    raise InputError(path, f"its suffix {suffix!r} names no known format", f"known are {known} (each also .gz)")


def inspect(sequences, labels=None, genome=None, *, label=None, id=None):
    """Look at a newcomer's files.

    Parameters
    ----------
    sequences : path
        FASTA, BED, annotation (GFF, GTF), GenBank, or a table with sequences.
    labels : path, optional
        Table of labels, for FASTA, annotation and GenBank.
    genome : path, optional
        FASTA that BED and annotation refer to, and that the language model is pretrained on.
    label, id : str, optional
        Columns, where their names do not say it. For BED, a label is a column's number.

    Returns
    -------
    Seen

    Raises
    ------
    InputError
        For files that cannot be read, do not belong together or teach nothing.
    """
    kind = file_kind(sequences)
    for other in (labels, genome):
        if other is not None:
            file_kind(other)
    look = {"fasta": _records, "table": _table, "bed": _regions, "gff": _transcripts, "genbank": _transcripts}[kind]
    sources, entry, label, notes = look(sequences, labels, genome, label, id)
    if genome is not None:
        sources.setdefault("genome", {"fasta": str(genome)})
    paths = {source: next(iter(about.values())) for source, about in sources.items()}
    where = f"{labels or sequences}, column {label!r}"
    try:
        examples, summary = examples_of("labels", entry, paths)
    except InputError as error:  # a newcomer knows columns, not datasets
        if not str(error.where).startswith("datasets.labels"):
            raise
        raise InputError(where, error.problem, f"{error.mend}, or name another column (LABEL=)") from None
    kind = next(kind for kind in ("records", "table", "regions", "transcripts") if kind in entry)
    seen = Seen(kind, sources, entry, examples, summary, label, notes)
    _look_closer(seen, sequences)
    return seen


def examples_of(name, entry, paths):
    """Examples and summary of a dataset out of files as users have them.

    A study keeps its own copy of a genome, packed so that any place in it can be read. A genome packed otherwise is
    packed so for the moment.
    """
    with tempfile.TemporaryDirectory() as folder:
        packed = entry.get("regions", {}).get("genome")
        if packed and is_gzip(paths[packed]) and not is_bgzip(paths[packed]):
            fetch(paths[packed], Path(folder, "genome.fa.gz"), "fasta")
            paths = paths | {packed: Path(folder, "genome.fa.gz")}
        return build_dataset(name, entry, paths, seed=1)


# kinds of files ---------------------------------------------------------------------------------------------------


def _records(fasta, labels, genome, label, id):
    if labels is None:
        raise InputError(fasta, "FASTA holds sequences but no labels", "give a table of labels too: LABELS=table.tsv")
    ids = {record.id for record in islice(read_fasta(fasta, check=False), 10_000)}
    columns = find_columns(labels, label, id, ids).named
    entry = {"target": None, "records": {"source": "sequences", "labels": "labels", "id": columns["id"]}}
    entry["records"] |= {key: columns[key] for key in ("label", "weight", "group") if key in columns} | {
        "missing": "drop"
    }
    notes = _labelled(entry, "records", labels, columns)
    return {"sequences": {"fasta": str(fasta)}, "labels": {"table": str(labels)}}, entry, columns["label"], notes


def _table(table, labels, genome, label, id):
    if labels is not None:
        raise InputError(table, "has sequences and labels of its own", "leave the second table out")
    columns = find_columns(table, label, id).named
    if "sequence" not in columns:
        raise InputError(table, "has no column of sequences", "give FASTA=... beside it, or name a column 'sequence'")
    if {"cds_start", "cds_end"} <= set(columns):
        own = {"source": "table", "sequence": columns["sequence"], "cds": [columns["cds_start"], columns["cds_end"]]}
        own |= {key: columns[key] for key in ("junctions", "id") if key in columns}
        own |= {"gene": columns["group"]} if "group" in columns else {}
        entry = {"target": None, "transcripts": own | {"label": columns["label"]}}
        return (
            {"table": {"table": str(table)}},
            entry,
            columns["label"],
            _labelled(entry, "transcripts", table, columns),
        )
    entry = {"target": None, "table": {"source": "table", "sequence": columns["sequence"], "label": columns["label"]}}
    entry["table"] |= {key: columns[key] for key in ("id", "weight", "group", "split") if key in columns}
    notes = _labelled(entry, "table", table, columns)
    return {"table": {"table": str(table)}}, entry, columns["label"], notes


def _labelled(entry, kind, path, columns):
    """Put target and what becomes of missing labels into an entry; sentences about it."""
    cells = [row["label"] for _, row in read_columns(path, {"label": columns["label"]})]
    entry["target"] = "scalar" if is_numeric(cells) else "class"
    what = "numbers" if entry["target"] == "scalar" else "classes"
    missing = sum(not cell or cell.lower() in ("na", "nan", ".", "n/a") for cell in cells)
    if missing:
        entry[kind]["missing"] = "drop"
    return [f"{Path(path).name}: {len(cells):,} rows; column {columns['label']!r} holds {what}"
            + (f", {missing:,} of them missing (left out)" if missing else "")]  # fmt: skip


def _regions(bed, labels, genome, label, id):
    if genome is None:
        raise InputError(bed, "a BED file needs the genome it refers to", "give it: GENOME=genome.fa")
    rows = list(read_bed(bed))
    if not rows:
        raise InputError(bed, "holds no region", "give a BED file with at least one")
    sizes = np.array([row.end - row.start for row in rows])
    own = {"source": "regions", "genome": "genome"}
    if label is not None:
        if not str(label).isdecimal() or int(label) < 4:
            raise InputError(bed, f"column {label!r} is no column number from 4", "4 is the name, 5 the score")
        own["label"] = int(label)
        target = "scalar" if is_numeric([row.fields[int(label) - 1] for row in rows]) else "class"
        what = f"column {label}"
    else:
        target, what = "class", "region or background"
    if len(set(sizes.tolist())) > 1:
        own["length"] = int(min(max(np.median(sizes), 100), 1000))
    notes = [f"{Path(bed).name}: {len(rows):,} regions of {sizes.min():,} to {sizes.max():,} bases on "
             f"{len({row.chrom for row in rows})} chromosomes"]  # fmt: skip
    sources = {"regions": {"table": str(bed)}, "genome": {"fasta": str(genome)}}
    return sources, {"target": target, "regions": own}, what, notes


def _transcripts(annotation, labels, genome, label, id):
    gff = file_kind(annotation) == "gff"
    if gff and genome is None:
        raise InputError(annotation, "an annotation needs the genome it refers to", "give it: GENOME=genome.fa")
    if labels is None:
        raise InputError(annotation, "genes have no labels of their own", "give a table of labels: LABELS=table.tsv")
    columns = find_columns(labels, label, id).named
    if "id" not in columns:
        columns["id"] = columns.pop("group", None)
    if columns["id"] is None:
        raise InputError(labels, "has no column of gene or transcript ids", "name one 'gene', or give ID=column")
    own = {"genome": "genome", "annotation": "genes"} if gff else {"genbank": "genes"}
    entry = {"target": None, "transcripts": own | {"labels": "labels", "id": columns["id"], "label": columns["label"]}}
    notes = _labelled(entry, "transcripts", labels, columns)
    entry["transcripts"] |= {"isoforms": "representative", "missing": "drop"}
    sources = {"genes": {"gff" if gff else "genbank": str(annotation)}, "labels": {"table": str(labels)}}
    return ({"genome": {"fasta": str(genome)}} if gff else {}) | sources, entry, columns["label"], notes


# what the examples are like ---------------------------------------------------------------------------------------


def _look_closer(seen, path):
    examples, notes, counts = seen.examples, seen.notes, seen.summary["cleaning"]
    texts = [plain_bases(sequence).upper().replace("U", "T") for sequence in examples["sequence"]]
    length = np.array([len(text) for text in texts])
    spread = f"{length.min():,} bases" if length.min() == length.max() else (
        f"{length.min():,} to {length.max():,} bases (median {int(np.median(length)):,})")  # fmt: skip
    notes.append(f"{len(texts):,} examples that can be used, of {spread}")
    letters = int(length.sum())
    if counts.get("converted", 0) > letters / 20:
        seen.entry["cleaning"] = {"molecule": "rna"}
        notes.append("U in place of T: RNA")
    if counts.get("lower_case"):
        notes.append(f"{counts['lower_case'] / letters:.0%} of the letters are lower case; they count as upper case")
    odd = sum(counts.get(kind, 0) for kind in ("ambiguous", "gap", "illegal"))
    if odd:
        notes.append(f"{odd:,} letters are neither bases nor N; they are read as N")
    for kind, words in (("labels_without_sequence", "rows of the table have no sequence of their id"),
                        ("labels_without_transcript", "rows of the table are of no coding transcript"),
                        ("outside", "regions reach beyond their chromosome"), ("duplicates", "regions are there twice"),
                        ("too_many_n", "regions have more than 10% N")):  # fmt: skip
        if counts.get(kind):
            notes.append(f"{counts[kind]:,} {words}; left out")
    if seen.summary.get("cleaning", {}).get("unlabelled") and seen.kind == "records":
        notes.append(f"{counts['unlabelled']:,} sequences have no label; left out")
    same = Counter(min(text, reverse_complement(text)) for text in texts)
    if len(same) == 1 and len(texts) > 1:
        raise InputError(path, "all its sequences are the same", "give sequences that differ")
    copies = len(texts) - len(same)
    if copies:
        seen.entry["duplicates"] = "drop"
        notes.append(f"{copies:,} sequences are copies of others (on either strand); duplicates: drop leaves them out")
    if seen.target == "class":
        share = examples["target"].value_counts(normalize=True)
        shown = ", ".join(f"{name} {part:.0%}" for name, part in share.head(6).items())
        more = f" and {len(share) - 6} more" if len(share) > 6 else ""
        notes.append(f"{len(share)} classes: {shown}{more}")
    else:
        values = examples["target"].astype(float)
        notes.append(f"labels from {values.min():.3g} to {values.max():.3g}, mean {values.mean():.3g}")
    _compare(seen, texts)


def _compare(seen, texts):
    """Clusters of similar sequences, of a sample where there are many."""
    sample = texts
    if len(texts) > CLUSTERED:
        rng = np.random.default_rng(1)
        sample = [texts[i] for i in np.sort(rng.choice(len(texts), CLUSTERED // 5, replace=False))]
    seen.clusters = similarity_clusters(sample)
    sizes = np.bincount(seen.clusters)
    together = int(sizes[sizes > 1].sum())
    if together:
        of = "" if len(sample) == len(texts) else f" (of a sample of {len(sample):,})"
        share = f"{together / len(sample):.0%} of the sequences share half their 12-mers with another{of}"
        seen.notes.append(f"{share}; the largest such cluster holds {sizes.max():,}")
