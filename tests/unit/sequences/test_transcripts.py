"""mRNAs from annotation, GenBank and tables: every base checked against a position-by-position construction."""

from io import StringIO

import numpy as np
import pandas as pd
import pytest
from Bio import SeqIO
from Bio.Seq import Seq
from Bio.SeqFeature import CompoundLocation, SeqFeature, SimpleLocation
from Bio.SeqRecord import SeqRecord
from Bio.SeqUtils import CodonAdaptationIndex

from seqlm.common.errors import InputError
from seqlm.datasets import build_dataset
from seqlm.models.networks.saluki import Saluki, SalukiConfig
from seqlm.sequences.transcripts.annotation import read_annotated_genome
from seqlm.sequences.transcripts.codon_adaptation import codon_adaptation
from seqlm.sequences.transcripts.genbank import read_annotated_genbank
from seqlm.sequences.transcripts.isoforms import representative
from seqlm.sequences.transcripts.tables import read_transcript_table
from seqlm.sequences.transcripts.transcript import Transcript, parse_tokens

COMPLEMENT = dict(zip("ACGT", "TGCA", strict=True))


def random_gene(rng, genome_length):
    """Exons (0-based, half-open) and CDS bounds in the mRNA, whose length is a multiple of 3."""
    while True:
        bounds = np.sort(rng.choice(np.arange(1, genome_length), 2 * rng.integers(1, 5), replace=False))
        exons = [(int(s), int(e)) for s, e in bounds.reshape(-1, 2)]
        total = sum(e - s for s, e in exons)
        gaps = [b[0] - a[1] for a, b in zip(exons, exons[1:], strict=False)]
        if total >= 9 and all(gap > 0 for gap in gaps):
            start = int(rng.integers(0, total - 6))
            return exons, (start, start + 3 * int(rng.integers(1, (total - start) // 3 + 1)))


def by_position(genome, exons, cds, strand):
    """Tokens of an mRNA, one genome position at a time; and the genome positions of its CDS."""
    positions = [(p, i) for i, (s, e) in enumerate(exons) for p in range(s, e)]
    if strand == "-":
        positions = positions[::-1]
    tokens, coding = [], []
    for at, (p, exon) in enumerate(positions):
        base = genome[p] if strand == "+" else COMPLEMENT[genome[p]]
        first = cds[0] <= at < cds[1] and (at - cds[0]) % 3 == 0
        junction = at > 0 and positions[at - 1][1] != exon
        token = base if first else base.lower()
        tokens.append(token + (("EJ" if first else "ej") if junction else ""))
        if cds[0] <= at < cds[1]:
            coding.append((p, at - cds[0]))
    return " ".join(tokens), coding


def gff_lines(name, exons, coding, strand, style="gff3", stop=True):
    """Annotation lines of a gene; in GTF the stop codon is no part of the CDS."""
    if style == "gff3":
        own, child = f"ID=rna-{name};Parent=gene-{name}", f"Parent=rna-{name}"
    else:
        own = child = f'gene_id "{name}"; transcript_id "{name}"'
    lines = [("mRNA" if style == "gff3" else "transcript", exons[0][0] + 1, exons[-1][1], ".", own)]
    lines += [("exon", s + 1, e, ".", child) for s, e in exons]
    parts = {"CDS": coding} if style == "gff3" or not stop else {"CDS": coding[:-3], "stop_codon": coding[-3:]}
    for kind, positions in parts.items():
        for s, e in exons:
            inside = sorted((p, at) for p, at in positions if s <= p < e)
            if inside:
                first = inside[0] if strand == "+" else inside[-1]
                lines.append((kind, inside[0][0] + 1, inside[-1][0] + 1, -first[1] % 3, child))
    return [f"c1\tx\t{kind}\t{s}\t{e}\t.\t{strand}\t{phase}\t{text}" for kind, s, e, phase, text in lines]


def write(folder, genome, lines):
    (folder / "genome.fa").write_text(f">c1 a chromosome\n{genome.lower()}\n>c2\nACGT\n")
    (folder / "genes.gff").write_text("##gff-version 3\n" + "\n".join(lines) + "\n")
    return folder / "genome.fa", folder / "genes.gff"


@pytest.mark.parametrize("style", ["gff3", "gtf"])
def test_random_genes_of_both_strands(tmp_path, style):
    rng = np.random.default_rng(7)
    genome = "".join(rng.choice(list("ACGT"), 300))
    lines, expected = [], {}
    for i in range(60):
        exons, cds = random_gene(rng, 300)
        strand = "+-"[i % 2]
        tokens, coding = by_position(genome, exons, cds, strand)
        lines += gff_lines(f"t{i}", exons, coding, strand, style)
        expected[f"t{i}"] = tokens
    transcripts, counts = read_annotated_genome(*write(tmp_path, genome, lines), problems="error")
    assert {t.id: t.tokens() for t in transcripts} == expected
    assert {t.gene for t in transcripts} == set(expected)
    assert counts["transcripts"] == 60
    assert counts["no ATG"] == sum(not t.coding.startswith("ATG") for t in transcripts)


def test_tokens_and_channels_are_the_same_tensor():
    rng = np.random.default_rng(1)
    transcripts = []
    for i in range(20):
        n = int(rng.integers(30, 90))
        sequence = "".join(rng.choice(list("ACGTN"), n, p=[0.24] * 4 + [0.04]))
        start = int(rng.integers(0, n - 9))
        cds = start, start + 3 * int(rng.integers(1, (n - start) // 3 + 1))
        junctions = tuple(sorted(rng.choice(np.arange(1, n), 3, replace=False).tolist()))
        transcripts.append(Transcript(str(i), "g", sequence, cds, junctions))
    model = Saluki(SalukiConfig(layout={"encoding": "mrna", "separator": " "}, length=90, filters=4, blocks=1))
    dense = model.dense(model.encode([t.tokens() for t in transcripts])).numpy()
    for transcript, channels in zip(transcripts, dense, strict=True):
        n = len(transcript.sequence)
        np.testing.assert_array_equal(channels[:, :n], transcript.channels())
        assert not channels[:, n:].any()
        assert parse_tokens(transcript.tokens()) == (transcript.sequence, transcript.cds, transcript.junctions)


def test_partial_cds_starts_with_its_first_whole_codon(tmp_path):
    genome = "A" * 10 + "CCATGAAATAG" + "T" * 10
    for phase, strand in ((2, "+"), (2, "-")):
        text = genome if strand == "+" else str(Seq(genome).reverse_complement())
        lines = [
            f"c1\tx\texon\t6\t25\t.\t{strand}\t.\tParent=t",
            f"c1\tx\tCDS\t11\t21\t.\t{strand}\t{phase}\tParent=t",
        ]
        (transcript,), _ = read_annotated_genome(*write(tmp_path, text, lines), problems="error")
        assert transcript.coding == "ATGAAATAG"
        assert [token for token in transcript.tokens().split() if token.isupper()] == ["A", "A", "T"]


def test_cds_lines_alone_are_exons(tmp_path):
    lines = [f"c1\tx\tCDS\t{s}\t{e}\t.\t+\t{p}\tID=cds;Parent=t" for s, e, p in ((1, 4, 0), (9, 13, 2))]
    lines.append("c1\tx\tthree_prime_UTR\t14\t15\t.\t+\t.\tParent=t")
    (transcript,), _ = read_annotated_genome(*write(tmp_path, "ATGACCCCAATAGCTTT", lines), problems="error")
    assert transcript.sequence == "ATGA" + "AATAG" + "CT"
    assert transcript.junctions == (4,)
    assert transcript.cds == (0, 9)


EXON = "c1\tx\texon\t{}\t{}\t.\t{}\t.\tParent=t"
CDS = "c1\tx\tCDS\t{}\t{}\t.\t{}\t{}\tParent=t{}"


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ([EXON.format(1, 20, "+"), EXON.format(15, 30, "+"), CDS.format(3, 8, "+", 0, "")], "overlap or touch at 15"),
        ([EXON.format(1, 20, "+"), EXON.format(21, 30, "+"), CDS.format(3, 8, "+", 0, "")], "overlap or touch"),
        ([EXON.format(1, 20, "+"), CDS.format(3, 9, "+", 0, "")], "7 bases in frame"),
        ([EXON.format(1, 20, "+"), CDS.format(3, 26, "+", 0, "")], "does not lie within an exon"),
        ([EXON.format(1, 20, "+"), EXON.format(25, 30, "-"), CDS.format(3, 8, "+", 0, "")], "strand is"),
        ([EXON.format(1, 400, "+"), CDS.format(3, 8, "+", 0, "")], "has 30 bases"),
        ([EXON.format(1, 20, "+"), CDS.format(1, 3, "+", 0, ""), CDS.format(7, 9, "+", 0, "")], "not in one piece"),
        (
            [
                EXON.format(1, 9, "+"),
                EXON.format(12, 30, "+"),
                CDS.format(6, 9, "+", 0, ""),
                CDS.format(12, 13, "+", 1, ""),
            ],
            "phases",
        ),
        (
            [
                EXON.format(1, 9, "+"),
                CDS.format(1, 3, "+", 0, ";protein_id=a"),
                CDS.format(4, 6, "+", 0, ";protein_id=b"),
            ],
            "2 coding sequences",
        ),
    ],
)
def test_annotation_that_does_not_fit(tmp_path, lines, problem):
    good = [line.replace("Parent=t", "Parent=good") for line in (EXON.format(1, 20, "+"), CDS.format(3, 8, "+", 0, ""))]
    paths = write(tmp_path, "ACGTA" * 6, lines + good)
    with pytest.raises(InputError, match=problem) as error:
        read_annotated_genome(*paths, problems="error")
    assert "transcript 't'" in str(error.value)
    transcripts, counts = read_annotated_genome(*paths, problems="drop")
    assert [t.id for t in transcripts] == ["good"]
    assert counts["dropped"] == 1


def test_files_that_cannot_be_used(tmp_path):
    fasta, gff = write(tmp_path, "ACGT" * 9, [CDS.format(1, 9, "+", 0, "").replace("c1", "chr1")])
    with pytest.raises(InputError, match="names chr1, none of which is in"):
        read_annotated_genome(fasta, gff)
    for lines, problem in (
        (["c1\tx\tCDS\t5\t2\t.\t+\t0\tParent=t"], "line 2: 5-2 is no interval"),
        (["c1 x CDS"], "line 2: has 1 fields"),
        (["c1\tx\tCDS\t1\t6\t.\t+\t7\tParent=t"], "line 2: phase '7'"),
        ([EXON.format(1, 9, "+")], "no transcript with a CDS"),
    ):
        with pytest.raises(InputError, match=problem):
            read_annotated_genome(*write(tmp_path, "ACGT" * 9, lines))


def genbank(records):
    handle = StringIO()
    SeqIO.write(records, handle, "genbank")
    return handle.getvalue()


def location(parts, strand):
    parts = [SimpleLocation(s, e, strand) for s, e in parts]
    return parts[0] if len(parts) == 1 else CompoundLocation(parts if strand > 0 else parts[::-1])


def test_genbank_genomic_records(tmp_path):
    rng = np.random.default_rng(3)
    genome = "".join(rng.choice(list("ACGT"), 300))
    record = SeqRecord(Seq(genome), "c1", annotations={"molecule_type": "DNA"})
    expected = {}
    for i in range(20):
        exons, cds = random_gene(rng, 300)
        strand = "+-"[i % 2]
        tokens, coding = by_position(genome, exons, cds, strand)
        positions = {p for p, _ in coding}
        parts = [
            (min(inside), max(inside) + 1) for s, e in exons if (inside := [p for p in range(s, e) if p in positions])
        ]
        sign = 1 if strand == "+" else -1
        names = {"locus_tag": [f"g{i}"], "transcript_id": [f"t{i}"]}
        record.features.append(SeqFeature(location(exons, sign), "mRNA", qualifiers=names))
        record.features.append(SeqFeature(location(parts, sign), "CDS", qualifiers={"locus_tag": [f"g{i}"]}))
        expected[f"t{i}"] = tokens
    path = tmp_path / "genome.gb"
    path.write_text(genbank([record]))
    transcripts, _ = read_annotated_genbank(path, problems="error")
    assert {t.id: t.tokens() for t in transcripts} == expected


def test_genbank_isoforms_get_the_cds_that_fits(tmp_path):
    record = SeqRecord(Seq("ACGTA" * 20), "c1", annotations={"molecule_type": "DNA"})
    isoforms = {"a": ([(0, 20), (30, 50)], [(5, 20), (30, 45)]), "b": ([(0, 20), (60, 80)], [(5, 20), (60, 75)])}
    gene = {"gene": ["g"]}
    for name, (exons, _) in isoforms.items():
        record.features.append(SeqFeature(location(exons, 1), "mRNA", qualifiers=gene | {"transcript_id": [name]}))
    for _, parts in reversed(isoforms.values()):
        record.features.append(SeqFeature(location(parts, 1), "CDS", qualifiers=gene))
    (tmp_path / "g.gb").write_text(genbank([record]))
    transcripts, _ = read_annotated_genbank(tmp_path / "g.gb", problems="error")
    assert [(t.id, t.cds, t.junctions, t.start, t.end) for t in transcripts] == [
        ("a", (5, 35), (20,), 0, 50), ("b", (5, 35), (20,), 0, 80)
    ]  # fmt: skip


def test_genbank_features_without_a_gene_are_genes_of_their_own(tmp_path):
    record = SeqRecord(Seq("ATGAAATAG" * 20), "c1", annotations={"molecule_type": "DNA"})
    # Two isoforms of one CDS, a CDS that fits no mRNA, a gene with a name, and a CDS before it.
    for kind, parts in (("CDS", [(9, 18)]), ("mRNA", [(27, 60)]), ("mRNA", [(30, 60)]), ("CDS", [(36, 45)]),
                        ("CDS", [(90, 99)])):  # fmt: skip
        record.features.append(SeqFeature(location(parts, 1), kind))
    record.features.append(SeqFeature(location([(126, 135)], 1), "CDS", qualifiers={"gene": ["named"]}))
    (tmp_path / "g.gb").write_text(genbank([record]))
    transcripts, _ = read_annotated_genbank(tmp_path / "g.gb", problems="error")
    genes = {}
    for transcript in transcripts:
        genes.setdefault(transcript.gene, []).append((transcript.start, transcript.end))
    assert sorted(genes.values()) == [[(9, 18)], [(27, 60), (30, 60)], [(90, 99)], [(126, 135)]]
    assert genes["named"] == [(126, 135)] and "" not in genes
    assert len({t.id for t in transcripts}) == 5
    assert len(representative(transcripts)) == 4


def test_genbank_mrna_records(tmp_path):
    record = SeqRecord(Seq("CCATGAAATAGCCC"), "NM_1", annotations={"molecule_type": "mRNA"})
    record.features = [SeqFeature(SimpleLocation(s, e, 1), "exon") for s, e in ((0, 5), (5, 14))]
    record.features.append(SeqFeature(SimpleLocation(2, 11, 1), "CDS", qualifiers={"gene": ["G"]}))
    (tmp_path / "m.gb").write_text(genbank([record]))
    (transcript,), _ = read_annotated_genbank(tmp_path / "m.gb", problems="error")
    assert (transcript.id, transcript.gene) == ("NM_1", "G")
    assert transcript.tokens() == "c c A t g AEJ a a T a g c c c"


def test_tables_count_from_0_or_1():
    rows = {"s": ["ccAUGaaaTAGc"], "from": [2], "to": [11], "j": ["5,7"], "name": ["x"]}
    options = {"sequence": "s", "cds": ("from", "to"), "junctions": "j", "id": "name"}
    (zero,), _ = read_transcript_table(pd.DataFrame(rows), **options)
    rows |= {"from": [3], "j": ["6,8"]}
    (one,), _ = read_transcript_table(pd.DataFrame(rows), **options, one_based=True)
    assert zero == one
    assert zero.tokens() == "c c A t g AEJ a aej T a g c"
    rows |= {"j": [np.nan]}
    assert read_transcript_table(pd.DataFrame(rows), **options, one_based=True)[0][0].junctions == ()


def test_tables_with_mistakes():
    rows = pd.DataFrame({"sequence": ["ATGAAATAG"] * 2, "cds_start": [0, 1], "cds_end": [9, 9]})
    with pytest.raises(InputError, match="transcript '2'.*8 bases in frame"):
        read_transcript_table(rows)
    transcripts, counts = read_transcript_table(rows, problems="drop")
    assert len(transcripts) == 1
    assert counts == {"transcripts": 1, "dropped": 1}
    with pytest.raises(InputError, match="no column 'exons'"):
        read_transcript_table(rows, junctions="exons")
    with pytest.raises(InputError, match="not a whole number"):
        read_transcript_table(rows.assign(cds_end=["nine", 9]))
    with pytest.raises(InputError, match="does not lie within"):
        read_transcript_table(rows.assign(cds_end=[12, 9]))


def test_codon_adaptation_counts_a_gene_once():
    genes = {"a": "ATGGCTGCTGCATAA", "b": "ATGGCAAAATAA", "c": "ATGTGGTAA", "d": "ATGNNNTAA"}
    short = "ATGGCATAA"
    transcripts = [Transcript(g, g, s, (0, len(s))) for g, s in genes.items()] + [Transcript("a2", "a", short, (0, 9))]
    index = CodonAdaptationIndex([genes["a"], genes["b"], genes["c"]])
    values = codon_adaptation(transcripts)
    assert values[[0, 1, 4]].tolist() == [index.calculate(s) for s in (genes["a"], genes["b"], short)]
    assert np.isnan(values[3])


def test_representative_transcripts():
    lengths = {"a": (5, 6, 9), "b": (0, 9, 9), "c": (1, 9, 1), "d": (1, 9, 2), "e": (1, 9, 2)}  # 5'UTR, CDS, 3'UTR
    transcripts = [Transcript(n, "g", "A" * (u + c + v), (u, u + c)) for n, (u, c, v) in lengths.items()]
    other = Transcript("f", "h", "ATG", (0, 3))
    assert [t.id for t in representative([*transcripts, other])] == ["d", "f"]
    assert [t.id for t in representative([other, *transcripts[::-1]])] == ["f", "d"]


@pytest.mark.parametrize("missing", ["", "NA", "."])
def test_an_mrna_without_a_gene_stands_for_itself(missing):
    rows = {"s": ["ATGTAA", "ATGAAATAA", "ATGTAA", "ATGAAATAA"], "from": [0] * 4, "to": [6, 9, 6, 9],
            "gene": [missing, missing, "g", "g"], "name": list("abcd")}  # fmt: skip
    table = pd.DataFrame(rows)
    transcripts, _ = read_transcript_table(table, sequence="s", cds=("from", "to"), id="name", gene="gene")
    assert [t.id for t in representative(transcripts)] == ["a", "b", "d"]


def test_a_separator_of_unicode_lines_within_attributes_ends_no_feature(tmp_path):
    gff = "c\t.\texon\t1\t9\t.\t+\t.\tParent=t;Note=one\u2028two\nc\t.\tCDS\t1\t9\t.\t+\t0\tParent=t\n"
    (tmp_path / "g.gff").write_text(gff)
    (tmp_path / "g.fa").write_text(">c\nATGAAATAG\n")
    (transcript,), _ = read_annotated_genome(tmp_path / "g.fa", tmp_path / "g.gff", problems="error")
    assert transcript.sequence == "ATGAAATAG"


def test_labels_of_genes_join_annotated_transcripts(tmp_path):
    exons = [(0, 30), (40, 70)]
    genome = "".join(np.random.default_rng(0).choice(list("ACGT"), 200))
    lines = []
    for name, gene, cds in (("t1", "g1", (3, 30)), ("t2", "g1", (3, 33)), ("t3", "g2.4", (0, 9)), ("t4", "g3", (0, 9))):
        _, coding = by_position(genome, exons, cds, "+")
        lines += [line.replace(f"gene-{name}", f"gene-{gene}") for line in gff_lines(name, exons, coding, "+")]
    fasta, gff = write(tmp_path, genome, lines)
    (tmp_path / "labels.tsv").write_text("gene\ty\ng1\t1.5\ng2\t-2\nother\t9\n")
    sources = {"genome": fasta, "genes": gff, "half_lives": tmp_path / "labels.tsv"}
    settings = {"genome": "genome", "annotation": "genes", "labels": "half_lives", "id": "gene", "label": "y"}
    config = {"target": "scalar", "transcripts": settings | {"missing": "drop"}}
    examples, summary = build_dataset("d", config, sources)
    assert dict(zip(examples["id"], examples["target"], strict=True)) == {"t1": 1.5, "t2": 1.5, "t3": -2.0}
    config["transcripts"]["isoforms"] = "representative"
    examples, _ = build_dataset("d", config, sources)
    assert examples["id"].tolist() == ["t2", "t3"]
    assert examples["group"].tolist() == ["genome:g1", "genome:g2.4"]
    (tmp_path / "labels.tsv").write_text("gene\ty\nENSG1\t1.5\n")
    with pytest.raises(InputError, match="no transcript or gene has a label"):
        build_dataset("d", config, sources)
