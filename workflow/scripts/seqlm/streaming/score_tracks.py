"""Leave-one-out scores and places of motifs as tracks for a genome browser."""

import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa

from seqlm.common.tables import write_parquet
from seqlm.explanation.places import bases_of, first_read, has_place, place_of_stretch
from seqlm.streaming.tracks import write_tracks

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
        first = first_read(bases, codes)
        edges = np.flatnonzero(np.diff(np.r_[False, np.isfinite(scores), False]))
        for start, end in edges.reshape(-1, 2).tolist():
            place = place_of_stretch(example, first + start, first + end)
            strand = "-" if example["strand"] == "-" else "+"
            rows.append((str(name), example["chrom"], *place, strand, -scores[start:end].astype(np.float32)))
    columns = zip(*rows, strict=True) if rows else [[]] * len(COLUMNS)
    arrays = [pa.array(values, kind) for values, kind in zip(columns, COLUMNS.values(), strict=True)]
    return pa.table(arrays, list(COLUMNS))


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
    sizes = sizes or table.to_pandas().groupby("chrom")["end"].max().to_dict()
    with tempfile.TemporaryDirectory() as folder:
        windows = Path(folder) / "importance.parquet"
        write_parquet(table, windows)
        write_tracks([windows], Path(output), sizes)
    return True


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
