"""Leave-one-out scores and places of motifs as tracks for a genome browser."""

import sys
import tempfile
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pyarrow as pa

from seqlm.common.errors import InputError
from seqlm.common.tables import write_parquet
from seqlm.explanation.places import bases_of, first_read, has_place, place_of_stretch
from seqlm.streaming.tracks import write_empty_bigwig, write_tracks

COLUMNS = {
    "id": pa.string(), "chrom": pa.string(), "start": pa.int64(), "end": pa.int64(), "strand": pa.string(),
    "prediction": pa.list_(pa.float32()),
}  # fmt: skip
BED = ["chrom", "start", "end", "name", "score", "strand"]


def placed_importance(arrays, examples):
    """Importance of the bases of examples that are stretches of a genome, in pieces without a gap.

    Parameters
    ----------
    arrays : dict of numpy.ndarray
        As of `seqlm.attribution.dataset_scores.score_dataset`: id (n,), codes and scores (n, L).
    examples : DataFrame
        The dataset's: id, sequence, chrom, start, end, strand.

    Returns
    -------
    pyarrow.Table
        id, chrom, start, end, strand, prediction: the importance of each base in the order of the strand, that is how
        far the prediction falls without it. Of replacements it is the mean over the other bases.
    """
    about = examples.drop_duplicates("id").set_index("id")
    rows = []
    for name, codes, scores in zip(arrays["id"], arrays["codes"], arrays["scores"], strict=True):
        example = about.loc[str(name)]
        bases = bases_of(example["sequence"])
        if not has_place(example, bases):
            continue
        rows += _stretches(name, example, first_read(bases, codes), scores)
    return _table(rows)


def _stretches(name, example, first, scores):
    """A row of `COLUMNS` for each stretch of scored bases; `scores` begin at the example's base `first`."""
    edges = np.flatnonzero(np.diff(np.r_[False, np.isfinite(scores), False]))
    for start, end in edges.reshape(-1, 2).tolist():
        place = place_of_stretch(example, first + start, first + end)
        strand = "-" if example["strand"] == "-" else "+"
        yield str(name), example["chrom"], *place, strand, -scores[start:end].astype(np.float32)


def _table(rows):
    columns = zip(*rows, strict=True) if rows else [[]] * len(COLUMNS)
    arrays = [pa.array(values, kind) for values, kind in zip(columns, COLUMNS.values(), strict=True)]
    return pa.table(arrays, list(COLUMNS))


def placed_file_importance(arrays, source):
    """Importance of the bases of a file's records, which are stretches of a genome, in pieces without a gap.

    Parameters
    ----------
    arrays : dict of numpy.ndarray
        As of `seqlm.attribution.score_tables.arrays_of`, of all of the file's scores.
    source : Source
        The file, as `seqlm.streaming.records.open_records` opens it.

    Returns
    -------
    pyarrow.Table
        As of `placed_importance`.

    Raises
    ------
    InputError
        Records know no place in a genome, or one of another length; the scores are not of this file; records of one
        name cannot be told apart in the scores, because some have none.
    """
    if not source.places:
        problem = "its records have no place in a genome"
        raise InputError(source.path, problem, "give BED, or a table with the columns chrom, start and end")
    places, rows = _places_by_name(source), []
    blocks, seen = Counter(arrays["id"].tolist()), Counter()
    for name, own in zip(arrays["id"].tolist(), arrays["scores"], strict=True):
        there = places[name]
        if not there:
            raise InputError(source.path, f"has no record {name!r}, which has scores", "score the file again")
        if len(there) != blocks[name]:  # who has none is not known
            problem = f"its {len(there)} records {name!r} cannot be told apart in the scores"
            raise InputError(source.path, problem, "give each a name of its own and score the file again")
        place = there[seen[name]]
        seen[name] += 1
        if np.isfinite(own[place["end"] - place["start"] :]).any():
            raise InputError(source.path, f"record {name!r} is shorter than its scores", "score the file again")
        rows += _stretches(name, place, 0, own)
    return _table(rows)


def _places_by_name(source):
    """Name -> where its records lie, in the order of the file."""
    places = defaultdict(list)
    for chunk in source.chunks(1000):
        for record in chunk:
            place = {name: getattr(record, name) for name in ("chrom", "start", "end", "strand")}
            if place["end"] - place["start"] != len(record.sequence):
                problem = f"has {len(record.sequence)} bases, its place {place['end'] - place['start']}"
                raise InputError(f"{source.path}, record {record.id!r}", problem, "correct its coordinates")
            places[record.id].append(place)
    return places


def write_score_track(output, arrays, examples, sizes=None):
    """Write the importance of every base as bigWig; where windows overlap, the mean.

    Parameters
    ----------
    output : path
        ``.bw``.
    arrays, examples
        As for `placed_importance`.
    sizes : dict of str to int, optional
        Lengths of the genome's records. When missing, each ends where the last window on it does.

    Returns
    -------
    bool
        Whether it was written: no example may be a stretch of a genome.

    Raises
    ------
    InputError
        A window of a record that the genome has not, or beyond its end.
    """
    table = placed_importance(arrays, examples)
    if not table.num_rows:
        return False
    _write(output, table, sizes or table.to_pandas().groupby("chrom")["end"].max().to_dict())
    return True


def write_file_score_track(output, arrays, source):
    """Write the importance of every base of a file's records as bigWig; where they overlap, the mean.

    Parameters
    ----------
    output : path
        ``.bw``. It holds no value, which is told on stderr, where no base has a score.
    arrays, source
        As for `placed_file_importance`, whose errors these are too; the source with its genome.
    """
    table = placed_file_importance(arrays, source)
    if table.num_rows:
        _write(output, table, source.sizes)
    else:
        print(f"{source.path}: no base has a score: the track is empty", file=sys.stderr)
        write_empty_bigwig(output, source.sizes)


def _write(output, table, sizes):
    with tempfile.TemporaryDirectory() as folder:
        windows = Path(folder) / "importance.parquet"
        write_parquet(table, windows)
        write_tracks([windows], Path(output), sizes)


def placed_hits(hits, examples):
    """Hits that lie in a genome, each once: rows of a BED6 file.

    Parameters
    ----------
    hits : DataFrame
        As of `seqlm.explanation.hits.motif_hits`: of examples without a place `chrom` is their id.
    examples : DataFrame
    """
    rows = examples[["id", "sequence", "chrom", "start", "end"]].to_dict("records")
    placed = {str(row["id"]) for row in rows if has_place(row, bases_of(row["sequence"]))}
    best = hits[hits["example"].isin(placed)].sort_values("score", ascending=False, kind="stable")
    best = best.drop_duplicates(["chrom", "start", "end", "name", "strand"])
    return best.sort_values(["chrom", "start", "name"], kind="stable", ignore_index=True)[BED]
