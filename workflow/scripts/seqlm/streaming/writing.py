"""Output that appears chunk by chunk, survives an interruption, and is the same however it was cut into jobs."""

import csv
import hashlib
import io
import json
import shutil
import sys
from contextlib import ExitStack
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from tqdm import tqdm

import seqlm
from seqlm.common.errors import InputError
from seqlm.common.files import atomic_path
from seqlm.common.runtime import release_memory
from seqlm.streaming.tables import LARGE, parquet_writer, row_groups
from seqlm.streaming.tracks import write_tracks

CHUNK = 1024  # records
BASES = 1 << 22  # of the records that are worked on at once, or a single longer record
TABLES = (".parquet", ".csv", ".tsv")
TRACKS = (".bw", ".bigwig", ".bedgraph", ".bg", ".bed")


def stream(source, make_table, output, settings, chunk_size=CHUNK, shard=(1, 1), describe="predict", check=None):
    """Turn the records of a file into an output file.

    All records are read and checked once before anything is computed. Finished chunks lie in the folder
    ``<output>.parts`` until all are there, named after the records they were made from: a run that was interrupted
    continues from them, also when other records of the file have changed meanwhile.

    Parameters
    ----------
    source : Source
    make_table : callable
        List of records -> pyarrow.Table.
    output : path
        Parquet with one row group per chunk (several where records are long), CSV or TSV; bigWig, bedGraph or BED for
        records with a place.
    settings : dict
        What the result depends on besides the records; must fit into JSON.
    chunk_size : int
        Records in a chunk. No more of them than hold `BASES` bases are in memory at a time.
    shard : (int, int)
        (k, n): only the kth of n slices of chunks, counted from 1. Shards are parquet, for `gather`.
    describe : str
        Label of the progress bar.
    check : callable, optional
        Called with each record before anything is computed; raises InputError for one that cannot be used.

    Raises
    ------
    InputError
        No such shard; a suffix that cannot be written, or not from this input; a record that cannot be used.
    """
    output, (number, shards) = Path(output), shard
    check_output(output, shards, source)
    if output.exists() and output.samefile(source.path):
        raise InputError(output, "is the input itself", "give the output another name")
    if chunk_size < 1:
        raise InputError("--chunk-size", f"{chunk_size} is no number of records", "give at least 1")
    if not 1 <= number <= shards:
        raise InputError("--shard", f"there is no shard {number} of {shards}", "shards are 1/n to n/n")
    chunks = -(-source.total // chunk_size)
    first, last = (chunks * at // shards for at in (number - 1, number))
    surveyed = survey(source, chunk_size, first, last, check)
    folder = _part_folder(output, settings | {"chunk_size": chunk_size, "shard": [number, shards]})
    paths = [folder / f"chunk-{index:06d}-{name}.parquet" for index, (name, _) in enumerate(surveyed, first)]
    kept = _keep_parts(folder, paths)
    counts = [count for _, count in surveyed]
    done = sum(count for path, count in zip(paths, counts, strict=True) if path in kept)
    with tqdm(total=sum(counts), initial=done, desc=describe, unit="seq", unit_scale=True) as bar:
        for path, records in zip(paths, source.chunks(chunk_size, first, last), strict=True):
            if path in kept:
                continue
            with atomic_path(path) as temporary:
                large = _write_chunk(records, make_table, temporary, bar)
            if large:
                release_memory()
    if not paths:  # more shards than chunks: a table without rows, of the same columns
        paths = [folder / "empty.parquet"]
        table = make_table(list(next(source.chunks(1)))).slice(0, 0)
        with atomic_path(paths[0]) as temporary, parquet_writer(temporary, table.schema) as writer:
            writer.write_table(table)
    if len(paths) == 1 and output.suffix == ".parquet":
        paths[0].replace(output)
    else:
        gather(paths, output, source.sizes)
    shutil.rmtree(folder)


def survey(source, chunk_size=CHUNK, first=0, last=None, check=None):
    """Read all records once, so that what is wrong with one of them is told before anything is computed.

    Parameters
    ----------
    source, chunk_size, check
        As for `stream`.
    first, last : int
        Chunks, as for `Source.chunks`.

    Returns
    -------
    list of (str, int)
        Of each chunk what tells its records from any others, and how many they are.
    """
    result = []
    with tqdm(desc="check", unit="seq", unit_scale=True, delay=1) as bar:
        for records in source.chunks(chunk_size, first, last):
            sha, count = hashlib.sha256(), 0
            for record in records:
                if check is not None:
                    check(record)
                sha.update(repr(tuple(record)).encode())
                count += 1
            result.append((sha.hexdigest()[:32], count))
            bar.update(count)
    return result


def check_output(output, shards=1, source=None):
    """Refuse an output that cannot be written, before anything is computed."""
    output = Path(output)
    if output.suffix.lower() not in TABLES + TRACKS:
        raise InputError(output, "its suffix names no known format", f"known are {', '.join(TABLES + TRACKS)}")
    if shards > 1 and output.suffix != ".parquet":
        raise InputError(output, "a shard is always parquet", "name it .parquet, and the gathered file as you like")
    if source is not None and output.suffix.lower() in TRACKS:
        if source.kind == "variants" or not source.places:
            raise InputError(output, f"{source.path} has no windows of a genome", "write parquet or CSV")
        if source.sizes is None and output.suffix.lower() in (".bw", ".bigwig"):
            raise InputError(output, "bigWig needs the lengths of the genome's records", "give --genome")


def gather(paths, output, sizes=None):
    """Join tables in order: the shards of a file give what one job gives.

    Parameters
    ----------
    paths : list of path
        Parquet files, such as shards.
    output : path
        As for `stream`.
    sizes : dict of str to int, optional
        Bases of each record of the genome, for bigWig.
    """
    output, paths = Path(output), [Path(path) for path in paths]
    check_output(output)
    if not paths:
        raise InputError(output, "there is nothing to gather", "give at least one part")
    schema = None
    for path in paths:
        try:
            own = pq.read_schema(path)
        except (OSError, pa.ArrowException):
            raise InputError(path, "cannot be read as parquet", "make this part again") from None
        schema = schema or own
        if own.names != schema.names:
            raise InputError(path, "its columns are not those of the first part", "gather parts of one prediction")
    with atomic_path(output) as temporary:
        if output.suffix.lower() in TRACKS:
            write_tracks(paths, temporary, sizes)
        elif output.suffix == ".parquet":
            with parquet_writer(temporary, schema) as writer:
                for group in row_groups(paths):
                    writer.write_table(group)
        else:
            _write_text(paths, temporary, "," if output.suffix == ".csv" else "\t")


def digest(path):
    """SHA-256 of a file, or of the files of a bundle that its predictions depend on."""
    path, sha = Path(path), hashlib.sha256()
    names = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "validation.parquet")
    for file in [path / name for name in names] if path.is_dir() else [path]:
        if file.exists():
            with open(file, "rb") as handle:
                sha.update(hashlib.file_digest(handle, "sha256").digest())
    return sha.hexdigest()


def _part_folder(output, settings):
    folder = output.with_name(f"{output.name}.parts")
    plan = folder / "plan.json"
    text = json.dumps(settings | {"seqlm": seqlm.__version__}, indent=1, sort_keys=True) + "\n"
    if folder.exists() and not (plan.exists() and plan.read_text() == text):
        print(f"{folder}: made with another model or setting; starting again", file=sys.stderr)
        shutil.rmtree(folder)
    if not folder.exists():
        with atomic_path(plan) as temporary:
            temporary.write_text(text)
    return folder


def _keep_parts(folder, paths):
    """Those of the paths that are there; finished chunks of records that have changed are deleted."""
    found = set(folder.glob("chunk-*.parquet"))
    stale = found.difference(paths)
    if stale:
        kept = len(found) - len(stale)
        print(f"{folder}: the input has changed; {kept} of {len(found)} finished chunks are kept", file=sys.stderr)
    for path in stale:
        path.unlink()
    return found - stale


def _write_chunk(records, make_table, output, bar):
    """Tables of groups of records, a row group each. Whether one of them was large."""
    large = False
    with ExitStack() as stack:
        writer = None
        for group in _groups(records):
            table, count = make_table(group), len(group)
            group.clear()  # long sequences are not kept while their predictions are written
            writer = writer or stack.enter_context(parquet_writer(output, table.schema))
            if table.nbytes > LARGE:
                large = True
                release_memory()
            writer.write_table(table)
            bar.update(count)
            del table
    return large


def _groups(records):
    """Records in lists of at most `BASES` bases, or of one record that is longer."""
    group, bases = [], 0
    for record in records:
        size = sum(len(field) for field in record if isinstance(field, str))
        if group and bases + size > BASES:
            yield group
            group, bases = [], 0
        group.append(record)
        bases += size
        del record
    if group:
        yield group


def _write_text(paths, output, separator):
    """A list becomes its values separated by spaces."""
    schema = pq.read_schema(paths[0])
    with open(output, "w", newline="") as handle:
        writer = csv.writer(handle, delimiter=separator, lineterminator="\n")
        writer.writerow(schema.names)
        for group in row_groups(paths):
            if any(pa.types.is_list(field.type) for field in schema):
                for row in range(group.num_rows):
                    _write_row(handle, [column[row] for column in group.columns], separator)
                continue
            columns = [_text(column) for column in group.columns]
            writer.writerows(zip(*columns, strict=True))


def _write_row(handle, cells, separator):
    """A row of which a cell may be the track of a chromosome's arm: written some of its values at a time."""
    for number, cell in enumerate(cells):
        if number:
            handle.write(separator)
        if pa.types.is_list(cell.type):
            for piece in _pieces(cell.values if cell.is_valid else []):
                handle.write(piece)
        else:
            written = io.StringIO()
            # With an empty cell behind it: alone, an empty cell would be in quotes.
            csv.writer(written, delimiter=separator, lineterminator="").writerow([_show(cell.type)(cell.as_py()), ""])
            handle.write(written.getvalue().removesuffix(separator))
    handle.write("\n")


def _text(column):
    return list(map(_show(column.type), column.to_pylist()))


def _show(type):
    show = "{:.7g}".format if pa.types.is_float32(type) else str
    return lambda value: "" if value is None else show(value)


def _pieces(values, some=1 << 16):
    """Values separated by spaces, in pieces of text; as Python's numbers, all would take thirty times their memory."""
    for at in range(0, len(values), some):
        yield " " * (at > 0) + " ".join(map("{:.7g}".format, values.slice(at, some).to_pylist()))
