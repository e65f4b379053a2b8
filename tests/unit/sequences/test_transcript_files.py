"""mRNAs and tokens from files: the same predictions as for the dataset that is built from them."""

import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
from Bio.Seq import Seq
from Bio.SeqFeature import CompoundLocation, SeqFeature, SimpleLocation
from Bio.SeqIO import write as write_records
from Bio.SeqRecord import SeqRecord

from seqlm.attribution import leave_one_out
from seqlm.datasets import build_dataset
from seqlm.inference.prediction import predict_targets
from seqlm.models.bundle import load_model, save_bundle
from seqlm.models.networks.cnn import CNN, CNNConfig
from seqlm.models.networks.saluki import Saluki, SalukiConfig
from seqlm.sequences.transcripts.transcript import parse_tokens
from seqlm.streaming.command import predict_command, score_command
from seqlm.streaming.files import predict_file

SIZE = {"filters": 4, "blocks": 1, "length": 90}
SCALED = {"label_scaling": {"kind": "standard", "scale": 2.0, "offset": 3.0}}
GFF = """\
c\t.\tmRNA\t11\t100\t.\t+\t.\tID=rna-a;Parent=gene-A
c\t.\texon\t11\t40\t.\t+\t.\tParent=rna-a
c\t.\texon\t61\t100\t.\t+\t.\tParent=rna-a
c\t.\tCDS\t21\t40\t.\t+\t0\tParent=rna-a
c\t.\tCDS\t61\t70\t.\t+\t1\tParent=rna-a
c\t.\tmRNA\t131\t180\t.\t-\t.\tID=rna-b;Parent=gene-B
c\t.\texon\t131\t180\t.\t-\t.\tParent=rna-b
c\t.\tCDS\t140\t169\t.\t-\t0\tParent=rna-b
c\t.\tmRNA\t131\t175\t.\t-\t.\tID=rna-b2;Parent=gene-B
c\t.\texon\t131\t175\t.\t-\t.\tParent=rna-b2
c\t.\tCDS\t140\t169\t.\t-\t0\tParent=rna-b2
c\t.\tmRNA\t181\t190\t.\t+\t.\tID=rna-broken;Parent=gene-C
c\t.\texon\t181\t190\t.\t+\t.\tParent=rna-broken
c\t.\tCDS\t181\t184\t.\t+\t0\tParent=rna-broken
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A genome with annotation, three mRNAs and a broken one; bundles that read mRNA tokens, and bases."""
    folder = tmp_path_factory.mktemp("transcripts")
    torch.manual_seed(0)
    bases = "".join("ACGT"[i] for i in torch.randint(4, (200,)))
    (folder / "genome.fa").write_text(f">c\n{bases}\n")
    (folder / "genes.gff").write_text(GFF)
    layout = {"encoding": "mrna", "separator": " "}
    for name, model in (
        ("saluki", Saluki(SalukiConfig(layout=layout, **SIZE, **SCALED))),
        ("other", Saluki(SalukiConfig(layout=layout, **SIZE, **SCALED))),
        ("cnn", CNN(CNNConfig(target="scalar", filters=4, hidden=4, **SCALED))),
    ):
        save_bundle(model, folder / name)
    return folder


@pytest.fixture(scope="module")
def examples(folder):
    """As training reads them."""
    table = pd.DataFrame({"id": ["a", "b", "b2"], "y": [1.0, 2.0, 3.0]})
    table.to_csv(folder / "labels.tsv", sep="\t", index=False)
    transcripts = {"genome": "genome", "annotation": "genes", "labels": "labels", "id": "id", "label": "y"}
    sources = {"genome": folder / "genome.fa", "genes": folder / "genes.gff", "labels": folder / "labels.tsv"}
    examples, _ = build_dataset("rna", {"target": "scalar", "transcripts": transcripts}, sources)
    assert examples["id"].tolist() == ["a", "b", "b2"]
    return examples


def write_genbank(path, folder):
    """The genes of the annotation as a GenBank record."""
    bases = Seq((folder / "genome.fa").read_text().split()[1])
    record = SeqRecord(bases, "c", "c", annotations={"molecule_type": "DNA"})
    a = [SimpleLocation(10, 40, 1), SimpleLocation(60, 100, 1)], [SimpleLocation(20, 40, 1), SimpleLocation(60, 70, 1)]
    coding = SimpleLocation(139, 169, -1)
    b, b2 = (([SimpleLocation(130, end, -1)], [coding]) for end in (180, 175))
    for name, gene, (exons, cds) in (("a", "A", a), ("b", "B", b), ("b2", "B", b2)):
        for kind, parts in (("mRNA", exons), ("CDS", cds)):
            location = parts[0] if len(parts) == 1 else CompoundLocation(parts)
            record.features.append(SeqFeature(location, kind, qualifiers={"gene": [gene], "transcript_id": [name]}))
    write_records([record], path, "genbank")


def write_spliced(path, examples, one_based):
    rows = []
    for name, tokens in zip(examples["id"], examples["sequence"], strict=True):
        sequence, (start, end), junctions = parse_tokens(tokens)
        joined = ",".join(str(j + one_based) for j in junctions)
        rows.append([name, sequence, start + one_based, end, joined])
    pd.DataFrame(rows, columns=["name", "sequence", "first", "last", "ej"]).to_csv(path, sep="\t", index=False)


def route(kind, folder, examples, tmp_path):
    """Input file and arguments of the command for one way of giving the mRNAs."""
    if kind == "gff":
        return folder / "genes.gff", ["--genome", folder / "genome.fa"]
    if kind == "genbank":
        write_genbank(tmp_path / "genes.gb", folder)
        return tmp_path / "genes.gb", []
    if kind.startswith("table"):
        one_based = kind.endswith("1")
        write_spliced(tmp_path / "mrna.tsv", examples, int(one_based))
        columns = ["--cds", "first", "last", "--junctions", "ej", "--id-column", "name"]
        return tmp_path / "mrna.tsv", [*columns, *(["--one-based"] if one_based else [])]
    tokens = examples[["id", "sequence"]]
    if kind == "tokens in a plain table":
        tokens.to_csv(tmp_path / "tokens.tsv", sep="\t", index=False)
        return tmp_path / "tokens.tsv", []
    if kind == "tokens by name":
        tokens = tokens.assign(sequence=tokens["sequence"].str.replace(" ", "|"))
        tokens.to_csv(tmp_path / "tokens.csv", index=False)
        return tmp_path / "tokens.csv", ["--tokens", "|"]
    assert kind == "tokens by position"
    tokens[["sequence", "id"]].to_csv(tmp_path / "tokens.txt", sep=";", index=False, header=False)
    columns = ["--id-column", "2", "--sequence-column", "1", "--separator", ";"]
    return tmp_path / "tokens.txt", [*columns, "--no-header", "--tokens", " "]


ROUTES = [
    "gff", "genbank", "table from 0", "table from 1", "tokens in a plain table", "tokens by name", "tokens by position",
]  # fmt: skip


@pytest.mark.parametrize("model", ["saluki", "cnn"])
@pytest.mark.parametrize("kind", ROUTES)
def test_files_give_what_the_dataset_gives(kind, model, folder, examples, tmp_path):
    path, arguments = route(kind, folder, examples, tmp_path)
    start = ["--model", folder / model, "--input", path, "--output", tmp_path / "out.csv", "--device", "cpu"]
    predict_command([*map(str, start + arguments)])
    found = pd.read_csv(tmp_path / "out.csv")
    assert found["id"].tolist() == ["a", "b", "b2"]
    sequences = (
        examples["sequence"] if model == "saluki" else ["".join(parse_tokens(s)[0]) for s in examples["sequence"]]
    )
    expected = predict_targets(folder / model, list(sequences), device="cpu")
    assert found["prediction"].to_numpy() == pytest.approx(expected, rel=1e-5)
    assert len(set(found["prediction"].round(5))) == 3


def test_chunks_shards_and_representative_isoforms(folder, examples, tmp_path):
    models, gff = [folder / "saluki", folder / "other"], folder / "genes.gff"
    shared = {"genome": folder / "genome.fa", "device": "cpu", "chunk_size": 1}
    predict_file(models, gff, tmp_path / "all.parquet", **shared)
    both = [predict_targets(model, list(examples["sequence"]), device="cpu") for model in models]
    whole = pq.read_table(tmp_path / "all.parquet").to_pandas()
    assert whole["prediction"].to_numpy() == pytest.approx(sum(both) / 2, rel=1e-6)
    predict_file(models, gff, tmp_path / "part.parquet", shard=(2, 2), **shared)
    part = pq.read_table(tmp_path / "part.parquet").to_pandas()
    assert part["id"].tolist() == ["b", "b2"]
    predict_file(models, gff, tmp_path / "one.parquet", reading={"isoforms": "representative"}, **shared)
    one = pq.read_table(tmp_path / "one.parquet").to_pandas()
    assert one["id"].tolist() == ["a", "b"]  # b has the longer 5'UTR


def test_scores_of_an_annotation(folder, examples, tmp_path):
    arguments = ["--model", folder / "saluki", "--input", folder / "genes.gff", "--genome", folder / "genome.fa"]
    replacements = ["--edit", "replace", "--replacements", '{"A": ["C"], "t": ["a", "g"]}']
    score_command([*map(str, [*arguments, *replacements, "--output", tmp_path / "loo.parquet", "--device", "cpu"])])
    found = pd.read_parquet(tmp_path / "loo.parquet")
    model = load_model(folder / "saluki")
    expected = leave_one_out(model, list(examples["sequence"]), "replace", {"A": ["C"], "t": ["a", "g"]}, device="cpu")
    expected = expected.to_table(examples["id"])
    assert list(found) == list(expected)
    for column in ("sequence", "token", "replacement", "start_offset"):
        assert found[column].tolist() == expected[column].tolist()
    assert found["loo"].to_numpy() == pytest.approx(expected["loo"].to_numpy(), abs=1e-5)


def test_chromosomes_by_other_names(folder, examples, tmp_path, capsys):
    text = (folder / "genes.gff").read_text()
    (tmp_path / "genes.gff").write_text(text.replace("c\t", "chrC\t"))
    (tmp_path / "more.gff").write_text(text + "d\t.\tCDS\t1\t9\t.\t+\t0\tParent=rna-d\n")
    start = ["--model", folder / "saluki", "--genome", folder / "genome.fa", "--device", "cpu", "--output"]
    for name, words in (("genes.gff", ["--chromosome-names", "synonyms"]), ("more.gff", [])):
        (tmp_path / "C.fa").write_text((folder / "genome.fa").read_text().replace(">c", ">C"))
        genome = ["--genome", tmp_path / "C.fa"] if words else []
        predict_command([*map(str, [*start, tmp_path / "o.csv", "--input", tmp_path / name, *genome, *words])])
        assert pd.read_csv(tmp_path / "o.csv")["id"].tolist() == ["a", "b", "b2"]
        said = capsys.readouterr().err
        assert ("1 transcripts are on chromosomes that" in said) == (name == "more.gff")
        (tmp_path / "o.csv").unlink()
    with pytest.raises(SystemExit):
        predict_command(
            [*map(str, [*start, tmp_path / "o.csv", "--input", tmp_path / "more.gff", "--problems", "error"])]
        )
    assert not (tmp_path / "o.csv").exists()


def test_specifiers_and_a_chosen_class_from_a_file(tmp_path):
    torch.manual_seed(0)
    layout = {"encoding": "one_hot", "tokens": ["a", "c", "G"], "separator": " ", "specifier_separator": "#"}
    classes = {"target": "class", "n_outputs": 2, "classes": ["x", "y"]}
    save_bundle(Saluki(SalukiConfig(layout=layout | {"specifiers": 1}, **SIZE, **classes)), tmp_path / "bundle")
    (tmp_path / "in.tsv").write_text("one\ta:2.5,c,G:1\ntwo\tc,a\n")
    columns = ["--no-header", "--id-column", "1", "--sequence-column", "2", "--tokens", ",", "--specifiers", ":"]
    start = ["--model", tmp_path / "bundle", "--input", tmp_path / "in.tsv", *columns, "--device", "cpu", "--output"]
    predict_command([*map(str, [*start, tmp_path / "out.parquet"])])
    found = pd.read_parquet(tmp_path / "out.parquet")
    expected = predict_targets(tmp_path / "bundle", ["a#2.5 c G#1", "c a"], device="cpu")
    assert found["prediction"].tolist()[0].tolist() == pytest.approx(expected[0], abs=1e-6)
    score = ["--edit", "replacespecifier", "--class-index", "y", "--replacements", "[]"]
    score_command([*map(str, [*start, tmp_path / "loo.csv", *score])])
    loo = pd.read_csv(tmp_path / "loo.csv")
    assert loo["token"].tolist() == ["a#2.5", "G#1"]
    assert loo["replacement"].tolist() == ["a", "G"]
    bare = leave_one_out(tmp_path / "bundle", ["a#2.5 c G#1"], "replacespecifier", [], class_index=1, device="cpu")
    assert loo["loo"].to_numpy() == pytest.approx(bare.to_table()["loo"].to_numpy(), abs=1e-5)


MISUSES = {
    "bases for a model of tokens": (["--input", "genome.fa"], "no token that the model knows"),
    "annotation without genome": (["--input", "genes.gff"], "--genome"),
    "another genome": (["--input", "genes.gff", "--genome", "other.fa"], "none of which is in"),
    "broken annotation": (["--input", "genes.gff", "--genome", "genome.fa", "--problems", "error"], "'broken'"),
    "tokens of FASTA": (["--input", "genome.fa", "--tokens", " "], "tokens means nothing"),
    "tokens of mRNAs": (["--input", "labels.tsv", "--tokens", " ", "--cds", "a", "b"], "tokens means nothing"),
    "no such column": (["--input", "labels.tsv", "--cds", "a", "b"], "'sequence'"),
    "no such position": (["--input", "labels.tsv", "--sequence-column", "7"], "columns are 1 to 2"),
    "no such format": (["--input", "genes.gff", "--format", "genbank"], "no GenBank record"),
    "tracks of mRNAs": (
        ["--input", "genes.gff", "--genome", "genome.fa", "--output", "o.bw"],
        "no windows of a genome",
    ),
}


@pytest.mark.parametrize("misuse", MISUSES)
def test_misuse_is_one_line(misuse, folder, examples, capsys, monkeypatch):
    monkeypatch.chdir(folder)
    (folder / "other.fa").write_text(">d\nACGT\n")
    arguments, words = MISUSES[misuse]
    with pytest.raises(SystemExit) as end:
        predict_command(["--model", "saluki", "--device", "cpu", "--output", "o.csv", *arguments])
    assert end.value.code == 1
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("seqlm:")]
    assert len(lines) == 1
    assert words in lines[0]
    assert not (folder / "o.csv").exists()
