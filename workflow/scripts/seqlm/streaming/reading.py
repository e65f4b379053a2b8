"""What may be said about how a file is read, by its format. Imports nothing heavy: a config is checked by it."""

from seqlm.common.errors import InputError

SPLICED = ("cds", "junctions", "one_based", "gene")  # a table with one of these holds mRNAs
DELIMITED = ("separator", "header", "tokens", "specifiers")  # needs more than a plain table's reader
ANNOTATED = ("isoforms", "problems")
# What may be said of a file of each format about how it is read.
READING = {
    "table": ("id", "sequence", *DELIMITED, *SPLICED, *ANNOTATED),
    "parquet": ("id", "sequence"),
    "annotation": (*ANNOTATED, "chromosome_names"),
    "genbank": ANNOTATED,
}


def check_reading(path, format, reading):
    """Refuse what means nothing for a file of this format, or does not go together."""
    for key in reading:
        if key not in READING.get(format, ()):
            raise InputError(path, f"{key} means nothing for a file of format {format}", "leave it out")
    spliced = is_spliced(format, reading)
    if format == "table":
        wrong = [key for key in (DELIMITED if spliced else ANNOTATED) if key in reading]
        if wrong:
            what = "a table of mRNAs with cds bounds" if spliced else "a table without cds bounds"
            raise InputError(path, f"{wrong[0]} means nothing for {what}", "leave it out")


def is_spliced(format, reading):
    """Whether records are mRNAs with a CDS, out of an annotation or a table."""
    return format in ("annotation", "genbank") or any(key in reading for key in SPLICED)


def is_delimited(format, reading):
    """Whether a table is read as training tables are: tokens, no header, columns by position."""
    by_position = any(isinstance(reading.get(key), int) for key in ("id", "sequence"))
    return format == "table" and (by_position or any(key in reading for key in DELIMITED))
