"""Any input file as one stream of records, counted first so that it can be cut into chunks and shards."""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple

from seqlm.common.errors import InputError
from seqlm.sequences import Genome, open_bytes, read_fasta, reverse_complement
from seqlm.sequences.tables.bed import read_bed
from seqlm.sequences.tables.cells import strand_of, whole_number
from seqlm.sequences.tables.lines import text_lines
from seqlm.sequences.tables.rows import header_of, read_columns
from seqlm.streaming.blocks import Blocks
from seqlm.streaming.reading import check_reading, is_delimited, is_spliced
from seqlm.streaming.transcripts import mrnas_of, tokens_of

FORMATS = {
    "fasta": (".fa", ".fasta", ".fna", ".ffn", ".fas"),
    "bed": (".bed",),
    "vcf": (".vcf",),
    "table": (".tsv", ".csv", ".txt"),
    "parquet": (".parquet",),
    "annotation": (".gff", ".gff3", ".gtf"),
    "genbank": (".gb", ".gbk", ".gbff", ".genbank"),
}
PACKED = (".gz", ".bgz")
PLACES = ("chrom", "start", "end")


class Record(NamedTuple):
    """A sequence and, where it was cut from a genome, its place: counted from 0, `end` not included.

    On the strand "-" the sequence is the reverse complement of the genome's.
    """

    id: str
    sequence: str
    chrom: str | None = None
    start: int | None = None
    end: int | None = None
    strand: str = "+"


class Variant(NamedTuple):
    """A variant and the windows of both alleles; `start` counts from 0."""

    id: str
    chrom: str
    start: int
    ref: str
    alt: str
    reference: str
    alternative: str


@dataclass
class Source:
    """An input file.

    Attributes
    ----------
    path : Path
    kind : {"sequences", "variants"}
        Whether records are `Record` or `Variant`.
    places : bool
        Whether records know their place in a genome.
    total : int
        Records in the file.
    rows : callable
        Iterates over what stands in the file, without looking anything up.
    complete : callable
        Makes a record of a row.
    sizes : dict of str to int, or None
        Bases of each record of the genome.
    """

    path: Path
    kind: str
    places: bool
    total: int
    rows: Callable[[], Iterator]
    complete: Callable
    sizes: dict | None = None

    def chunks(self, size, first=0, last=None):
        """Chunks `first` to `last` (not included) of `size` records, each an iterator.

        One record is in memory at a time. What is not taken of a chunk before the next is asked for is skipped, and
        nothing is looked up for it.
        """
        rows = islice(self.rows(), first * size, None if last is None else last * size)
        for row in rows:
            chunk = chain([row], islice(rows, size - 1))
            del row
            yield map(self.complete, chunk)
            deque(chunk, maxlen=0)


def open_records(path, genome=None, length=None, format=None, **reading):
    """Open an input file and count its records.

    Parameters
    ----------
    path : path
        FASTA, BED, VCF, GFF or GTF, GenBank, TSV or CSV (each plain, gzip or bgzip), or parquet.
    genome : path, optional
        FASTA (plain or bgzip) that BED, VCF, GFF and GTF refer to.
    length : int, optional
        Bases in the windows around variants.
    format : str, optional
        One of `FORMATS`; by the file's suffix when left out.
    id, sequence : str, optional
        Columns of a table or parquet file, "id" and "sequence" when left out. Rows are numbered from 1 where there is
        no column `id`. The columns chrom, start, end and strand, where they are there, say where a sequence comes from.
    **reading
        Further keys of `seqlm.streaming.reading.READING`: how tokens or mRNAs are read, as under `datasets:`.

    Returns
    -------
    Source

    Raises
    ------
    InputError
        The file is missing, empty or damaged, of no known suffix, or lacks its genome; a line cannot be read.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(path, "there is no such file", "check the path")
    format = format or _format_of(path)
    check_reading(path, format, reading)
    if format in ("bed", "vcf"):
        if genome is None:
            raise InputError(path, f"a {format.upper()} file needs the genome it refers to", "give it with --genome")
        genome = Blocks(Genome(genome))
        return (_open_bed if format == "bed" else _open_vcf)(path, genome, length)
    if is_spliced(format, reading):
        return _open_transcripts(path, format, genome, reading)
    if is_delimited(format, reading):
        return _open_tokens(path, reading)
    sizes = None if genome is None else Genome(genome).lengths
    opened = {"fasta": _open_fasta, "table": _open_table, "parquet": _open_parquet}[format](path, **reading)
    opened.sizes = sizes
    return opened


def _format_of(path):
    suffix = Path(path.stem if path.suffix in PACKED else path.name).suffix.lower()
    for format, suffixes in FORMATS.items():
        if suffix in suffixes:
            return format
    known = ", ".join(suffix for suffixes in FORMATS.values() for suffix in suffixes)
    raise InputError(path, f"its suffix {suffix!r} names no known format", f"known are {known} (also .gz), or --format")


def _some(source):
    if not source.total:
        raise InputError(source.path, "holds no records", "give a file with at least one")
    return source


def _identity(row):
    return row


# FASTA ---------------------------------------------------------------------------------------------------------------


def _open_fasta(path):
    total = _count_headers(path)
    next(read_fasta(path, check=False))  # what is no FASTA at all is told before anything is loaded

    def rows():
        return (Record(name, letters) for name, _, letters in read_fasta(path, check=False))

    return Source(path, "sequences", False, total, rows, _identity)


def _count_headers(path):
    total, before = 0, b"\n"
    with open_bytes(path) as reader:
        while chunk := reader.read():
            total += (before + chunk).count(b"\n>")
            before = chunk[-1:]
    return total


# text ----------------------------------------------------------------------------------------------------------------


def _check_chrom(chrom, genome, where):
    if chrom not in genome.lengths:
        names = list(genome.lengths)
        shown = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
        raise InputError(where, f"the genome has no record {chrom!r}", f"its records are: {shown}")


def _open_table(path, id="id", sequence="sequence"):
    columns = header_of(path)
    _check_columns(path, columns, sequence, id)
    places = all(name in columns for name in PLACES)
    wanted = {"id": id, "sequence": sequence} | {name: name for name in (*PLACES, "strand") if places}
    wanted = {name: column for name, column in wanted.items() if column in columns}

    def rows():
        for number, (line, cells) in enumerate(read_columns(path, wanted), 1):
            name = cells.get("id", str(number))
            if not (name and cells["sequence"]):
                raise _unfilled(f"{path}, line {line}", name)
            place = {}
            if places:
                where = f"{path}, line {line}"
                place = {"chrom": cells["chrom"], "strand": strand_of(cells.get("strand"), where)}
                place |= {name: whole_number(cells[name], name, where) for name in ("start", "end")}
            yield Record(name, cells["sequence"], **place)

    return _some(Source(path, "sequences", places, sum(1 for _ in rows()), rows, _identity))


def _unfilled(where, name):
    return InputError(where, f"the {'sequence' if name else 'id'} is empty", "fill it in or remove the row")


def _check_columns(path, columns, sequence, id):
    """A column of ids that is not named may be missing: rows are numbered then."""
    for column, option in ((sequence, "--sequence-column"), (id, "--id-column")):
        if column not in columns and column != "id":
            there_are = ", ".join(columns) or "none"
            raise InputError(path, f"has no column {column!r}", f"its columns are {there_are}; see {option}")


def _open_parquet(path, id="id", sequence="sequence"):
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        problem = f"cannot be read as parquet ({str(error).splitlines()[0]})"
        raise InputError(path, problem, "check that the file is complete") from None
    columns = file.schema_arrow.names
    _check_columns(path, columns, sequence, id)
    places = all(name in columns for name in PLACES)
    wanted = [c for c in (id, sequence, *(PLACES if places else ()), "strand" if places else "") if c in columns]

    def rows():
        number = 0
        for batch in pq.ParquetFile(path).iter_batches(2048, columns=wanted):
            for row in batch.to_pylist():
                number += 1
                name = row.get(id, number)
                name = "" if name is None else str(name)
                letters, where = row[sequence], f"{path}, row {number}"
                if not (name and letters) or str(letters).isspace():
                    raise _unfilled(where, name)
                if not isinstance(letters, str):
                    raise InputError(where, f"the sequence is {letters!r}, not text", "name the column of sequences")
                place = {}
                if places:
                    place = {"chrom": str(row["chrom"]), "strand": strand_of(row.get("strand"), where)}
                    place |= {key: whole_number(row[key], key, where) for key in PLACES[1:]}
                yield Record(name, letters, **place)

    return _some(Source(path, "sequences", places, file.metadata.num_rows, rows, _identity))


# tokens and mRNAs ---------------------------------------------------------------------------------------------------


def _open_tokens(path, reading):
    rows = tokens_of(path, reading)
    return _some(Source(path, "sequences", False, len(rows), lambda: iter(rows), lambda row: Record(*row)))


def _open_transcripts(path, format, genome, reading):
    rows = mrnas_of(path, format, genome, reading)
    return Source(path, "sequences", False, len(rows), lambda: iter(rows), lambda row: Record(row.id, row.tokens()))


# genome --------------------------------------------------------------------------------------------------------------


def _open_bed(path, genome, _):
    def rows():
        for region in read_bed(path):
            where, (chrom, start, end) = f"{path}, line {region.line}", region[1:4]
            _check_chrom(chrom, genome, where)
            if end > genome.lengths[chrom]:
                problem = f"{chrom}:{start}-{end} is outside of the record's 0-{genome.lengths[chrom]}"
                raise InputError(where, problem, "check the coordinates and that they belong to this assembly")
            yield region.name, chrom, start, end, region.strand

    def complete(row):
        name, chrom, start, end, strand = row
        letters = genome.fetch(chrom, start, end)
        return Record(name, reverse_complement(letters) if strand == "-" else letters, chrom, start, end, strand)

    return _some(Source(path, "sequences", True, sum(1 for _ in rows()), rows, complete, genome.lengths))


def _open_vcf(path, genome, length):
    if not length:
        raise InputError(path, "it is not known how long the windows around variants are to be", "give --length")
    if length < 2:
        raise InputError("--length", f"{length} is too short for a window", "give at least 2")

    def rows():
        for number, text in text_lines(path):
            if not text.strip() or text.startswith("#"):
                continue
            where = f"{path}, line {number}"
            fields = text.split("\t")
            if len(fields) < 5:
                raise InputError(where, f"has {len(fields)} fields, VCF has at least 5", "separate them with tabs")
            chrom, position, name, ref, alts = fields[:5]
            start = whole_number(position, "POS", where) - 1
            _check_chrom(chrom, genome, where)
            for alt in alts.split(","):
                if alt in ("*", "."):  # deleted by another variant; no variant at all
                    continue
                yield where, name, chrom, start, ref, alt

    def complete(row):
        where, name, chrom, start, ref, alt = row
        reference, alternative = allele_windows(genome, chrom, start, ref, alt, length, where)
        name = name if name not in ("", ".") else f"{chrom}:{start + 1}:{ref}>{alt}"
        return Variant(name, chrom, start, ref, alt, reference, alternative)

    return _some(Source(path, "variants", True, sum(1 for _ in rows()), rows, complete, genome.lengths))


def allele_windows(genome, chrom, start, ref, alt, length, where="variant"):
    """Windows of both alleles, the variant's first base at position ``length // 2``.

    Parameters
    ----------
    genome : Genome
    chrom : str
    start : int
        Of the reference allele, counted from 0.
    ref, alt : str
    length : int
        Bases in each window. After a deletion the window takes in more bases on its right, after an insertion fewer;
        beyond the ends of the record there is N.
    where : str
        Names the variant in an error.

    Returns
    -------
    reference, alternative : str

    Raises
    ------
    InputError
        An allele is no bases or does not fit the window; the reference allele is not what stands in the genome.
    """
    for name, allele in (("REF", ref), ("ALT", alt)):
        if not allele or allele.strip("ACGTNacgtn"):
            raise InputError(where, f"{name} {allele!r} is not spelled in bases", "leave symbolic alleles out")
        if len(allele) > length - length // 2:
            problem = f"{name} has {len(allele)} bases, more than half of a window of {length}"
            raise InputError(where, problem, "use longer windows or leave it out")
    size = genome.lengths[chrom]
    if not 0 <= start <= start + len(ref) <= size:
        problem = f"{chrom}:{start + 1} is outside of the record's 1-{size}"
        raise InputError(where, problem, "check that the VCF belongs to this assembly")
    there = genome.fetch(chrom, start, start + len(ref))
    if there.upper() != ref.upper():
        problem = f"REF is {ref} but the genome has {there} at {chrom}:{start + 1}"
        raise InputError(where, problem, "check that the VCF belongs to this assembly")
    first = start - length // 2
    left = _padded(genome, chrom, first, start)
    windows = []
    for allele in (ref, alt):
        missing = length - len(left) - len(allele)
        windows.append(left + allele + _padded(genome, chrom, start + len(ref), start + len(ref) + missing))
    return tuple(windows)


def _padded(genome, chrom, start, end):
    size = genome.lengths[chrom]
    inside = min(max(start, 0), size), min(max(end, 0), size)
    return "N" * (inside[0] - start) + genome.fetch(chrom, *inside) + "N" * (end - inside[1])
