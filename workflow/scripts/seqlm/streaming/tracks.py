"""Predictions of windows of a genome as tracks for a genome browser, in memory that does not grow with them."""

import sys
from functools import lru_cache

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from seqlm.common.errors import InputError
from seqlm.common.runtime import release_memory
from seqlm.streaming.tables import read_row_group

_KEPT = 8  # row groups in memory: sorted input needs one, overlapping neighbours two
_KEPT_BYTES = 1 << 27  # fewer where they are large
_PIECE = 1 << 20  # bases written at a time
_ZOOMS, ZOOMED = 10, 1 << 28  # zoom levels of a bigWig, for so many bases at most: libBigWig makes them in memory


def write_tracks(paths, output, sizes=None, model=None):
    """Write bigWig, bedGraph (a value per base) or BED (a line per window), sorted.

    Parameters
    ----------
    paths : list of path
        Parquet files with columns id, chrom, start, end, strand, prediction.
    output : path
        ``.bw`` and ``.bigwig``, ``.bedgraph`` and ``.bg``: tracks, or scalars over the length of their window; where
        windows overlap, the mean. ``.bed``: scalars (BED6 and the value) or classes (the class as name, its probability
        times 1000 as score).
    sizes : dict of str to int, optional
        Records of the genome in the order in which they are written; by name when missing. bigWig needs it.
    model : str, optional
        Whose predictions are written, of a table with a column `model`.

    Raises
    ------
    InputError
        The table has no places, or its target does not fit the format, or it has several models and none is named.
    """
    windows = _Windows(paths, sizes, output, model)
    suffix = output.suffix.lower()
    if suffix == ".bed":
        _write_bed(windows, output)
    elif windows.target == "class":
        raise InputError(output, "a class is no value of a base", "write .bed or .parquet")
    elif suffix in (".bw", ".bigwig"):
        _write_bigwig(windows, output, sizes)
    else:
        _write_bedgraph(windows, output)


class _Windows:
    """Windows of parquet files in the order of the genome."""

    def __init__(self, paths, sizes, output, model):
        schema = pq.read_schema(paths[0])
        if model is None and "model" in schema.names:
            raise InputError(output, "the table holds several models, a track holds one", "write .parquet or .csv")
        wanted = ("id", "chrom", "start", "end", "strand", "prediction")
        if not set(wanted) <= set(schema.names):
            raise InputError(output, "these are no predictions of windows of a genome", "write .parquet or .csv")
        self.columns = [name for name in (*wanted, "label", "max_probability") if name in schema.names]
        is_list = pa.types.is_list(schema.field("prediction").type)
        self.target = "class" if "label" in schema.names else "track" if is_list else "scalar"
        self.paths, self.metadata = paths, [pq.read_metadata(path) for path in paths]
        groups, chroms, starts, ends, rows = [], [], [], [], []
        for number, metadata in enumerate(self.metadata):
            for group in range(metadata.num_row_groups):
                places = ["chrom", "start", "end", *(["model"] if model else [])]
                table = read_row_group(paths[number], group, places, metadata)
                own = np.arange(table.num_rows)
                if model:
                    own = np.flatnonzero(table["model"].to_numpy(zero_copy_only=False) == model)
                    table = table.take(own)
                if not table.num_rows:
                    continue
                groups.append(np.tile([number, group], (table.num_rows, 1)))
                rows.append(own)
                chroms.append(table["chrom"].to_numpy(zero_copy_only=False).astype(str))
                starts.append(table["start"].to_numpy())
                ends.append(table["end"].to_numpy())
        if not groups:
            raise InputError(output, "there are no windows to write", "gather parts with predictions")
        self.groups, self.rows = np.concatenate(groups), np.concatenate(rows)
        self.chroms, self.starts, self.ends = map(np.concatenate, (chroms, starts, ends))
        names = list(sizes) if sizes else sorted(set(self.chroms.tolist()))
        rank = {name: i for i, name in enumerate(names)}
        unknown = next((name for name in np.unique(self.chroms) if name not in rank), None)
        if unknown is not None:
            raise InputError(output, f"the genome has no record {str(unknown)!r}", "give the windows' genome")
        self.order = np.lexsort((self.ends, self.starts, [rank[name] for name in self.chroms.tolist()]))
        largest = max(own.row_group(at).total_byte_size for own in self.metadata for at in range(own.num_row_groups))
        self._read = lru_cache(min(max(_KEPT_BYTES // largest, 1), _KEPT))(self._read_group)

    def _read_group(self, file, group):
        table = read_row_group(self.paths[file], group, self.columns, self.metadata[file])
        return {name: table[name].to_pylist() if name != "prediction" else table[name] for name in self.columns}

    def __iter__(self):
        """(chrom, start, end, row): the row as a dict."""
        for at in self.order.tolist():
            group = self._read(*self.groups[at].tolist())
            row = {name: group[name][int(self.rows[at])] for name in self.columns}
            yield str(self.chroms[at]), int(self.starts[at]), int(self.ends[at]), row
        self._read.cache_clear()

    def runs(self):
        """(chrom, start, values float32): stretches without a gap, in order; the mean where windows overlap."""
        chrom, at, total, count = None, 0, np.zeros(0), np.zeros(0, int)
        for name, start, end, row in self:
            keep = start - at if name == chrom and start < at + len(total) else len(total)
            yield from _means(chrom, at, total[:keep], count[:keep])
            total, count = total[keep:], count[keep:]
            chrom, at = name, start
            values = self._values(row, end - start)
            if not len(total):  # as they are: a chromosome's arm is not copied
                total, count = values, np.broadcast_to(1, len(values))
                continue
            more = max(len(values) - len(total), 0)
            total, count = np.pad(total.astype(float), (0, more)), np.pad(count, (0, more))
            total[: len(values)] += values
            count[: len(values)] += 1
        yield from _means(chrom, at, total, count)

    def _values(self, row, length):
        if self.target == "scalar":
            return np.full(length, row["prediction"].as_py())
        values = row["prediction"].values.to_numpy(zero_copy_only=False)
        if len(values) != length:
            where, problem = f"record {row['id']!r}", f"has {len(values)} predicted values for {length} bases"
            raise InputError(where, problem, "correct its coordinates")
        return values[::-1] if row["strand"] == "-" else values


def _means(chrom, start, total, count):
    for at in range(0, len(total), _PIECE):
        yield chrom, start + at, (total[at : at + _PIECE] / count[at : at + _PIECE]).astype(np.float32)


def _write_bigwig(windows, output, sizes):
    import pyBigWig

    if not sizes:
        raise InputError(output, "bigWig needs the lengths of the genome's records", "give --genome")
    zoomed = int((windows.ends - windows.starts).sum()) <= ZOOMED
    if not zoomed:
        print(f"{output}: is written without zoom levels: they would take 14 bytes of memory a base", file=sys.stderr)
    with pyBigWig.open(str(output), "w") as file:
        file.addHeader(list(sizes.items()), maxZooms=_ZOOMS if zoomed else 0)
        for chrom, start, values in windows.runs():
            if start < 0 or start + len(values) > sizes[chrom]:
                problem = f"{chrom}:{start}-{start + len(values)} is outside of the record's 0-{sizes[chrom]}"
                raise InputError(output, problem, "give the genome the windows are from")
            file.addEntries(chrom, start, values=values, span=1, step=1)
        release_memory()  # of the last track, before zoom levels are made


def write_empty_bigwig(output, sizes):
    """Write a bigWig that knows the genome's records (name -> length) and holds no value."""
    import pyBigWig

    with pyBigWig.open(str(output), "w") as file:
        file.addHeader(list(sizes.items()), maxZooms=0)


def _write_bedgraph(windows, output):
    with open(output, "w") as handle:
        for chrom, start, values in windows.runs():
            edges = np.flatnonzero(np.r_[True, values[1:] != values[:-1], True])
            for first, last in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
                handle.write(f"{chrom}\t{start + first}\t{start + last}\t{values[first]:.7g}\n")


def _write_bed(windows, output):
    if windows.target == "track":
        raise InputError(output, "a line of BED holds one value, not a track", "write .bw or .bedgraph")
    with open(output, "w") as handle:
        for chrom, start, end, row in windows:
            place = f"{chrom}\t{start}\t{end}"
            if windows.target == "class":
                score = round(1000 * row["max_probability"])
                handle.write(f"{place}\t{row['label']}\t{score}\t{row['strand']}\n")
            else:
                handle.write(f"{place}\t{row['id']}\t0\t{row['strand']}\t{row['prediction'].as_py():.7g}\n")
