"""FASTA and GenBank records, one at a time."""

import io
import itertools
import warnings
from typing import NamedTuple

from seqlm.common.errors import InputError
from seqlm.sequences.opening import CHUNK, open_bytes

WHITESPACE = b" \t\r\n\v\f"
_IUPAC_AND_GAPS = b"ACGTUNRYSWKMBDHV-."
LEGAL = _IUPAC_AND_GAPS + _IUPAC_AND_GAPS.lower()


class Record(NamedTuple):
    """One sequence of a file: its id, the rest of its header line, and its letters as they stand there."""

    id: str
    description: str
    sequence: str


def segments(chunks):
    """Split FASTA text into header lines and stretches of sequence lines, without joining the latter.

    This is what everything that streams stands on: a chromosome comes in pieces as large as the chunks.

    Parameters
    ----------
    chunks : iterable of bytes
        The text in order, cut anywhere.

    Yields
    ------
    is_header : bool
    data : bytes
        A header without its ``>`` and line end, or sequence lines with their line ends.
    offset : int
        Where in the text `data` begins.
    """
    buffer, offset, line_start = b"", 0, True
    for chunk in itertools.chain(chunks, (b"",)):
        buffer += chunk
        at = 0
        while at < len(buffer):
            if line_start and buffer[at] == 62:  # ord(">")
                end = buffer.find(b"\n", at)
                if end < 0 and chunk:
                    break  # the rest of this header is still to be read
                end = len(buffer) if end < 0 else end
                yield True, buffer[at + 1 : end].rstrip(b"\r"), offset + at
                at = min(end + 1, len(buffer))
            else:
                end = buffer.find(b"\n>", at) + 1
                line_start = end > 0 or buffer.endswith(b"\n")
                end = end or len(buffer)
                yield False, buffer[at:end], offset + at
                at = end
        offset += at
        buffer = buffer[at:]


def _chunks(path, copy=None):
    with open_bytes(path) as reader:
        while chunk := reader.read():
            if copy is not None:
                copy(chunk)
            yield chunk


def _line_of(path, offset):
    """The line number (from 1) of a byte of the uncompressed file: counted only once there is an error to report."""
    line = 1
    with open_bytes(path) as reader:
        while offset > 0 and (chunk := reader.read(min(CHUNK, offset))):
            line += chunk.count(b"\n")
            offset -= len(chunk)
    return line


def _parse_header(path, header, offset):
    """Split a header line into id and description."""
    if b"\r" in header:
        raise InputError(path, "its lines end with carriage returns alone, as of old Mac files", "give them line feeds")
    name, _, description = header.decode("utf-8", "replace").strip().partition(" ")
    name, _, tail = name.partition("\t")
    if not name:
        raise InputError(f"{path}, line {_line_of(path, offset)}", "the record has no name", "put an id after the '>'")
    return name, " ".join(filter(None, (tail, description.strip())))


def looks_wrong(path, data):
    """The `InputError` for a file that does not begin with a FASTA header."""
    start = data.lstrip()[:200].lower()
    if start.startswith((b"<!doctype", b"<html", b"<?xml", b"<head")):
        return InputError(path, "is a web page, not FASTA", "check the address: it must lead to the file itself")
    if start.startswith(b"version https://git-lfs"):
        return InputError(path, "is a Git LFS pointer, not FASTA", "fetch the file itself with `git lfs pull`")
    shown = data.lstrip().split(b"\n", 1)[0][:40].decode("ascii", "replace")
    return InputError(f"{path}, line 1", f"no FASTA header: begins with {shown!r}", "records begin with '>'")


def illegal_letter(path, name, letters, before=0, legal=LEGAL):
    """The `InputError` for the first of `letters` that is not `legal`; `before` bases of the record came earlier."""
    position = next(i for i, letter in enumerate(letters) if letter not in legal)
    shown = bytes(letters[position : position + 1]).decode("latin-1")
    return InputError(
        f"{path}, record {name!r}, position {before + position + 1}",
        f"{shown!r} is not {'a nucleotide code' if legal is LEGAL else 'a base'}",
        "correct it, or set cleaning policy: N or drop",
    )


class Piece(NamedTuple):
    """Some of the letters of a record; `first` marks the beginning of a new one."""

    id: str
    description: str
    first: bool
    letters: bytes


def pieces(path, check=True, copy=None):
    """Read FASTA in pieces of about a megabyte, so that a chromosome is never in memory as a whole.

    Parameters
    ----------
    path, check
        As for `read_fasta`.
    copy : callable, optional
        Called with the text of the file as it is read.

    Yields
    ------
    Piece
        Never empty; white space is removed.

    Raises
    ------
    InputError
        As for `read_fasta`.
    """
    name, description, began, length = None, "", 0, 0
    seen = set()

    def require_sequence():
        if name is not None and not length:
            where = f"{path}, line {_line_of(path, began)}, record {name!r}"
            raise InputError(where, "has no sequence", "remove it or complete it")

    for is_header, data, offset in segments(_chunks(path, copy)):
        if is_header:
            require_sequence()
            name, description = _parse_header(path, data, offset)
            if check:
                if name in seen:
                    where = f"{path}, line {_line_of(path, offset)}"
                    raise InputError(where, f"the id {name!r} is there twice", "give every record its own id")
                seen.add(name)
            began, length = offset, 0
            continue
        letters = data.translate(None, WHITESPACE)
        if not letters:
            continue
        if name is None:
            raise looks_wrong(path, data)
        if check is True and letters.translate(None, LEGAL):
            raise illegal_letter(path, name, letters, before=length)
        yield Piece(name, description, not length, letters)
        length += len(letters)
    if name is None:
        raise InputError(path, "holds no sequence", "give a FASTA file with at least one record")
    require_sequence()


def read_fasta(path, check=True):
    """Read the records of a plain, gzip or bgzip FASTA file one at a time.

    Parameters
    ----------
    path : path
    check : bool or "ids"
        Refuse duplicate ids and letters that are not IUPAC nucleotide codes or gaps; "ids": the former alone, letters
        are left to `seqlm.sequences.clean`. Without it no ids are kept in memory.

    Yields
    ------
    Record
        id, description, sequence (letters and case as in the file, white space removed).

    Raises
    ------
    InputError
        If the file is missing, empty, truncated or not FASTA; if a record has no name or no sequence.
    """
    name, description, letters = None, "", []
    for piece in pieces(path, check):
        if piece.first:
            if letters:
                yield Record(name, description, b"".join(letters).decode("latin-1"))
            name, description, letters = piece.id, piece.description, []
        letters.append(piece.letters)
    yield Record(name, description, b"".join(letters).decode("latin-1"))


def parse_genbank(path):
    """Read the records of a GenBank file one at a time, as Biopython has them, and none that is not whole.

    Yields
    ------
    Bio.SeqRecord.SeqRecord
        With its sequence. A feature whose location cannot be read has the location None.

    Raises
    ------
    InputError
        As for `read_genbank`.
    """
    from Bio import BiopythonParserWarning, SeqIO

    with open_bytes(path) as reader:
        # GenBank files are per gene or per chromosome; Biopython parses text, so the file is read whole.
        text = b"".join(iter(reader.read, b"")).decode("utf-8-sig", "replace")
    if "LOCUS" not in text[:10_000]:
        problem = "is not GenBank: it holds no GenBank record (no LOCUS line)"
        raise InputError(path, problem, "give a GenBank flat file")
    seen, records = set(), SeqIO.parse(io.StringIO(text, newline=None), "genbank")  # whatever ends its lines
    while True:
        try:
            with warnings.catch_warnings():
                # Biopython reads a sequence that is cut short as it is, and warns; other warnings are of no account.
                warnings.simplefilter("ignore", BiopythonParserWarning)
                for cut in ("Expected sequence length", "Premature end of file"):
                    warnings.filterwarnings("error", cut, BiopythonParserWarning)
                record = next(records, None)
        except BiopythonParserWarning as error:
            raise InputError(path, f"a record is cut short ({error})", "get the file again") from None
        except (ValueError, AssertionError, IndexError) as error:
            raise InputError(path, f"cannot be read as GenBank ({error})", "check that the file is complete") from None
        if record is None:
            break
        if record.id in seen:
            raise InputError(path, f"the id {record.id!r} is there twice", "give every record its own id")
        seen.add(record.id)
        if not record.seq.defined or not len(record.seq):
            raise InputError(f"{path}, record {record.id!r}", "has no sequence", "download it with its sequence")
        yield record
    if not seen:
        raise InputError(path, "holds no GenBank record", "give a file with at least one record")


def read_genbank(path):
    """Read the records of a plain or gzip GenBank file one at a time, with Biopython's parser.

    Yields
    ------
    Record

    Raises
    ------
    InputError
        If the file is missing, empty, damaged or not GenBank; if a record has no sequence (as in ``CON`` entries), or
        fewer or more bases than its LOCUS line says.
    """
    for record in parse_genbank(path):
        yield Record(record.id, record.description, str(record.seq))
