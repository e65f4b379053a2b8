"""Random access to a genome by coordinates."""

import os
import shutil
import sys
import tempfile
import zlib
from pathlib import Path

from seqlm.common.errors import InputError
from seqlm.sequences.genome_index import index_fits
from seqlm.sequences.opening import is_bgzip, is_gzip, open_bytes


class Genome:
    """A FASTA file (plain or bgzip) from which any stretch can be fetched.

    The index (``.fai``, for bgzip also ``.gzi``, as of samtools) is made by pyfaidx on first use: beside the file, or
    in a temporary folder where that is not writable. Safe to open from several jobs at once.

    Parameters
    ----------
    path : path

    Attributes
    ----------
    lengths : dict of str to int
        Bases of each record, in file order.

    Raises
    ------
    InputError
        If the file is missing, damaged, compressed with plain gzip, or cannot be indexed.
    """

    def __init__(self, path):
        self.path = Path(path)
        with open_bytes(self.path) as reader:  # missing, empty and truncated files
            reader.read(1)
            if reader.marked:  # other tools that use the index would not find the first record
                raise InputError(path, "begins with a byte-order mark", "save it as plain text without one")
        named_gzip = self.path.suffix in (".gz", ".bgz")
        if is_gzip(self.path) and not is_bgzip(self.path):
            raise InputError(path, "is plain gzip, which has no random access", "decompress it, or use bgzip instead")
        if is_bgzip(self.path) != named_gzip:
            raise InputError(path, "its name and its compression disagree", "use .gz or .bgz for bgzip files, .fa else")
        self._temporary = None
        fai, gzi = self._index()
        self._faidx = self._open(fai, gzi)
        self.lengths = {name: record.rlen for name, record in self._faidx.index.items()}

    def _open(self, fai, gzi):
        from pyfaidx import Faidx, FastaIndexingError

        try:
            return Faidx(str(self.path), indexname=str(fai), gzi_indexname=str(gzi), as_raw=True, strict_bounds=True)
        except (FastaIndexingError, ValueError) as error:
            raise InputError(self.path, f"cannot be indexed ({error})", "wrap its lines evenly, ids unique") from None

    def _index(self):
        """Paths of an index that is complete, not older than the file and true of it; made where there is none."""
        names = [self.path.name + ".fai", self.path.name + ".gzi"]
        beside = [self.path.parent / name for name in names]
        needed = beside if is_bgzip(self.path) else beside[:1]
        written = self.path.stat().st_mtime
        if all(path.exists() and path.stat().st_mtime >= written for path in needed):
            if index_fits(self.path, *needed):
                return beside
            print(f"{self.path}: its index is of another file: made anew", file=sys.stderr)
        # Built in a folder of its own and then renamed: a job running beside this one reads a whole index or none.
        writable = os.access(self.path.parent, os.W_OK)
        folder = Path(tempfile.mkdtemp(prefix=".index-", dir=self.path.parent if writable else None))
        try:
            self._open(folder / names[0], folder / names[1]).close()
        except BaseException:
            shutil.rmtree(folder)
            raise
        if not writable:
            self._temporary = folder
            return [folder / name for name in names]
        for path in needed:
            os.replace(folder / path.name, path)
        shutil.rmtree(folder)
        return beside

    def fetch(self, chrom, start, end):
        """Fetch a stretch, letters and case as in the file.

        Parameters
        ----------
        chrom : str
        start, end : int
            Counted from 0; `end` is not included.

        Returns
        -------
        str
            Of length ``end - start``.

        Raises
        ------
        InputError
            If there is no such record (the message lists those there are), the coordinates lie outside of it, or the
            file was changed since it was opened.
        """
        if chrom not in self.lengths:
            names = list(self.lengths)
            shown = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
            raise InputError(self.path, f"there is no record {chrom!r}", f"the records are: {shown}")
        if not 0 <= start <= end <= self.lengths[chrom]:
            raise InputError(
                self.path,
                f"{chrom}:{start}-{end} is outside of the record's 0-{self.lengths[chrom]}",
                "check the coordinates and that they belong to this assembly",
            )
        if end == start:
            return ""
        try:
            bases = str(self._faidx.fetch(chrom, start + 1, end))
        except (ValueError, OSError, zlib.error):  # what reading at a wrong place leads to
            bases = ""
        if len(bases) != end - start or not bases.isascii() or ">" in bases:
            problem = f"{chrom}:{start}-{end} is not where its index says"
            raise InputError(self.path, problem, f"the file was changed: delete {self.path.name}.fai and start again")
        return bases

    def close(self):
        self._faidx.close()
        if self._temporary:
            shutil.rmtree(self._temporary, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
