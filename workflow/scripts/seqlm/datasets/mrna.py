"""Examples that are mRNAs, as atomic tokens that carry reading frame and exon junctions."""

import pandas as pd

from seqlm.common.errors import InputError
from seqlm.sequences.tables.delimited import parse_label, read_delimited
from seqlm.sequences.tables.rows import read_columns
from seqlm.sequences.transcripts.annotation import read_annotated_genome
from seqlm.sequences.transcripts.codon_adaptation import codon_adaptation
from seqlm.sequences.transcripts.genbank import read_annotated_genbank
from seqlm.sequences.transcripts.isoforms import representative
from seqlm.sequences.transcripts.tables import read_transcript_table

CODON_ADAPTATION = "codon_adaptation"


def read_mrna(settings, sources, target, where):
    """Transcripts of annotated genomes, GenBank files or a table.

    Parameters
    ----------
    settings : dict
        Either genome and annotation (a source each, or lists of as many), or genbank (a source or a list), with
        label: codon_adaptation, or labels (a table) with the columns id (of genes or transcripts) and label; or
        source (a table) with the columns sequence, cds (two), junctions, id, gene and label (one_based: whether its
        positions count from 1). problems: "drop" or "error", for transcripts that cannot be used. chromosome_names:
        "exact" or "synonyms", see `read_annotated_genome`. isoforms: "all", or
        "representative" for one a gene.
    sources : dict of str to path
    target : {"scalar", "class"}
    where : str
        Names the dataset in errors.

    Returns
    -------
    examples : DataFrame
        id, sequence (tokens separated by spaces), target, group (gene), chrom, start, end, strand.
    cleaning, label : dict
        For the summary.
    """
    if settings.get("source"):
        return _from_table(settings, sources[settings["source"]], target, where)
    label, labels = settings.get("label", CODON_ADAPTATION), None
    if settings.get("labels"):
        labels = _labels(sources[settings["labels"]], settings, target, where)
    elif label != CODON_ADAPTATION or target != "scalar":
        raise InputError(where, "annotated genomes carry no labels of their own",
                         f"use target: scalar and label: {CODON_ADAPTATION}, or give labels: <table>")  # fmt: skip
    tables, cleaning, used = [], {}, set()
    for name, (transcripts, counts) in _annotated(settings, sources, where):
        if not transcripts:
            raise InputError(f"{where}, {name}", "has no mRNA that can be used", "check genome and annotation")
        transcripts = _wanted_isoforms(transcripts, counts, settings)
        table = _table(transcripts)
        values = codon_adaptation(transcripts) if labels is None else _matched(labels, transcripts, name, where, used)
        tables.append(table.assign(target=values, group=name + ":" + table["group"]))
        cleaning |= {f"{name}_{what.replace(' ', '_')}": count for what, count in counts.items()}
    if labels is not None and (unused := len(set(labels.dropna().index) - used)):
        cleaning["labels_without_transcript"] = unused
    return pd.concat(tables, ignore_index=True), cleaning, {"label": label}


def _wanted_isoforms(transcripts, counts, settings):
    if settings.get("isoforms") != "representative":
        return transcripts
    kept = representative(transcripts)
    counts["representative"] = len(kept)
    return kept


def _labels(path, settings, target, where):
    """Label by id, of a table."""
    if not settings.get("id"):
        raise InputError(where, "the table of labels has no id column", "name it: id: <column of genes or transcripts>")
    table = read_delimited(path, target=target, sequence=None, id=settings["id"], label=settings["label"])
    return table.set_index("id")["target"]


def _matched(labels, transcripts, name, where, used):
    """Label of each transcript by its own id or its gene's, with or without the version behind the last point.

    The ids of labels that are found are added to `used`.
    """
    values, index = [], set(labels.index)
    for transcript in transcripts:
        names = (transcript.id, transcript.gene)
        names = [*names, *(n.rpartition(".")[0] for n in names)]
        found = next((n for n in names if n in index), None)
        values.append(None if found is None else labels[found])
        if found is not None:
            used.add(found)
    if all(value is None for value in values):
        unlike = f"(a gene is {transcripts[0].gene!r}, a label is of {labels.index[0]!r})"
        raise InputError(f"{where}, {name}", f"no transcript or gene has a label {unlike}", "use ids of one kind")
    return values


def _annotated(settings, sources, where):
    """(name, transcripts and counts) of each genome."""
    problems, names = settings.get("problems", "drop"), settings.get("chromosome_names", "exact")
    if settings.get("genbank"):
        for name in _list(settings["genbank"]):
            yield name, read_annotated_genbank(sources[name], problems)
        return
    genomes, annotations = _list(settings.get("genome")), _list(settings.get("annotation"))
    if not genomes or len(genomes) != len(annotations):
        raise InputError(where, f"{len(genomes)} genomes and {len(annotations)} annotations",
                         "give as many genomes as annotations, or genbank, or source")  # fmt: skip
    for genome, annotation in zip(genomes, annotations, strict=True):
        yield genome, read_annotated_genome(sources[genome], sources[annotation], problems, names)


def _list(value):
    return value if isinstance(value, list) else [value] if value else []


def _table(transcripts):
    fields = [(t.id, t.tokens(), t.gene, t.chrom, t.start, t.end, t.strand) for t in transcripts]
    return pd.DataFrame(fields, columns=["id", "sequence", "group", "chrom", "start", "end", "strand"])


def read_transcripts(path, settings):
    """mRNAs of a delimited file with CDS bounds: the columns of `read_mrna`, without labels.

    Returns
    -------
    list of Transcript, dict
        As `seqlm.sequences.transcripts.tables.read_transcript_table`.
    """
    transcripts, counts, _ = _read_table(path, settings)
    return transcripts, counts


def _read_table(path, settings, label=None):
    """Transcripts, counts, and by id the (line, cell) of the column `label`: of one reading, so that rows agree."""
    first, last = settings.get("cds", ("cds_start", "cds_end"))
    columns = {key: settings[key] for key in ("junctions", "id", "gene") if settings.get(key)}
    wanted = {"sequence": settings.get("sequence") or "sequence", "CDS start": first, "CDS end": last, **columns}
    rows, labels = [], {}
    for line, cells in read_columns(path, wanted | ({"label": label} if label else {})):
        rows.append(cells)
        name = cells.get("id", str(len(rows)))
        if label and name in labels:
            twice = f"id {name!r} is also in line {labels[name][0]}"
            raise InputError(f"{path}, line {line}", twice, "give every row its own id")
        labels[name] = line, cells.get("label")
    transcripts, counts = read_transcript_table(
        pd.DataFrame(rows, columns=list(wanted)), cds=("CDS start", "CDS end"), where=path,
        one_based=settings.get("one_based", False), problems=settings.get("problems", "drop"),
        **{key: key for key in columns},
    )  # fmt: skip
    return transcripts, counts, labels


def _from_table(settings, path, target, where):
    label = settings.get("label", CODON_ADAPTATION)
    given = label != CODON_ADAPTATION
    transcripts, counts, labels = _read_table(path, settings, label if given else None)
    transcripts = _wanted_isoforms(transcripts, counts, settings)
    examples = _table(transcripts)
    if not given:
        return examples.assign(target=codon_adaptation(transcripts)), counts, {"label": label}
    read = {name: parse_label(cell, target, f"{path}, line {line}") for name, (line, cell) in labels.items()}
    return examples.assign(target=[read[transcript.id] for transcript in transcripts]), counts, {"label": label}
