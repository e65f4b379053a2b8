"""Annotation as people have it: stop codons in the CDS, sorted lines, other names of chromosomes, GenBank's corners."""

import pytest
from Bio.Seq import Seq

from seqlm.common.errors import InputError
from seqlm.datasets import build_dataset
from seqlm.sequences import read_genbank
from seqlm.sequences.transcripts.annotation import read_annotated_genome
from seqlm.sequences.transcripts.genbank import read_annotated_genbank
from seqlm.sequences.transcripts.isoforms import representative

# A gene of two exons whose stop codon the intron splits: ATG AAA CCC T|AA
EXONS = (10, 22), (30, 40)
MRNA = "GATGAAACCCTAAGGGTTTCCC"
CODING = "ATGAAACCCTAA"


def genome(strand, length=60):
    """A chromosome with the gene, and what turns an interval of the gene into one of the chromosome."""
    (a, b), (c, d) = EXONS
    text = "C" * a + MRNA[: b - a] + "G" * (c - b) + MRNA[b - a :] + "T" * (length - d)
    if strand == "+":
        return text, lambda start, end: (start, end)
    return str(Seq(text).reverse_complement()), lambda start, end: (length - end, length - start)


def gtf(strand, kinds, order=lambda rows: rows, chrom="c1", name="t"):
    """Lines of the gene; CDS lines name a protein, stop codons do not, as Ensembl writes them."""
    _, place = genome(strand)
    protein = {"CDS": ' protein_id "P1";'}
    rows = [(kind, *place(start, end), phase) for kind, start, end, phase in kinds]
    return [
        f"{chrom}\tx\t{kind}\t{start + 1}\t{end}\t.\t{strand}\t{phase}\t"
        f'gene_id "g"; transcript_id "{name}";{protein.get(kind, "")}'
        for kind, start, end, phase in order(rows)
    ]


EXON_LINES = [("exon", *EXONS[0], "."), ("exon", *EXONS[1], ".")]
STOPS = [("stop_codon", 20, 22, 0), ("stop_codon", 30, 31, 1)]
ANNOTATIONS = {
    "the stop is no part of the CDS": [("CDS", 11, 20, 0), *STOPS],
    "the CDS has the stop": [("CDS", 11, 22, 0), ("CDS", 30, 31, 1), *STOPS],
    "the CDS has a part of the stop": [("CDS", 11, 22, 0), *STOPS],
    "the CDS cuts the stop's part": [("CDS", 11, 21, 0), *STOPS],
    "no stop codon lines": [("CDS", 11, 22, 0), ("CDS", 30, 31, 1)],
}


@pytest.mark.parametrize("order", ["as written", "by coordinate", "by coordinate, backwards"])
@pytest.mark.parametrize("exons", [True, False])
@pytest.mark.parametrize("strand", ["+", "-"])
@pytest.mark.parametrize("kind", ANNOTATIONS)
def test_a_stop_codon_is_read_however_it_is_annotated(tmp_path, kind, strand, exons, order):
    orders = {
        "as written": lambda rows: rows,
        "by coordinate": lambda rows: sorted(rows, key=lambda row: row[1:3]),
        "by coordinate, backwards": lambda rows: sorted(rows, key=lambda row: row[1:3], reverse=True),
    }
    lines = gtf(strand, [*(EXON_LINES if exons else ()), *ANNOTATIONS[kind]], orders[order])
    (tmp_path / "g.fa").write_text(f">c1\n{genome(strand)[0]}\n")
    (tmp_path / "g.gtf").write_text("\n".join(lines) + "\n")
    (transcript,), counts = read_annotated_genome(tmp_path / "g.fa", tmp_path / "g.gtf", problems="error")
    assert transcript.coding == CODING
    assert transcript.sequence == (MRNA if exons else CODING)
    assert transcript.junctions == ((12,) if exons else (11,))
    assert counts == {"transcripts": 1}


def test_untranslated_lines_may_hold_the_stop_codon(tmp_path):
    """As GENCODE writes them; without exon lines the exons are what CDS and UTR cover."""
    lines = gtf("+", [("UTR", 10, 11, "."), ("CDS", 11, 20, 0), *STOPS, ("UTR", 20, 22, "."), ("UTR", 30, 40, ".")])
    (tmp_path / "g.fa").write_text(f">c1\n{genome('+')[0]}\n")
    (tmp_path / "g.gtf").write_text("\n".join(lines) + "\n")
    (transcript,), _ = read_annotated_genome(tmp_path / "g.fa", tmp_path / "g.gtf", problems="error")
    assert (transcript.sequence, transcript.coding, transcript.junctions) == (MRNA, CODING, (12,))


def test_a_byte_order_mark_and_odd_characters_keep_every_line(tmp_path):
    lines = gtf("+", [*EXON_LINES, *ANNOTATIONS["no stop codon lines"]])
    lines = [line + ' note "a\u2028b\x0bc";' for line in lines]
    (tmp_path / "g.fa").write_text(f">c1\n{genome('+')[0]}\n")
    (tmp_path / "g.gtf").write_text("\ufeff" + "\r\n".join(lines), encoding="utf-8", newline="")
    (transcript,), _ = read_annotated_genome(tmp_path / "g.fa", tmp_path / "g.gtf", problems="error")
    assert (transcript.chrom, transcript.sequence, transcript.coding) == ("c1", MRNA, CODING)


@pytest.mark.parametrize("attributes", ["Parent=t%2C1{}", 'gene_id "g"; transcript_id "t,1"{};'])
def test_a_comma_within_a_name_makes_no_second_transcript(tmp_path, attributes):
    """GFF3 escapes it, GTF has it in quotes; only GFF3 lists several parents, and with bare commas."""
    text, _ = genome("+")
    rows = [*EXON_LINES, *ANNOTATIONS["no stop codon lines"]]
    for other in ("", ",u" if attributes.startswith("Parent") else ""):
        written = attributes.format(other)
        lines = [f"c1\tx\t{kind}\t{start + 1}\t{end}\t.\t+\t{phase}\t{written}" for kind, start, end, phase in rows]
        (tmp_path / "g.fa").write_text(f">c1\n{text}\n")
        (tmp_path / "g.gff").write_text("\n".join([*lines[:2], "  ", *lines[2:]]) + "\n")
        transcripts, _ = read_annotated_genome(tmp_path / "g.fa", tmp_path / "g.gff", problems="error")
        assert [t.id for t in transcripts] == ["t,1", *([other[1:]] if other else [])]
        assert {t.coding for t in transcripts} == {CODING}


@pytest.mark.parametrize("attributes", ['gene_id "h"; transcript_id "";', 'gene_id "h";', "ID=cds1;Parent=", "ID=cds1"])
def test_coding_lines_of_no_transcript_are_counted_and_said(tmp_path, capsys, attributes):
    lines = gtf("+", [*EXON_LINES, *ANNOTATIONS["no stop codon lines"]])
    alone = [f"c1\tx\t{kind}\t1\t9\t.\t+\t0\t{attributes}" for kind in ("CDS", "stop_codon", "exon", "gene")]
    (tmp_path / "g.fa").write_text(f">c1\n{genome('+')[0]}\n")
    paths = tmp_path / "g.fa", tmp_path / "g.gtf"
    paths[1].write_text("\n".join([*alone, *lines]) + "\n")
    (transcript,), counts = read_annotated_genome(*paths)
    assert (transcript.coding, counts) == (CODING, {"transcripts": 1, "CDS lines of no transcript": 2})
    assert "line 1: its CDS names neither Parent nor transcript_id (2 such lines)" in capsys.readouterr().err
    with pytest.raises(InputError, match="line 1: .*2 such lines.*problems: drop"):
        read_annotated_genome(*paths, problems="error")
    paths[1].write_text("\n".join(alone) + "\n")
    with pytest.raises(InputError, match="line 1: .*give each the transcript it belongs to$"):
        read_annotated_genome(*paths)


# ---------------------------------------------------------------- chromosomes


def two_chromosomes(tmp_path, names=("chr1", "chrM"), found=("1", "MT")):
    """An annotation with a gene on the first chromosome and two on the second; a genome with other names."""
    kinds = [*EXON_LINES, *ANNOTATIONS["no stop codon lines"]]
    lines = [*gtf("+", kinds, chrom=names[0], name="a"), *gtf("+", kinds, chrom=names[1], name="b")]
    lines += gtf("+", kinds, chrom=names[1], name="c")
    (tmp_path / "g.gtf").write_text("\n".join(lines) + "\n")
    (tmp_path / "g.fa").write_text("".join(f">{name}\n{genome('+')[0]}\n" for name in found))
    return tmp_path / "g.fa", tmp_path / "g.gtf"


def test_transcripts_on_a_chromosome_that_is_not_there_are_counted_and_said(tmp_path, capsys):
    paths = two_chromosomes(tmp_path, found=("chr1", "MT"))
    transcripts, counts = read_annotated_genome(*paths)
    assert [t.id for t in transcripts] == ["a"]
    assert counts == {"transcripts": 1, "chromosome missing": 2}
    said = capsys.readouterr().err
    assert "2 transcripts are on chromosomes that" in said and "(chrM)" in said and "synonyms" in said
    with pytest.raises(InputError, match=r"2 transcripts are on chromosomes that .* lacks \(chrM\)"):
        read_annotated_genome(*paths, problems="error")


@pytest.mark.parametrize("names", [("chr1", "chrM"), ("1", "MT"), ("1", "M"), ("chr1", "chrMT")])
@pytest.mark.parametrize("found", [("chr1", "chrM"), ("1", "MT")])
def test_synonyms_match_when_told(tmp_path, names, found):
    paths = two_chromosomes(tmp_path, names, found)
    transcripts, counts = read_annotated_genome(*paths, problems="error", chromosome_names="synonyms")
    assert [(t.id, t.chrom) for t in transcripts] == [("a", found[0]), ("b", found[1]), ("c", found[1])]
    renamed = sum(n for n, a, b in zip((1, 2), names, found, strict=True) if a != b)
    assert counts == {"transcripts": 3} | ({"chromosome by synonym": renamed} if renamed else {})
    if names != found and not set(names) & set(found):
        with pytest.raises(InputError, match="none of which is in .* or chromosome_names: synonyms"):
            read_annotated_genome(*paths)


def test_synonyms_that_are_both_there_are_refused(tmp_path):
    paths = two_chromosomes(tmp_path, found=("1", "chr1", "MT"))
    with pytest.raises(InputError, match="has both 1 and chr1"):
        read_annotated_genome(*paths, chromosome_names="synonyms")
    transcripts, _ = read_annotated_genome(*paths)
    assert [(t.id, t.chrom) for t in transcripts] == [("a", "chr1")]


def test_a_dataset_counts_what_has_no_chromosome_and_labels_without_a_transcript(tmp_path):
    fasta, annotation = two_chromosomes(tmp_path, found=("chr1", "MT"))
    (tmp_path / "labels.tsv").write_text("gene\ty\na\t1\nb\t2\nelsewhere\t3\nempty\t\n")
    sources = {"g": fasta, "a": annotation, "y": tmp_path / "labels.tsv"}
    settings = {"genome": "g", "annotation": "a", "labels": "y", "id": "gene", "label": "y"}
    examples, summary = build_dataset("d", {"target": "scalar", "transcripts": settings}, sources)
    assert examples["id"].tolist() == ["a"]
    assert summary["cleaning"] == {
        "g_transcripts": 1, "g_chromosome_missing": 2, "labels_without_transcript": 2
    }  # fmt: skip
    settings |= {"chromosome_names": "synonyms", "missing": "drop"}
    examples, summary = build_dataset("d", {"target": "scalar", "transcripts": settings}, sources)
    assert examples["id"].tolist() == ["a", "b"]
    assert summary["cleaning"]["g_chromosome_by_synonym"] == 2
    assert summary["cleaning"]["labels_without_transcript"] == 1


# ---------------------------------------------------------------- GenBank

LOCUS = "LOCUS       AB1{:>25} bp    {:<7} linear   BCT 01-JAN-2000\nDEFINITION  made up.\nVERSION     AB1.1\n"
GENBANK_TEXT = "CCATGAAATAGCC" + "CTATTTCATCC"  # 24 bases, with the same gene on both strands


def write_genbank(path, features, length=24, molecule="DNA", origin=None):
    """GenBank text with features (kind, location, qualifiers) and the sequence GENBANK_TEXT."""
    lines = [LOCUS.format(length, molecule) + "FEATURES             Location/Qualifiers"]
    for kind, location, qualifiers in features:
        lines.append(f"     {kind:<16}{location}")
        lines += [f'{" " * 21}/{key}="{value}"' for key, value in qualifiers.items()]
    origin = f"ORIGIN\n        1 {GENBANK_TEXT.lower()}\n//\n" if origin is None else origin
    path.write_text("\n".join(lines) + "\n" + origin)
    return path


GOOD = ("CDS", "3..11", {"locus_tag": "good"})
UNREADABLE = {
    "no location": [("CDS", "?..9", {"locus_tag": "bad"})],
    "codon_start 4": [("CDS", "3..11", {"locus_tag": "bad", "codon_start": "4"})],
    "codon_start in words": [("CDS", "3..11", {"locus_tag": "bad", "codon_start": "one"})],
    "another record": [("CDS", "join(X1.1:1..3,3..8)", {"locus_tag": "bad"})],
    "across the origin": [("CDS", "join(20..22,3..8)", {"locus_tag": "bad"})],
    "mRNA without location": [("mRNA", "?..9", {"locus_tag": "bad"}), ("CDS", "3..11", {"locus_tag": "bad"})],
    "mRNA that no CDS fits": [
        ("mRNA", "join(1..5,8..13)", {"locus_tag": "bad"}), ("CDS", "3..11", {"locus_tag": "bad"})
    ],
    "CDS of an mRNA without location": [("mRNA", "1..13", {"locus_tag": "bad"}), ("CDS", "?", {"locus_tag": "bad"})],
    "codon_start of an mRNA's CDS": [
        ("mRNA", "1..13", {"locus_tag": "bad"}), ("CDS", "3..11", {"locus_tag": "bad", "codon_start": "0"})
    ],
}  # fmt: skip
SAYS = {"no location": "cannot be read", "codon_start": "codon_start is", "another": "another record",
        "across": "crosses the origin", "mRNA without": "cannot be read", "mRNA that": "no CDS of its gene fits",
        "CDS of": "no CDS of its gene fits"}  # fmt: skip


@pytest.mark.parametrize("kind", UNREADABLE)
def test_one_feature_that_cannot_be_read_costs_one_transcript(tmp_path, kind):
    path = write_genbank(tmp_path / "a.gb", [GOOD, *UNREADABLE[kind]])
    transcripts, counts = read_annotated_genbank(path)
    assert [(t.gene, t.coding) for t in transcripts] == [("good", "ATGAAATAG")]
    assert counts == {"transcripts": 1, "dropped": 1}
    says = next(words for start, words in SAYS.items() if kind.startswith(start))
    with pytest.raises(InputError, match=f"transcript 'bad.1': .*{says}"):
        read_annotated_genbank(path, problems="error")


@pytest.mark.parametrize(
    "features",
    [
        [("CDS", "3..11", {"codon_start": "9"})],
        [("CDS", "?", {})],
        [("exon", "?..3", {}), ("CDS", "3..11", {})],
        [("CDS", "3..11", {}), ("CDS", "14..22", {})],
    ],
)
def test_mrna_records_that_cannot_be_read_are_counted(tmp_path, features):
    transcripts, counts = read_annotated_genbank(write_genbank(tmp_path / "a.gb", features, molecule="mRNA"))
    assert (transcripts, counts) == ([], {"dropped": 1})


@pytest.mark.parametrize("end", ["\r\n", "\r"])
def test_genbank_of_any_line_ends(tmp_path, end):
    path = write_genbank(tmp_path / "a.gb", [GOOD])
    path.write_bytes(path.read_text().replace("\n", end).encode())
    (transcript,), _ = read_annotated_genbank(path, problems="error")
    assert transcript.coding == "ATGAAATAG"


def test_genbank_features_of_the_reverse_strand_are_read(tmp_path):
    features = [GOOD, ("CDS", "complement(join(14..15,17..22))", {"locus_tag": "back"})]
    transcripts, _ = read_annotated_genbank(write_genbank(tmp_path / "a.gb", features))
    turned = str(Seq(GENBANK_TEXT).reverse_complement())
    expected = turned[2:8] + turned[9:11]
    assert expected == "ATGAAAAG"  # 8 bases: no whole number of codons, so it is left out
    assert [t.gene for t in transcripts] == ["good"]
    features[1] = ("CDS", "complement(14..22)", {"locus_tag": "back"})
    transcripts, _ = read_annotated_genbank(write_genbank(tmp_path / "a.gb", features), problems="error")
    assert {t.gene: t.coding for t in transcripts} == {"good": "ATGAAATAG", "back": "ATGAAATAG"}


def test_features_that_name_no_gene_are_genes_of_their_own(tmp_path):
    features = [("CDS", "3..11", {}), ("CDS", "complement(14..22)", {}), ("CDS", "3..11", {"protein_id": "P1"})]
    transcripts, _ = read_annotated_genbank(write_genbank(tmp_path / "a.gb", features), problems="error")
    assert len({t.gene for t in transcripts}) == 3 and all(t.gene for t in transcripts)
    assert len(representative(transcripts)) == 3


CUT = {
    "fewer bases than LOCUS says": {"length": 100},
    "more bases than LOCUS says": {"length": 9},
    "no end": {"origin": "ORIGIN\n        1 ccatgaaatagccctat"},
    "cut within the features": {"origin": " " * 5},
}


@pytest.mark.parametrize("cut", CUT)
@pytest.mark.parametrize("read", [lambda path: list(read_genbank(path)), read_annotated_genbank])
def test_a_genbank_file_that_is_cut_short_is_one_clear_line(tmp_path, cut, read):
    path = write_genbank(tmp_path / "a.gb", [GOOD], **CUT[cut])
    with pytest.raises(InputError, match="cut short|cannot be read as GenBank") as error:
        read(path)
    assert str(path) in str(error.value) and "\n" not in str(error.value)
    with pytest.raises(InputError, match="has no sequence"):
        read(write_genbank(path, [GOOD], origin="CONTIG      join(X1.1:1..24)\n//\n"))
