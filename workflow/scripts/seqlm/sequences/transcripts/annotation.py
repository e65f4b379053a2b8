"""Transcripts out of a genome and its annotation: FASTA sequence, GFF3 or GTF features.

See `seqlm.sequences.transcripts.transcript` for what is done with annotation that does not fit.
"""

import re
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from urllib.parse import unquote

from seqlm.common.errors import InputError
from seqlm.sequences import read_fasta, reverse_complement
from seqlm.sequences.tables.lines import text_lines
from seqlm.sequences.transcripts.transcript import Collector, Problem, Transcript

CODING = {"CDS", "stop_codon"}
UNTRANSLATED = {"five_prime_UTR", "three_prime_UTR", "five_prime_utr", "three_prime_utr", "5UTR", "3UTR", "UTR"}
CHROMOSOME_NAMES = ("exact", "synonyms")
_PREFIX = re.compile(r"^(rna|gene|transcript|mRNA)[-:]")  # NCBI and Ensembl put the kind before the id
_GTF = re.compile(r'(\S+)\s+(?:"([^"]*)"|(\S+?))\s*(?:;|$)')


@dataclass
class Model:
    """A transcript as annotated; parts are (start, end, phase), 0-based half-open.

    `stops` are GTF's stop_codon lines, which name no protein. `spliced`: on the mRNA itself. `problem`: what its reader
    found wrong already.
    """

    id: str
    gene: str
    chrom: str
    strands: set = field(default_factory=set)
    exons: list = field(default_factory=list)
    cds: dict = field(default_factory=lambda: defaultdict(list))
    stops: list = field(default_factory=list)
    utr: list = field(default_factory=list)
    spliced: bool = False
    problem: str = ""

    def build(self, chromosome):
        """Splice it out of its chromosome.

        Parameters
        ----------
        chromosome : str

        Returns
        -------
        Transcript

        Raises
        ------
        Problem
        """
        if self.problem:
            raise Problem(self.problem)
        if len(self.strands) != 1 or not self.strands <= {"+", "-"}:
            raise Problem(f"strand is {' and '.join(sorted(self.strands))}")
        if len(self.cds) > 1:
            raise Problem(f"it has {len(self.cds)} coding sequences")
        strand = next(iter(self.strands))
        coding = _joined(_with_stops(next(iter(self.cds.values()), []), self.stops), strand)
        exons = sorted((s, e) for s, e, _ in self.exons) or _union(coding + self.utr)
        if self.spliced:
            return self._of_mrna(coding, exons, chromosome)
        for (_, end), (start, _) in zip(exons, exons[1:], strict=False):
            if start <= end:
                raise Problem(f"exons overlap or touch at {start + 1}")
        if exons[-1][1] > len(chromosome):
            raise Problem(f"exon ends at {exons[-1][1]}, {self.chrom} has {len(chromosome)} bases")
        sequence = "".join(chromosome[start:end] for start, end in exons).upper().replace("U", "T")
        starts, total = [], 0
        for start, end in exons:
            starts.append(total)
            total += end - start
        parts = sorted(self._spliced(part, exons, starts) for part in coding)
        for (_, end, _), (start, _, _) in zip(parts, parts[1:], strict=False):
            if start != end:
                raise Problem("its CDS is not in one piece once exons are joined")
        cds, junctions = (parts[0][0], parts[-1][1]), starts[1:]
        if strand == "-":
            sequence = reverse_complement(sequence)
            cds = total - cds[1], total - cds[0]
            junctions = [total - junction for junction in reversed(junctions)]
            parts = [(total - end, total - start, phase) for start, end, phase in reversed(parts)]
        return Transcript(
            self.id, self.gene, sequence, cds, tuple(junctions), self._first_phase(parts),
            self.chrom, exons[0][0], exons[-1][1], strand,
        )  # fmt: skip

    def _of_mrna(self, coding, exons, sequence):
        """A record that is the mRNA itself: its exons touch, and junctions are where they begin."""
        if len(coding) > 1:
            raise Problem("its CDS is not in one piece once exons are joined")
        ((start, end, phase),) = coding
        junctions = tuple(begin for begin, _ in exons if begin > 0) if self.exons else ()
        sequence = sequence.upper().replace("U", "T")
        return Transcript(self.id, self.gene, sequence, (start, end), junctions, phase or 0)

    def _spliced(self, part, exons, starts):
        """A CDS part in coordinates of the joined exons."""
        start, end, phase = part
        for (exon_start, exon_end), offset in zip(exons, starts, strict=True):
            if exon_start <= start and end <= exon_end:
                return offset + start - exon_start, offset + end - exon_start, phase
        raise Problem(f"CDS {start + 1}-{end} does not lie within an exon")

    def _first_phase(self, parts):
        """Phase of the first part; the phases of the others must follow from it."""
        first = parts[0][2] or 0
        begin = parts[0][0] + first
        for start, _, phase in parts[1:]:
            if phase is not None and phase != (begin - start) % 3:
                raise Problem("the phases of its CDS disagree with the lengths of its parts")
        return first


def _with_stops(parts, stops):
    """The CDS with its stop codon, whether its own lines leave it out (GTF's rule), hold it, or hold a part of it."""
    parts = list(parts)
    for start, end, phase in stops:
        for i, (left, right, own) in enumerate(parts):
            if start < right and left < end:
                parts[i] = min(left, start), max(right, end), own
                break
        else:
            parts.append((start, end, phase))
    return parts


def _union(parts):
    """Intervals that cover what the parts cover, from left to right."""
    merged = []
    for start, end, _ in sorted(parts, key=lambda part: part[:2]):
        if merged and start <= merged[-1][1]:
            start, end = merged[-1][0], max(end, merged.pop()[1])
        merged.append((start, end))
    return merged


def _joined(parts, strand):
    """Parts from left to right, those that touch (a CDS and its stop codon) made one with the phase of the 5' one."""
    merged = []
    for start, end, phase in sorted(parts, key=lambda part: part[:2]):
        if merged and start == merged[-1][1]:
            before = merged.pop()
            start, phase = before[0], before[2] if strand == "+" else phase
        merged.append((start, end, phase))
    return merged


def read_annotated_genome(fasta, gff, problems="drop", chromosome_names="exact"):
    """mRNAs of a genome, chromosome by chromosome.

    Parameters
    ----------
    fasta : path
        Genome, plain or compressed. One chromosome at a time is in memory.
    gff : path
        GFF3 or GTF.
    problems : {"drop", "error"}
        What happens to a transcript that cannot be used, or whose chromosome `fasta` lacks.
    chromosome_names : {"exact", "synonyms"}
        "synonyms": a chromosome of `gff` that `fasta` has under no such name is the one that differs in the prefix chr
        or in M for MT alone. Not by default: equal names do not prove equal sequences (chrM of UCSC's hg19 is another
        mitochondrial genome than MT of GRCh37).

    Returns
    -------
    list of Transcript
        In the order of the chromosomes in `fasta` and the transcripts in `gff`. Their `chrom` is the name in `fasta`.
    dict
        Counts: transcripts, dropped, "chromosome missing", "chromosome by synonym" (transcripts, too), "CDS lines of no
        transcript", and remarks (no ATG, no stop codon, stop codon within).

    Raises
    ------
    InputError
        No chromosome of `gff` is in `fasta`; or, where problems are errors, one is not.
    """
    if chromosome_names not in CHROMOSOME_NAMES:
        raise InputError(
            "transcripts, chromosome_names", f"{chromosome_names!r} is unknown", f"use {' or '.join(CHROMOSOME_NAMES)}"
        )
    by_chrom, collected = defaultdict(list), Collector(gff, problems)
    for model in read_models(gff, collected):
        by_chrom[model.chrom].append(model)
    named = dict(by_chrom)
    chromosomes, plain = [], {}
    for record in read_fasta(fasta, check=False):
        chromosomes.append(record.id)
        models = by_chrom.pop(record.id, [])
        if chromosome_names == "synonyms":
            models += _under_other_names(record.id, by_chrom, plain, fasta, collected)
        build_models(models, record.sequence, collected)
    if len(by_chrom) == len(named):
        raise InputError(
            gff, f"names {_few(named)}, none of which is in {fasta} ({_few(chromosomes)})", _mend(by_chrom, chromosomes)
        )
    if by_chrom:
        _missing(by_chrom, chromosomes, fasta, collected)
    return collected.transcripts, dict(collected.counts)


def _plain_name(chromosome):
    """A chromosome's name without the prefix chr, the mitochondrial one as MT."""
    name = re.sub("^chr", "", chromosome, flags=re.IGNORECASE)
    return "MT" if name in ("M", "Mt", "mt") else name


def _under_other_names(name, by_chrom, plain, fasta, collected):
    """Take the models of the chromosome `name` out of those that are still there under a synonym."""
    other = plain.setdefault(_plain_name(name), name)
    if other != name:
        mend = "say chromosome_names: exact, and give both files the same names"
        raise InputError(fasta, f"has both {other} and {name}, which are synonyms", mend)
    models = [model for key in [*by_chrom] if _plain_name(key) == _plain_name(name) for model in by_chrom.pop(key)]
    for model in models:
        model.chrom = name
    if models:
        collected.counts["chromosome by synonym"] += len(models)
    return models


def _missing(by_chrom, chromosomes, fasta, collected):
    """Say and count the transcripts on chromosomes that the genome lacks, or stop."""
    count = sum(map(len, by_chrom.values()))
    problem = f"{count} transcripts are on chromosomes that {fasta} lacks ({_few(by_chrom)})"
    mend = _mend(by_chrom, chromosomes)
    if collected.problems == "error":
        raise InputError(collected.where, problem, f"{mend}, or leave them out with problems: drop")
    print(f"{collected.where}: {problem}: left out; {mend}", file=sys.stderr)
    collected.counts["chromosome missing"] += count


def _mend(names, chromosomes):
    alike = {_plain_name(name) for name in names} & {_plain_name(name) for name in chromosomes}
    return "use files of one release" + (", or chromosome_names: synonyms" if alike else "")


def build_models(models, chromosome, collected):
    for model in models:
        with collected.checking(model.id):
            collected.add(model.build(chromosome))


def _few(names):
    names = list(names)
    return ", ".join(names[:3]) + (", .." if len(names) > 3 else "")


def read_models(gff, collected):
    """Annotated transcripts with a CDS, from GFF3 or GTF (told apart by the attributes of each line).

    Parameters
    ----------
    gff : path
    collected : Collector
        Counts the CDS lines that belong to no transcript, or makes them an error.

    Returns
    -------
    list of Model
        In order of first appearance.
    """
    models, parents, alone = {}, {}, []
    for where, fields in _features(gff):
        chrom, _, kind, start, end, _, strand, phase, text = fields
        attributes = _attributes(text)
        if "Parent" in attributes and "ID" in attributes:
            parents[attributes["ID"][0]] = attributes["Parent"][0]
        if kind != "exon" and kind not in CODING | UNTRANSLATED:
            continue
        part = _interval(start, end, phase, where)
        names = attributes.get("Parent", attributes.get("transcript_id", ()))
        if kind in CODING and not any(names):
            alone.append(where)
        for name in filter(None, names):
            model = models.setdefault((name, chrom), Model(name, attributes.get("gene_id", [""])[0], chrom))
            model.strands.add(strand)
            if kind == "exon":
                model.exons.append(part)
            elif kind == "stop_codon":
                model.stops.append(part)
            elif kind == "CDS":
                model.cds[attributes.get("protein_id", [""])[0]].append(part)
            else:
                model.utr.append(part)
    models = [model for model in models.values() if model.cds or model.stops]
    if alone:
        _of_no_transcript(alone, collected, left=bool(models))
    if not models:
        raise InputError(gff, "has no transcript with a CDS", "give GFF3 or GTF with CDS lines")
    for model in models:
        model.gene = _PREFIX.sub("", model.gene or parents.get(model.id, model.id))
        model.id = _PREFIX.sub("", model.id)
    return models


def _of_no_transcript(lines, collected, left):
    """Say and count the CDS lines that name no transcript, or stop: where that is asked, or no others are `left`."""
    problem = f"its CDS names neither Parent nor transcript_id ({len(lines)} such lines)"
    mend = "give each the transcript it belongs to"
    if collected.problems == "error" or not left:
        raise InputError(lines[0], problem, mend + (", or leave them out with problems: drop" if left else ""))
    print(f"{lines[0]}: {problem}: left out; {mend}", file=sys.stderr)
    collected.counts["CDS lines of no transcript"] += len(lines)


def _features(path):
    """(where, nine fields) of every feature line."""
    for number, line in text_lines(path, errors="replace"):
        if line.startswith(("##FASTA", ">")):
            return
        if line.strip() and not line.startswith("#"):
            fields = line.split("\t")
            where = f"{path}, line {number}"
            if len(fields) != 9:
                raise InputError(where, f"has {len(fields)} fields, not 9", "give GFF3 or GTF, columns split by tabs")
            yield where, fields


def _attributes(text):
    """The last column as lists of values by key: ``key=value,..;..`` (GFF3, commas within a value are escaped there) or
    ``key "value"; ..`` (GTF, one value each).
    """
    if re.match(r"\s*[^\s=;]+=", text):
        pairs = (pair.partition("=") for pair in text.strip().strip(";").split(";"))
        return {key.strip(): [unquote(own.strip()) for own in value.split(",")] for key, _, value in pairs}
    return {key: [quoted or plain] for key, quoted, plain in _GTF.findall(text)}


def _interval(start, end, phase, where):
    if not (start.isdecimal() and end.isdecimal() and 1 <= int(start) <= int(end)):
        raise InputError(where, f"{start}-{end} is no interval", "coordinates count from 1, the start first")
    if phase not in {".", "0", "1", "2"}:
        raise InputError(where, f"phase {phase!r}", "phases are 0, 1, 2 or '.'")
    return int(start) - 1, int(end), None if phase == "." else int(phase)
