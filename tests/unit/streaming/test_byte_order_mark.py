"""A byte-order mark, as some editors put it before text, changes nothing and costs no line of any format."""

import gzip

import pytest
from Bio.bgzf import BgzfWriter

from seqlm.common.errors import InputError
from seqlm.sequences import Genome, open_bytes, read_fasta, read_genbank
from seqlm.streaming.records import open_records

BOM = b"\xef\xbb\xbf"
GTF = "\n".join(
    f'c\t.\t{kind}\t{start}\t{end}\t.\t+\t{phase}\tgene_id "g"; transcript_id "t";'
    for kind, start, end, phase in (("exon", 1, 12, "."), ("exon", 21, 30, "."), ("CDS", 1, 9, "0"))
)
GENBANK = """LOCUS       one                       12 bp    DNA     linear   UNK 01-JAN-1980
FEATURES             Location/Qualifiers
     CDS             1..9
                     /gene="g"
ORIGIN
        1 atgaaatagc cc
//
"""
FILES = {
    "x.fa": ">a\nACGT\n>b\nGG\n",
    "x.tsv": "id\tsequence\na\tACGT\nb\tGG\n",
    "x.bed": "c\t0\t4\nc\t4\t9\n",
    "x.vcf": "c\t5\t.\tA\tC\nc\t6\t.\tA\tC\n",  # without a header line, which may be missing
    "x.gtf": GTF,
    "x.gff": GTF.replace("gene_id", "ID=u;gene_id").replace('ID=u;gene_id "g"; transcript_id "t";', "Parent=t"),
    "x.gb": GENBANK,
}


@pytest.fixture
def genome(tmp_path):
    path = tmp_path / "genome.fa"
    path.write_text(">c\nATGAAATAGCCC" + "ACGT" * 10 + "\n")
    return path


def records_of(path, genome):
    wanted = {"genome": genome} if path.name.removesuffix(".gz").endswith((".bed", ".vcf", ".gtf", ".gff")) else {}
    return [record for chunk in open_records(path, length=4, **wanted).chunks(10) for record in chunk]


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("name", FILES)
def test_a_byte_order_mark_costs_no_line(name, packed, genome, tmp_path):
    found = []
    for number, mark in enumerate((b"", BOM)):
        path = tmp_path / f"{number}" / (name + ".gz" * packed)
        path.parent.mkdir()
        data = mark + FILES[name].encode()
        path.write_bytes(gzip.compress(data) if packed else data)
        found.append(records_of(path, genome))
    assert found[0] == found[1] and found[0]
    if name in ("x.gtf", "x.gff"):  # the first line is the first exon
        assert len(found[1][0].sequence.split()) == 22


def test_readers_below_training_and_pretraining_see_no_mark(tmp_path):
    (tmp_path / "x.fa").write_bytes(BOM + b">a some\nACGT\n")
    (tmp_path / "x.gb").write_bytes(BOM + GENBANK.encode())
    assert [tuple(record) for record in read_fasta(tmp_path / "x.fa")] == [("a", "some", "ACGT")]
    assert [record.sequence for record in read_genbank(tmp_path / "x.gb")] == ["ATGAAATAGCCC"]
    with BgzfWriter(str(tmp_path / "x.fa.gz")) as writer:
        writer.write((tmp_path / "x.fa").read_bytes())
    for name in ("x.fa", "x.fa.gz"):
        with open_bytes(tmp_path / name) as reader:
            assert reader.read(2) + reader.read(1) + reader.read() == b">a some\nACGT\n"


def test_a_genome_to_look_things_up_in_is_refused_with_a_reason(tmp_path):
    """Its index counts bytes, for other tools too."""
    (tmp_path / "x.fa").write_bytes(BOM + b">a\nACGT\n")
    with pytest.raises(InputError, match="byte-order mark"):
        Genome(tmp_path / "x.fa")
