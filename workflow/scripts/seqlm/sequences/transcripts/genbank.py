"""mRNAs of GenBank files: genomic records with mRNA and CDS features, or mRNA records with a CDS."""

import io
from collections import defaultdict

from seqlm.common.errors import InputError
from seqlm.sequences import open_bytes
from seqlm.sequences.transcripts.annotation import Model, build_models
from seqlm.sequences.transcripts.transcript import Collector


def read_annotated_genbank(path, problems="drop"):
    """mRNAs of a GenBank file: genomic records with mRNA and CDS features, or mRNA records with a CDS.

    In a genomic record an mRNA gets the first CDS of its gene that fits its exons, each CDS once where possible; a
    gene with CDS features alone is its own transcript, without untranslated regions. So is each CDS that names no gene
    (neither locus_tag nor gene) and fits no such mRNA: it is the only one of its gene. The exons of an mRNA record are
    its exon features.

    Returns
    -------
    list of Transcript, dict
        As `read_annotated_genome`.
    """
    from Bio import SeqIO

    collected, records = Collector(path, problems), 0
    with open_bytes(path) as reader:
        text = b"".join(iter(reader.read, b"")).decode("utf-8", "replace")
    try:
        for record in SeqIO.parse(io.StringIO(text), "genbank"):
            records += 1
            spliced = "RNA" in record.annotations.get("molecule_type", "")
            models = _mrna_record(record) if spliced else _genomic_record(record)
            build_models(models, str(record.seq), collected)
    except (AssertionError, IndexError) as error:
        raise InputError(path, f"cannot be read as GenBank ({error})", "check that the file is complete") from None
    if not records:
        raise InputError(path, "holds no GenBank record", "give a GenBank flat file")
    return collected.transcripts, dict(collected.counts)


def _qualifier(feature, *names):
    return next((feature.qualifiers[name][0] for name in names if name in feature.qualifiers), "")


def _parts(feature):
    """Parts of a location in the transcript's direction; the first carries the phase."""
    phase = int(_qualifier(feature, "codon_start") or 1) - 1
    parts = [(int(part.start), int(part.end), None) for part in feature.location.parts]
    return [(*parts[0][:2], phase), *parts[1:]] if feature.type == "CDS" else parts


def _mrna_record(record):
    """The model of a record that is a spliced mRNA; exon features mark the junctions."""
    for feature in record.features:
        if feature.type == "CDS":
            model = Model(record.id, _qualifier(feature, "gene", "locus_tag") or record.id, record.id, {"+"})
            model.cds[""] = _parts(feature)
            model.exons = [part for f in record.features if f.type == "exon" for part in _parts(f)]
            model.spliced = True
            yield model
            return


def _genomic_record(record):
    """Models of the genes of a genomic record."""
    genes = defaultdict(lambda: {"mRNA": [], "CDS": []})
    for feature in record.features:
        if feature.type in ("mRNA", "CDS"):
            genes[_qualifier(feature, "locus_tag", "gene")][feature.type].append(feature)
    for gene, features in _each_its_own(genes, record.id):
        unused = list(features["CDS"])
        for number, feature in enumerate(features["mRNA"] or features["CDS"], start=1):
            name = _qualifier(feature, "transcript_id", "protein_id") or f"{gene}.{number}"
            model = Model(name, gene, record.id, {{1: "+", -1: "-"}.get(feature.location.strand, "both")})
            if feature.type == "CDS":
                model.cds[""] = _parts(feature)
            else:
                model.exons = _parts(feature)
                fitting = [cds for cds in unused or features["CDS"] if _fits(cds, model.exons)]
                fitting = fitting or [cds for cds in features["CDS"] if _fits(cds, model.exons)]
                if not fitting:
                    continue
                model.cds[""] = _parts(fitting[0])
                unused = [cds for cds in unused if cds is not fitting[0]]
            yield model


def _each_its_own(genes, record):
    """(name, features) of each gene; a CDS that names no gene is one by itself, with the unnamed mRNAs that it fits."""
    unnamed = genes.pop("", {"mRNA": [], "CDS": []})
    yield from genes.items()
    mrnas = [[] for _ in unnamed["CDS"]]
    for mrna in unnamed["mRNA"]:
        fitting = [own for cds, own in zip(unnamed["CDS"], mrnas, strict=True) if _fits(cds, _parts(mrna))]
        if fitting:
            min(fitting, key=bool).append(mrna)  # a CDS without one yet, where there is
    for number, (cds, own) in enumerate(zip(unnamed["CDS"], mrnas, strict=True), start=1):
        yield f"{record}.unnamed{number}", {"mRNA": own, "CDS": [cds]}


def _fits(cds, exons):
    """Whether a CDS has exactly the introns of the exons it spans."""
    coding = sorted((start, end) for start, end, _ in _parts(cds))
    left, right = coding[0][0], coding[-1][1]
    inside = sorted((max(s, left), min(e, right)) for s, e, _ in exons if s < right and e > left)
    return inside == coding
