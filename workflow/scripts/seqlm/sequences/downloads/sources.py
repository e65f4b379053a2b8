"""Getting raw sequences and tables: from a file or an address, checked, and in one form.

Sequences become bgzip-compressed FASTA (``.fa.gz``, readable at random), text unchanged; tables become gzip. Next to
each lies ``<name>.provenance.json``: where it came from, its digest, how much it holds.
"""

import gzip
import hashlib
import json
import os
import re
import shutil
from pathlib import Path
from urllib.parse import unquote, urlsplit

from seqlm.common.errors import InputError
from seqlm.common.files import atomic_path
from seqlm.sequences.downloads.download import download, forget, progress
from seqlm.sequences.opening import is_bgzip, is_gzip, open_bytes
from seqlm.sequences.reading import LEGAL, illegal_letter, pieces, read_genbank

KINDS = ("fasta", "genbank", "gff", "table", "file")

# A share of other letters above which a file is taken for something else, such as proteins.
_MOSTLY_NUCLEOTIDES = 0.1

# Nucleotides hold two bits each: beyond level 4, deflate spends six times the time for half a percent of the size.
_LEVEL = 4


def fetch(origin, destination, kind="fasta", sha256=None, retries=5, timeout=30, backoff=1.0, licence=None, copy=None):
    """Bring a source into the study.

    Parameters
    ----------
    origin : str or path
        A file, or an ``http(s)://`` or ``ftp://`` address.
    destination : path
        For sequences ``<name>.fa.gz``, for tables ``<name>.<suffix>.gz``.
    kind : {"fasta", "genbank", "gff", "table", "file"}
        What it holds. GenBank becomes FASTA if `destination` says so and is kept with its annotation otherwise; a
        ``file`` is left as it is.
    sha256 : str, optional
        Expected digest of the origin's bytes, as downloaded.
    retries : int
        How often in a row a transfer may fail without getting any further.
    timeout : float
        Seconds without a byte after which a transfer has failed.
    backoff : float
        Seconds before the first retry, doubled with each further one.
    licence : str, optional
        Kept in the provenance.
    copy : path, optional
        The origin's bytes, where something else has brought them here; `origin` may be any address then.

    Returns
    -------
    dict
        The provenance: ``origin``, ``sha256``, ``bytes`` (of the origin), ``records``, ``bases``, ``licence``.

    Raises
    ------
    InputError
        If the origin cannot be had, is not what was asked for, or has another digest. Nothing is left at
        `destination` then. An interrupted download stays in ``<destination>.part`` and is continued by the next call.
    """
    if kind not in KINDS:
        raise InputError(origin, f"there is no kind of source {kind!r}", f"the kinds are: {', '.join(KINDS)}")
    if sha256 is not None and not re.fullmatch("[0-9a-fA-F]{64}", str(sha256)):
        raise InputError(origin, f"{sha256!r} is no sha256 digest", "give its 64 hexadecimal digits")
    destination = Path(destination)
    destination.parent.mkdir(parents=True, exist_ok=True)
    scheme = urlsplit(str(origin)).scheme
    remote = copy is None and "://" in str(origin) and scheme != "file"
    if copy is not None:
        part = Path(copy)
    elif remote:
        part = destination.with_name(destination.name + ".part")
        download(str(origin), part, retries, timeout, backoff)
    else:
        part = Path(unquote(urlsplit(str(origin)).path)) if scheme == "file" else Path(origin)
    try:
        counts = _accept(part, origin, destination, kind, sha256)
    except InputError as error:
        if remote:  # the transfer was complete but wrong: continuing it could not help
            forget(part)
        raise InputError(str(error.where).replace(str(part), str(origin)), error.problem, error.mend) from None
    shown = re.sub("//[^/@]*@", "//", str(origin))  # a provenance is published, a password is not
    provenance = {"origin": shown, **counts, "licence": licence}
    with atomic_path(destination.with_name(destination.name + ".provenance.json")) as temporary:
        temporary.write_text(json.dumps(provenance, indent=2) + "\n")
    if remote:
        forget(part)
    return provenance


def _accept(path, origin, destination, kind, expected):
    """Check the bytes at `path` and put them at `destination` in their one form."""
    with open_bytes(path):
        pass  # missing, empty and truncated files
    digest = _sha256(path)
    if expected is not None and digest != str(expected).lower():
        raise InputError(
            origin, f"sha256 is {digest}, expected {expected}", "check the address, or correct the digest in the config"
        )
    with atomic_path(destination) as temporary:
        if kind == "fasta":
            counts = _check_fasta(path, temporary)
        elif kind == "genbank":
            counts = _check_genbank(path, temporary, destination.name.endswith((".fa.gz", ".fasta.gz")))
        else:
            counts = _check_table(path, temporary, kind)
    return {"sha256": digest, "bytes": os.path.getsize(path), **counts}


def _check_fasta(path, temporary):
    """Check FASTA text piece by piece, writing it with bgzip on the way where it is not so already."""
    from Bio.bgzf import BgzfWriter

    if is_bgzip(path):
        counts = _scan_fasta(path)
        shutil.copyfile(path, temporary)
        return counts
    with BgzfWriter(str(temporary), "wb", compresslevel=_LEVEL) as writer:
        return _scan_fasta(path, writer.write)


def _scan_fasta(path, copy=None):
    """Count records and bases of a FASTA file that is in order; `copy` gets its text as it is read.

    A few letters that are no nucleotide codes pass: what becomes of them, each dataset's cleaning policy says.
    """
    records = bases = illegal = 0
    first = None
    with progress(None, "checking", path) as bar:
        for piece in pieces(path, check="ids", copy=copy):
            records += piece.first
            bases += len(piece.letters)
            here = len(piece.letters.translate(None, LEGAL))
            if here and first is None:
                first = illegal_letter(path, piece.id, piece.letters)
            illegal += here
            bar.update(len(piece.letters))
    if illegal > _MOSTLY_NUCLEOTIDES * bases:
        problem = f"{first.problem}, nor are {illegal / bases:.0%} of the file's letters"
        raise InputError(first.where, problem, "give nucleotide sequences")
    return {"records": records, "bases": bases} | ({"illegal": illegal} if illegal else {})


def _check_genbank(path, temporary, to_fasta, width=60):
    """Read every GenBank record; write them as bgzip FASTA in lines of `width`, or keep the file as it is."""
    from Bio.bgzf import BgzfWriter

    if not to_fasta:
        records = [len(record.sequence) for record in read_genbank(path)]
        _check_table(path, temporary, "genbank")
        return {"records": len(records), "bases": sum(records)}
    count = bases = 0
    with BgzfWriter(str(temporary), "wb", compresslevel=_LEVEL) as writer:
        for record in read_genbank(path):
            count, bases = count + 1, bases + len(record.sequence)
            lines = [f">{record.id} {record.description}".rstrip()]
            lines += [record.sequence[at : at + width] for at in range(0, len(record.sequence), width)]
            writer.write(("\n".join(lines) + "\n").encode("utf-8"))
    return {"records": count, "bases": bases}


def _check_table(path, temporary, kind):
    """Read a file to its end (which proves a gzip whole), writing tables with gzip where they are not so already."""
    lines, last = 0, b""
    pack = kind != "file" and not is_gzip(path)
    with open_bytes(path) as reader, open(temporary, "wb") as raw:
        # No name and no time in the gzip header: the same table always gives the same bytes.
        writer = gzip.GzipFile("", "wb", _LEVEL + 2, raw, mtime=0) if pack else None
        first = True
        while chunk := reader.read():
            if first and kind != "file" and re.match(rb"\s*(<!doctype|<html|<\?xml)", chunk, re.IGNORECASE):
                raise InputError(
                    path, "is a web page, not a table", "check the address: it must lead to the file itself"
                )
            first, last = False, chunk
            lines += chunk.count(b"\n")
            if writer:
                writer.write(chunk)
        if writer:
            writer.close()
    if first:
        raise InputError(path, "the file is empty", "give a file with content")
    if not pack:
        shutil.copyfile(path, temporary)
    return {"records": lines + (not last.endswith(b"\n")), "bases": None}


def _sha256(path):
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
