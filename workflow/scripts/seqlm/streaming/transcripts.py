"""mRNAs and atomic tokens as records: with the readers that training uses, so a model sees what it was trained on."""

import sys

from seqlm.common.errors import InputError
from seqlm.datasets.mrna import read_transcripts
from seqlm.datasets.tables import read_table
from seqlm.sequences.tables.rows import header_of
from seqlm.sequences.transcripts.annotation import read_annotated_genome
from seqlm.sequences.transcripts.genbank import read_annotated_genbank
from seqlm.sequences.transcripts.isoforms import representative


def mrnas_of(path, format, genome=None, reading=None):
    """mRNAs of an annotation with its genome, of GenBank, or of a table with CDS bounds.

    Parameters
    ----------
    path : path
    format : {"annotation", "genbank", "table"}
    genome : path, optional
        FASTA that an annotation refers to.
    reading : dict
        isoforms and problems; for an annotation also chromosome_names; for a table also sequence, cds, junctions, id,
        gene, one_based: as under `datasets:`.

    Returns
    -------
    list of Transcript

    Raises
    ------
    InputError
        There is none that can be used, or the file is not as it should be.
    """
    reading = dict(reading or {})
    problems, isoforms = reading.get("problems", "drop"), reading.get("isoforms", "all")
    if format == "genbank":
        transcripts, counts = read_annotated_genbank(path, problems)
    elif format == "annotation":
        if genome is None:
            raise InputError(path, "an annotation needs the genome it refers to", "give it with --genome")
        transcripts, counts = read_annotated_genome(genome, path, problems, reading.get("chromosome_names", "exact"))
    else:
        transcripts, counts = read_transcripts(path, _named(path, reading))
    if not transcripts:
        raise InputError(path, "has no mRNA that can be used", "check it and what it refers to")
    if counts.get("dropped"):
        print(f"{path}: left out {counts['dropped']} transcripts whose annotation cannot be", file=sys.stderr)
    return representative(transcripts) if isoforms == "representative" else transcripts


def tokens_of(path, reading):
    """(id, sequence) of each row of a delimited file; see `seqlm.sequences.tables.delimited.read_delimited`."""
    table = read_table(path, {**_named(path, reading), "label": None}, "scalar")
    return list(zip(table["id"], table["sequence"], strict=True))


def _named(path, reading):
    """With the column `id` where there is one and none is named."""
    if "id" in reading or not reading.get("header", True):
        return reading
    return {**reading, "id": "id"} if "id" in header_of(path, reading.get("separator")) else reading


def check_tokens(model, name, sequence):
    """A sequence of tokens, if the model knows any of them.

    Raises
    ------
    InputError
        It knows none: plain bases given to a model of tokens, or tokens of another kind.
    """
    layout = getattr(model, "layout", None)
    if layout is not None and not layout.knows(sequence):
        shown = sequence if len(sequence) < 20 else f"{sequence[:20]}.."
        problem = f"{shown!r} holds no token that the model knows"
        mend = f"it reads {' '.join(layout.tokens[:6])} ..; for mRNAs give an annotation, GenBank or cds columns"
        raise InputError(f"record {name!r}", problem, mend)
    return sequence
