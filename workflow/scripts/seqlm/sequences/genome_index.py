"""Whether a ``.fai`` index describes the file that it lies beside.

Times tell this only where nobody copies files with their times: a genome that is replaced by an older one has an index
that is newer, and wrong bases are read from it. So what the index says is looked up in the file.
"""

import gzip
import math
import zlib
from bisect import bisect_right
from pathlib import Path

import numpy as np

_LONGEST_HEADER = 1 << 20
_BLANKS = 1 << 16  # the most blank lines at the end of a file, in bytes
_BGZIP_RECORDS = 100  # about a millisecond each; of a plain file every record is looked up


def index_fits(path, fai, gzi=None):
    """Whether headers, line lengths and the end of a FASTA file are where its index says.

    Parameters
    ----------
    path : path
        FASTA, plain or bgzip.
    fai : path
    gzi : path, optional
        Where the blocks of a bgzip file begin.

    Returns
    -------
    bool
        False also for an index that cannot be read. All records of a plain file are looked up; of a bgzip file 100, the
        last among them.
    """
    try:
        records = [_record(line) for line in Path(fai).read_text().splitlines()]
        blocks = None if gzi is None else _blocks(gzi)
        step = 1 if gzi is None else math.ceil(len(records) / _BGZIP_RECORDS)
        with open(path, "rb") as handle:
            read = _reader(handle, blocks)
            looked_up = {*range(0, len(records), step or 1), len(records) - 1}
            return bool(records) and all(_found(records, i, read) for i in looked_up) and _ends(records[-1], read)
    except (ValueError, IndexError, OSError, EOFError, zlib.error):  # what a wrong index leads to
        return False


def _record(line):
    name, *numbers = line.split("\t")
    length, offset, bases, width = map(int, numbers[:4])
    if min(length, offset, bases) < 0 or width < bases:
        raise ValueError
    # Where its last base ends: whole lines with their line ends, then the rest of a line.
    breaks = max(math.ceil(length / bases) - 1, 0) if bases else 0
    return name, length, offset, bases, width, offset + length + breaks * (width - bases)


def _blocks(gzi):
    """Where blocks begin in the file and in its text, two arrays; the index leaves out the first, at 0."""
    pairs = np.fromfile(gzi, "<u8")[1:].reshape(-1, 2).astype(np.int64)
    return np.concatenate([[[0, 0]], pairs]).T


def _reader(handle, blocks):
    """``read(offset, size)`` of the text."""

    def read_plain(offset, size):
        handle.seek(offset)
        return handle.read(size)

    def read_bgzip(offset, size):
        block = bisect_right(blocks[1], offset) - 1
        handle.seek(int(blocks[0][block]))
        skipped = offset - int(blocks[1][block])
        with gzip.GzipFile(fileobj=handle) as text:
            return text.read(skipped + size)[skipped:]

    return read_plain if blocks is None else read_bgzip


def _found(records, i, read):
    """Whether record i has its header right before it, nothing but blanks before that, and lines as long as said."""
    name, length, offset, bases, width, _ = records[i]
    before = records[i - 1][-1] if i else 0
    if not 0 < offset - before <= _LONGEST_HEADER:
        return False
    header = read(before, offset - before).lstrip()
    if not header.startswith(b">") or header.find(b"\n") != len(header) - 1:
        return False
    if (header[1:].decode("utf-8", "replace").split() or [""])[0] != name:
        return False
    joint = read(offset + bases - 1, width - bases + 1) if length > bases > 0 else b"N\n"
    return bool(joint[:1].strip()) and not joint[1:].strip()


def _ends(record, read):
    """Whether the text ends with the last base of the last record, but for blanks."""
    end = record[-1]
    rest = read(end - 1, _BLANKS)
    return len(rest) < _BLANKS and bool(rest[:1].strip()) and not rest[1:].strip()
