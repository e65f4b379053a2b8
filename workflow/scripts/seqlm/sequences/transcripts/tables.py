"""mRNAs from a table with the bounds of their coding sequence and their exon junctions."""

from seqlm.common.errors import InputError
from seqlm.sequences.tables.rows import is_missing
from seqlm.sequences.transcripts.transcript import Collector, Problem, Transcript


def read_transcript_table(table, *, sequence="sequence", cds=("cds_start", "cds_end"), junctions=None, id=None,
                          gene=None, one_based=False, where="transcripts", problems="error"):  # fmt: skip
    """mRNAs from a table with CDS bounds and junctions.

    Parameters
    ----------
    table : pandas.DataFrame
    sequence, junctions, id, gene : str
        Columns. Junctions are numbers joined by commas, empty where there are none. An mRNA without a gene (empty, NA)
        is the only one of its gene.
    cds : pair of str
        Columns of the CDS's first base and of the base after its last.
    one_based : bool
        Positions count from 1 and the CDS's end is its last base.
    problems : {"error", "drop"}

    Returns
    -------
    list of Transcript
    dict
        Counts of what was dropped and what was kept with a remark.
    """
    for column in (sequence, *cds, junctions, id, gene):
        if column is not None and column not in table.columns:
            raise InputError(
                where, f"has no column {column!r}", f"its columns are {', '.join(map(str, table.columns))}"
            )
    shift = int(one_based)
    collected = Collector(where, problems)
    for number, row in enumerate(table.to_dict("records"), start=1):
        name = str(row[id]) if id else str(number)
        with collected.checking(name):
            if not name:
                raise Problem(f"row {number} has no id")
            start, end = (_whole(row[column], column) for column in cds)
            collected.add(
                Transcript(
                    id=name,
                    gene=name if gene is None or is_missing(str(row[gene])) else str(row[gene]),
                    sequence=str(row[sequence]).upper().replace("U", "T"),
                    cds=(start - shift, end),
                    junctions=tuple(_whole(j, junctions) - shift for j in _list(row[junctions])) if junctions else (),
                )
            )
    return collected.transcripts, dict(collected.counts)


def _list(value):
    return [part for part in str(value).strip(" ,").split(",") if part and part != "nan"]


def _whole(value, column):
    try:
        number = float(value)
        if number == int(number):
            return int(number)
    except (TypeError, ValueError, OverflowError):
        pass
    raise Problem(f"{column} {value!r} is not a whole number")
