"""BED files: stretches of a genome, one a line, with whatever their further columns say."""

from typing import NamedTuple

from seqlm.common.errors import InputError
from seqlm.sequences.tables.cells import strand_of, whole_number
from seqlm.sequences.tables.lines import text_lines

NAME, SCORE, STRAND = 3, 4, 5  # columns behind the place, from 0


class Region(NamedTuple):
    """A line of a BED file; coordinates count from 0, `end` is not included."""

    line: int
    chrom: str
    start: int
    end: int
    name: str
    strand: str
    fields: list


def read_bed(path):
    """Read the lines of a BED file (plain, gzip or bgzip) one at a time.

    Yields
    ------
    Region
        `name` is chrom:start-end where the file has none, `strand` "+" where it does not say "-".

    Raises
    ------
    InputError
        Fewer than three fields, a place that is no number or holds no base.
    """
    for line, text in text_lines(path):
        if not text.strip() or text.startswith("#") or text.split(maxsplit=1)[0] in ("track", "browser"):
            continue
        where, fields = f"{path}, line {line}", [field.strip() for field in text.split("\t")]
        if len(fields) < 3:
            raise InputError(where, f"has {len(fields)} fields, BED has at least 3", "separate them with tabs")
        start, end = (
            whole_number(field, name, where) for field, name in zip(fields[1:3], ("start", "end"), strict=True)
        )
        if not 0 <= start < end:
            raise InputError(where, f"{fields[0]}:{start}-{end} holds no base", "BED counts from 0, end not included")
        named = len(fields) > NAME and fields[NAME] not in ("", ".")
        name = fields[NAME] if named else f"{fields[0]}:{start}-{end}"
        strand = strand_of(fields[STRAND] if len(fields) > STRAND else None, where)
        yield Region(line, fields[0], start, end, name, strand, fields)
