"""Tables of predictions as parquet files, in little more memory than their largest row group."""

import pyarrow as pa
import pyarrow.parquet as pq

from seqlm.common.runtime import release_memory

LARGE = 1 << 24  # bytes of a table, from which on freed memory is given back before the next step


def parquet_writer(path, schema):
    """A writer of tables. Lists of numbers, which hardly ever repeat, are written as they are.

    All values of a record stand on one page of a parquet file: a dictionary of those of a long track would take 70
    bytes a value, and a compressed copy 4.
    """
    lists = [field.name for field in schema if pa.types.is_list(field.type)]
    others = [name for name in schema.names if name not in lists]
    codecs = dict.fromkeys(others, "zstd") | {f"{name}.list.element": "none" for name in lists}
    return pq.ParquetWriter(path, schema, compression=codecs, use_dictionary=others)


def row_groups(paths):
    """The row groups of parquet files, in order, those without rows left out."""
    for path in paths:
        metadata = pq.read_metadata(path)
        for number in range(metadata.num_row_groups):
            if metadata.row_group(number).num_rows:
                yield read_row_group(path, number, metadata=metadata)


def read_row_group(path, number, columns=None, metadata=None):
    """A row group of a parquet file, which is closed again: an open one keeps the page that was read last."""
    with pq.ParquetFile(path, metadata=metadata) as file:
        table = file.read_row_group(number, columns, use_threads=False)
    if table.nbytes > LARGE:
        release_memory()
    return table
