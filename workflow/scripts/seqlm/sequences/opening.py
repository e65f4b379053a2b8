"""Bytes out of plain, gzip and bgzip files alike."""

import gzip
import os
import struct
import zlib
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from seqlm.common.errors import InputError

CHUNK = 1 << 20  # bytes per read: fits the caches, and larger is no faster

# The empty block that ends every bgzip file (SAM specification, section 4.1.2).
BGZIP_END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")

BOM = b"\xef\xbb\xbf"  # what some editors put before UTF-8 text

_OTHER_COMPRESSIONS = {b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"PK\x03\x04": "zip", b"\x28\xb5\x2f\xfd": "zstd"}


def _head(path, size):
    path = Path(path)
    if not path.exists():
        raise InputError(path, "there is no such file", "check the path")
    if path.is_dir():
        raise InputError(path, "is a folder", "name a file in it")
    with open(path, "rb") as handle:
        return handle.read(size)


def is_gzip(path):
    """Whether a file is gzip-compressed (bgzip included), by its first bytes."""
    return _head(path, 2) == b"\x1f\x8b"


def is_bgzip(path):
    """Whether a file is bgzip-compressed: gzip in blocks that can be read at random."""
    head = _head(path, 16)
    return head[:4] == b"\x1f\x8b\x08\x04" and head[12:14] == b"BC"


class _Reader:
    """A binary file whose read errors are one-line `InputError`s, without a byte-order mark.

    The mark is left out here, under every reader: before a first line that is no header it would make the line one of
    another kind, such as a feature of a sequence that no genome has.
    """

    def __init__(self, path, handle):
        self.path, self._handle = path, handle
        self._ahead, self.marked = None, False

    def read(self, size=CHUNK):
        if self._ahead is None:
            start = self._read(len(BOM))
            self.marked = start == BOM
            self._ahead = b"" if self.marked else start
        ahead, self._ahead = self._ahead[:size], self._ahead[size:]
        return ahead + self._read(size - len(ahead))

    def _read(self, size):
        try:
            return self._handle.read(size)
        except EOFError:
            raise InputError(self.path, "the gzip data end too early", "the file is truncated: get it again") from None
        except (gzip.BadGzipFile, zlib.error) as error:
            raise InputError(self.path, f"the gzip data are damaged ({error})", "get the file again") from None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._handle.close()


class _BgzipHandle:
    """The text of a bgzip file, its blocks decompressed two at a time: inflating is most of the work of reading."""

    _AHEAD = 2  # batches being decompressed while one is used
    _BATCH = 1 << 18  # compressed bytes; a block has 64 KiB at most

    def __init__(self, path):
        self._raw = open(path, "rb")  # noqa: SIM115 (closed in close)
        self._pool = ThreadPoolExecutor(2)
        self._compressed, self._text = b"", b""
        self._batches = deque()

    def _submit(self):
        """Start on the next blocks; none are left when there are none."""
        data = self._compressed + self._raw.read(self._BATCH)
        blocks, at = [], 0
        while len(data) - at >= 18:
            if data[at : at + 4] != b"\x1f\x8b\x08\x04" or data[at + 12 : at + 14] != b"BC":
                raise zlib.error("a block does not begin as it should")
            size = int.from_bytes(data[at + 16 : at + 18], "little") + 1
            if at + size > len(data):
                break
            blocks.append(self._pool.submit(zlib.decompress, data[at : at + size], 31))
            at += size
        self._compressed = data[at:]
        if self._compressed and not blocks:
            raise EOFError
        return blocks

    def read(self, size):
        while len(self._text) < size:
            while len(self._batches) <= self._AHEAD:
                self._batches.append(self._submit())
            blocks = self._batches.popleft()
            if not blocks:
                break
            self._text += b"".join(block.result() for block in blocks)
        text, self._text = self._text[:size], self._text[size:]
        return text

    def close(self):
        self._pool.shutdown(cancel_futures=True)
        self._raw.close()


def open_bytes(path):
    """Open a plain, gzip or bgzip file for reading its uncompressed bytes, less a byte-order mark at their start.

    Parameters
    ----------
    path : path

    Returns
    -------
    context manager with ``read(size)``

    Raises
    ------
    InputError
        If the file is missing, empty, truncated, damaged, or compressed in a way that is not supported.
    """
    head = _head(path, 6)
    if not head:
        raise InputError(path, "the file is empty", "give a file with content")
    for magic, name in _OTHER_COMPRESSIONS.items():
        if head.startswith(magic):
            raise InputError(path, f"is compressed with {name}", "decompress it, or compress it with gzip or bgzip")
    if not is_gzip(path):
        return _Reader(path, open(path, "rb"))
    if is_bgzip(path):
        _require_bgzip_end(path)
        return _Reader(path, _BgzipHandle(path))
    return _Reader(path, gzip.open(path, "rb"))


def _require_bgzip_end(path):
    """A bgzip file cut between two blocks is still valid gzip; only the missing end block tells."""
    with open(path, "rb") as handle:
        handle.seek(max(os.path.getsize(path) - len(BGZIP_END), 0))
        if handle.read() != BGZIP_END:
            raise InputError(path, "the bgzip end block is missing", "the file is truncated: get it again")


def uncompressed_size(path):
    """Bytes in a file once it is decompressed.

    Plain: its size. bgzip: the sum over the block footers, without decompressing. Other gzip: one reading pass,
    because the size in a gzip footer is modulo 4 GiB and counts the last member only.
    """
    if not is_gzip(path):
        return os.path.getsize(path)
    if is_bgzip(path):
        from Bio.bgzf import BgzfBlocks

        _require_bgzip_end(path)
        try:
            with open(path, "rb") as handle:
                return sum(length for *_, length in BgzfBlocks(handle))
        except (ValueError, RuntimeError, struct.error) as error:
            raise InputError(path, f"the bgzip data are damaged ({error})", "get the file again") from None
    total = 0
    with open_bytes(path) as reader:
        while chunk := reader.read():
            total += len(chunk)
    return total
