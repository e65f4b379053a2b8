"""Which column of a table is what, by its name and what stands in it."""

from dataclasses import dataclass, field
from itertools import islice

from seqlm.common.errors import InputError
from seqlm.sequences.tables.rows import header_of, is_missing, read_columns

# Names by which people call such columns, in lower case; the first that is there is taken.
USUAL = {
    "id": ("id", "name", "seq_id", "sequence_id", "sequence_name", "gene_id", "transcript_id", "transcript", "refseq"),
    "sequence": ("sequence", "seq", "dna", "rna", "mrna", "bases"),
    "label": ("label", "activity", "target", "class", "score", "expression", "value", "half_life", "y"),
    "group": ("group", "gene", "gene_id", "gene_name", "family"),
    "split": ("split", "set", "partition", "fold_split"),
    "cds_start": ("cds_start", "cds_begin"),
    "cds_end": ("cds_end", "cds_stop"),
    "junctions": ("junctions", "exon_junctions"),
    "weight": ("weight",),
    "chrom": ("chrom", "chr", "chromosome"),
    "start": ("start",),
    "end": ("end",),
    "strand": ("strand",),
}
LOOKED_AT = 200  # rows
SHORTEST = 6  # letters that look like a sequence


@dataclass
class Columns:
    """Names of a table's columns, by what they stand for.

    Attributes
    ----------
    named : dict of str to str
        Keys are those of `USUAL`.
    others : list of str
        Columns that are none of these.
    """

    named: dict
    others: list = field(default_factory=list)


def find_columns(path, label=None, id=None, record_ids=None):
    """Look for the columns of a delimited file.

    Parameters
    ----------
    path : path
    label, id : str, optional
        Columns that the user has named.
    record_ids : set of str, optional
        Ids of the sequences that the table labels: its id column is that which has most of them.

    Returns
    -------
    Columns

    Raises
    ------
    InputError
        As `read_columns`; a column that is not there; several that could be the label.
    """
    names = header_of(path)
    if not names:
        raise InputError(path, "holds no table", "give a file whose first line names its columns")
    rows = [cells for _, cells in islice(read_columns(path, {name: name for name in names}), LOOKED_AT)]
    if not rows:
        raise InputError(path, "has a header but no rows", "give a file with at least one row of data")
    lower = {name.lower(): name for name in names}
    named = {}
    for what, usual in USUAL.items():
        found = next((lower[name] for name in usual if name in lower and lower[name] not in named.values()), None)
        if found:
            named[what] = found
    for what, said in (("label", label), ("id", id)):
        if said is not None:
            if said not in names:
                raise InputError(path, f"has no column {said!r} ({what})", f"its columns are {', '.join(names)}")
            named = {key: name for key, name in named.items() if name != said} | {what: said}
    if record_ids is not None:
        named.pop("sequence", None)
        named["id"] = id or _column_of_ids(names, rows, record_ids) or named.get("id", names[0])
        named = {key: name for key, name in named.items() if key == "id" or name != named["id"]}
    elif "sequence" not in named or not all(_like_sequence(row[named["sequence"]]) for row in rows):
        like = [name for name in names if all(_like_sequence(row[name]) for row in rows)]
        named.pop("sequence", None)
        if like:
            named = {key: name for key, name in named.items() if name != like[0]} | {"sequence": like[0]}
    if "label" not in named:
        named["label"] = _only_label(path, [name for name in names if name not in named.values()])
    return Columns(named, [name for name in names if name not in named.values()])


def is_numeric(values):
    """Whether labels are numbers to be predicted, not names of classes: any fraction, or more than ten values."""
    known = [value for value in values if not is_missing(value)]
    try:
        numbers = {float(value) for value in known}
    except ValueError:
        return False
    return len(numbers) > 10 or any(number != int(number) for number in numbers if abs(number) < 1e15)


def _like_sequence(text):
    return len(text) >= SHORTEST and not set(text.upper()) - set("ACGTUNRYSWKMBDHV")


def _column_of_ids(names, rows, ids):
    hits = {name: sum(row[name] in ids for row in rows) for name in names}
    best = max(hits, key=hits.get)
    return best if hits[best] else None


def _only_label(path, candidates):
    if len(candidates) == 1:
        return candidates[0]
    if not candidates:
        raise InputError(path, "has no column left that could be the label", "add a column of labels")
    raise InputError(path, f"any of its columns could be the label: {', '.join(candidates)}",
                     f"say which, as --label {candidates[0]} (make new ... LABEL={candidates[0]})")  # fmt: skip
