"""mRNAs of GenBank files: genomic records with mRNA and CDS features, or mRNA records with a CDS."""

from collections import defaultdict

from seqlm.sequences.reading import parse_genbank
from seqlm.sequences.transcripts.annotation import Model, build_models
from seqlm.sequences.transcripts.transcript import Collector, Problem


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
    collected = Collector(path, problems)
    for record in parse_genbank(path):
        spliced = "RNA" in record.annotations.get("molecule_type", "")
        models = _mrna_record(record) if spliced else _genomic_record(record)
        build_models(models, str(record.seq), collected)
    return collected.transcripts, dict(collected.counts)


def _qualifier(feature, *names):
    return next((feature.qualifiers[name][0] for name in names if name in feature.qualifiers), "")


def _spans(feature):
    """(start, end) of the parts of a location in the transcript's direction."""
    if feature.location is None:
        raise Problem(f"the location of its {feature.type} cannot be read")
    parts = feature.location.parts
    if any(part.ref for part in parts):
        raise Problem(f"its {feature.type} lies in part in another record")
    starts = [int(part.start) if part.strand != -1 else -int(part.end) for part in parts]
    if len({part.strand for part in parts}) == 1 and starts != sorted(starts):
        raise Problem(f"the parts of its {feature.type} are not in order: it crosses the origin, or is trans-spliced")
    return [(int(part.start), int(part.end)) for part in parts]


def _parts(feature):
    """Parts of a feature as a `Model` has them; the first of a CDS carries the phase."""
    first, *others = _spans(feature)
    codon_start = _qualifier(feature, "codon_start") or "1"
    if codon_start not in ("1", "2", "3"):
        raise Problem(f"codon_start is {codon_start!r}, not 1, 2 or 3")
    phase = int(codon_start) - 1 if feature.type == "CDS" else None
    return [(*first, phase), *((*part, None) for part in others)]


def _mrna_record(record):
    """The model of a record that is a spliced mRNA; exon features mark the junctions."""
    coding = [feature for feature in record.features if feature.type == "CDS"]
    if not coding:
        return
    model = Model(record.id, _qualifier(coding[0], "gene", "locus_tag") or record.id, record.id, {"+"})
    model.spliced = True
    try:
        model.cds = {number: _parts(feature) for number, feature in enumerate(coding)}
        model.exons = [part for f in record.features if f.type == "exon" for part in _parts(f)]
    except Problem as problem:
        model.problem = str(problem)
    yield model


def _genomic_record(record):
    """Models of the genes of a genomic record."""
    genes = defaultdict(lambda: {"mRNA": [], "CDS": []})
    for feature in record.features:
        if feature.type in ("mRNA", "CDS"):
            genes[_qualifier(feature, "locus_tag", "gene")][feature.type].append(feature)
    for gene, features in _each_its_own(genes, record.id):
        if not features["CDS"]:
            continue
        unused = list(features["CDS"])
        for number, feature in enumerate(features["mRNA"] or features["CDS"], start=1):
            name = _qualifier(feature, "transcript_id", "protein_id") or f"{gene}.{number}"
            model = Model(name, gene, record.id)
            try:
                _fill(model, feature, features["CDS"], unused)
            except Problem as problem:
                model.problem = str(problem)
            yield model


def _fill(model, feature, coding, unused):
    """Exons and CDS of a model from its mRNA or CDS feature; takes the CDS of an mRNA out of those `unused`."""
    parts = _parts(feature)
    model.strands = {{1: "+", -1: "-"}.get(feature.location.strand, "both")}
    if feature.type == "CDS":
        model.cds[""] = parts
        return
    model.exons = parts
    fitting = [cds for cds in [*unused, *coding] if _fits(cds, parts)]
    if not fitting:
        raise Problem("no CDS of its gene fits its exons")
    model.cds[""] = _parts(fitting[0])
    unused[:] = [cds for cds in unused if cds is not fitting[0]]


def _each_its_own(genes, record):
    """(name, features) of each gene; a CDS that names no gene is one by itself, with the unnamed mRNAs that it fits."""
    unnamed = genes.pop("", {"mRNA": [], "CDS": []})
    yield from genes.items()
    mrnas = [[] for _ in unnamed["CDS"]]
    for mrna in unnamed["mRNA"]:
        try:
            parts = _parts(mrna)
        except Problem:  # its CDS stands for it
            continue
        fitting = [own for cds, own in zip(unnamed["CDS"], mrnas, strict=True) if _fits(cds, parts)]
        if fitting:
            min(fitting, key=bool).append(mrna)  # a CDS without one yet, where there is
    for number, (cds, own) in enumerate(zip(unnamed["CDS"], mrnas, strict=True), start=1):
        yield f"{record}.unnamed{number}", {"mRNA": own, "CDS": [cds]}


def _fits(cds, exons):
    """Whether a CDS has exactly the introns of the exons it spans."""
    try:
        coding = sorted(_spans(cds))
    except Problem:
        return False
    left, right = coding[0][0], coding[-1][1]
    inside = sorted((max(s, left), min(e, right)) for s, e, _ in exons if s < right and e > left)
    return inside == coding
