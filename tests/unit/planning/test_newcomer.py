"""From a newcomer's files to a first study: what is seen, what is chosen, and one line for what cannot be used."""

import gzip

import numpy as np
import pytest
import yaml

from seqlm.common.errors import InputError
from seqlm.planning.jobs import study_jobs
from seqlm.planning.newcomer import new_study
from seqlm.study import Study, load_schema

NO_GENOME = "no language model: there is no FASTA"


def bases(rng, length):
    return "".join(rng.choice(list("ACGT"), length))


@pytest.fixture
def files(tmp_path):
    """Writes a newcomer's files; FASTA of 60 sequences, tables of labels, a genome packed by plain gzip, peaks."""
    rng = np.random.default_rng(0)
    texts = {f"e{i}": bases(rng, 60 + i % 5) for i in range(60)}
    genome = {f"chr{i}": bases(rng, 3000) for i in range(1, 7)}
    (tmp_path / "x.fa").write_text("".join(f">{name} enhancer\n{text}\n" for name, text in texts.items()))
    genes = gzip.compress("".join(f">{name}\n{text.lower()}\n" for name, text in genome.items()).encode())
    (tmp_path / "genome.fa.gz").write_bytes(genes)
    numbers = [f"{name},{i / 7:.3f}" if i else f"{name},NA" for i, name in enumerate(texts)]
    (tmp_path / "numbers.csv").write_text("\n".join(["probe,log2_activity", *numbers]))
    classes = [f"{name}\t{'gut' if i % 3 else 'brain'}\tx" for i, name in enumerate(texts)]
    (tmp_path / "classes.tsv").write_text("\n".join(["name\ttissue\tnote", *classes]))
    peaks = [
        f"{chrom}\t{at}\t{at + 200 + at % 7}\tp\t5\t.\t{at / 99}" for chrom in genome for at in range(100, 2500, 300)
    ]
    (tmp_path / "p.narrowPeak").write_text("\n".join(peaks))
    rows = [f"{bases(rng, 90)}\t{'train' if i < 30 else 'test'}\t{i % 2}\tg{i}" for i in range(40)]
    (tmp_path / "split.tsv").write_text("\n".join(["seq\tset\tlabel\tgene", *rows]))
    mrnas = [
        f"t{i}\tg{i % 20}\t{'A' * (i % 4)}ATG{bases(rng, 93)}TAA\t{i % 4}\t{99 + i % 4}\t{i / 3}" for i in range(40)
    ]
    (tmp_path / "mrna.tsv").write_text("\n".join(["transcript\tgene\tmrna\tcds_start\tcds_end\thalf_life", *mrnas]))
    return tmp_path


@pytest.fixture
def written(files, root, capsys):
    """Writes a study; returns it checked, its text, and what was printed."""

    def make(*names, output="my_study.yaml", **options):
        given = [files / name for name in names]
        options = {key: files / value if key == "genome" else value for key, value in options.items()}
        new_study(*given, output=files / output, measured=False, **options)
        text = (files / output).read_text()
        study = Study(yaml.safe_load(text), load_schema(root / "workflow/schemas/config.schema.yaml"))
        return study, text, capsys.readouterr().out

    return make


def test_fasta_and_numbers(written):
    study, text, said = written("x.fa", "numbers.csv")
    about = study["datasets"]["log2_activity"]
    assert about["target"] == "scalar"
    assert about["records"]["id"] == "probe" and about["records"]["missing"] == "drop"
    assert (about["folds"]["scheme"], about["folds"]["group"]) == ("kfold", "cluster")
    assert study["runs"]["log2_activity"]["models"] == ["kmer", "cnn", "dilated", "gpt", "untrained"]
    assert study["backbones"]["gpt"]["corpus"] == ["sequences"] and study["backbones"]["untrained"]["steps"] == 0
    assert study["backbones"]["gpt"]["block"] >= 64  # reads the longest sequence whole
    assert "59 examples that can be used, of 60 to 64 bases" in said and "1 of them missing" in said
    assert "make study CONFIG=" in said
    # Every choice has its reason beside it.
    assert "# 59 examples are few: each is tested once; similar sequences never straddle training and test" in text


def test_fasta_and_classes_with_a_genome_to_learn_from(written):
    study, _, said = written("x.fa", "classes.tsv", genome="genome.fa.gz", label="tissue")
    assert study["datasets"]["tissue"]["target"] == "class"
    assert study["backbones"]["gpt"]["corpus"] == ["genome"]
    assert "2 classes: gut 67%, brain 33%" in said


def test_peaks_and_a_genome(written):
    """UCSC's genomes are packed by plain gzip; soft-masked letters count."""
    study, text, said = written("p.narrowPeak", genome="genome.fa.gz")
    about = study["datasets"]["regions"]
    assert 200 <= about["regions"]["length"] <= 206 and "label" not in about["regions"]
    assert about["folds"]["group"] == "chromosome"
    assert "region 50%, background 50%" in said and "48 regions" in said
    study, _, _ = written("p.narrowPeak", genome="genome.fa.gz", label="7", output="signal.yaml")
    assert study["datasets"]["regions"]["target"] == "scalar" and study["datasets"]["regions"]["regions"]["label"] == 7


def test_a_table_with_a_split(written):
    study, text, said = written("split.tsv")
    about = study["datasets"]["label"]
    assert about["target"] == "class" and about["folds"]["scheme"] == "split"
    assert (
        about["table"]["sequence"] == "seq" and about["table"]["split"] == "set" and about["table"]["group"] == "gene"
    )
    assert study["runs"]["label"]["models"] == ["kmer", "cnn", "dilated"] and NO_GENOME in said and NO_GENOME in text


def test_a_table_of_mrnas(written):
    study, _, _ = written("mrna.tsv")
    about = study["datasets"]["half_life"]
    wanted = {"sequence": "mrna", "cds": ["cds_start", "cds_end"], "id": "transcript", "gene": "gene"}
    assert {key: about["transcripts"][key] for key in wanted} == wanted
    assert about["folds"]["group"] == "group"
    assert study["runs"]["half_life"]["models"] == ["linear", "saluki", "both"]
    assert study["models"]["saluki"]["length"] >= 102


def long_table(files, kind):
    """A table with enough bases to learn a language from."""
    rng = np.random.default_rng(1)
    if kind == "table":
        rows = [f"{bases(rng, 400)}\t{i / 3:.2f}" for i in range(400)]
        (files / "long.tsv").write_text("\n".join(["sequence\tactivity", *rows]))
    else:
        rows = [f"g{i}\t{'A' * 100}ATG{bases(rng, 294)}TAA\t100\t400\t{i / 3:.2f}" for i in range(400)]
        (files / "long.tsv").write_text("\n".join(["gene\tmrna\tcds_start\tcds_end\thalf_life", *rows]))
    return "long.tsv"


@pytest.mark.parametrize(
    ("kind", "models"), [("table", ["kmer", "cnn", "dilated"]), ("mrna", ["linear", "saluki", "both"])]
)
def test_a_table_alone_is_text_to_learn_from_but_its_training_part_only(files, written, kind, models):
    study, text, said = written(long_table(files, kind))
    (dataset,) = study["runs"]
    backbone = study["backbones"]["gpt"]
    assert backbone["corpus_of"] == dataset and not backbone["corpus"] and backbone["steps"] == 200
    assert study["backbones"]["untrained"]["steps"] == 0
    assert study["datasets"][dataset]["folds"]["scheme"] == "ratio" and len(study["seeds"]) == 3
    assert set(models) | {"gpt", "untrained"} == set(study["runs"][dataset]["models"])
    assert "the language model learns from the training part" in said and "the training part alone" in text
    assert {"write_training_text", "pretrain_backbone"} <= {job.rule for job in study_jobs(study)}


def test_copies_and_variants_are_noticed(files, written):
    one = "ACGTTGCAAGCTTACGGATCCATTGCAGGCTAAATTTCGCGGCATTAGCA"
    texts = [one] * 3 + [one[:i] + "T" + one[i + 1 :] for i in range(2, 40, 2)]
    (files / "x.fa").write_text("".join(f">e{i}\n{text}\n" for i, text in enumerate(texts)))
    study, text, said = written("x.fa", "numbers.csv")
    assert study["datasets"]["log2_activity"]["duplicates"] == "drop" and "are copies of others" in said
    assert "group" not in yaml.safe_load(text)["datasets"]["log2_activity"]["folds"]
    assert "cannot be kept apart" in said


def test_nothing_is_overwritten(files, written):
    (files / "mine.yaml").write_text("mine")
    with pytest.raises(InputError, match="is there already; name another file"):
        written("x.fa", "numbers.csv", output="mine.yaml")
    assert (files / "mine.yaml").read_text() == "mine"


@pytest.mark.parametrize(
    ("change", "names", "options", "said"),
    [
        ({}, ["none.fa"], {}, "none.fa: there is no such file"),
        ({"x.fa": ""}, ["x.fa", "numbers.csv"], {}, "x.fa: the file is empty"),
        ({"x.docx": "a"}, ["x.docx"], {}, "names no known format"),
        ({}, ["x.fa"], {}, "holds sequences but no labels; give a table of labels too: LABELS="),
        ({}, ["p.narrowPeak"], {}, "needs the genome it refers to; give it: GENOME="),
        ({}, ["x.fa", "mrna.tsv"], {}, "none of its ids is in"),
        ({"l.tsv": "id\ta\tb\ne0\t1\t2\n"}, ["x.fa", "l.tsv"], {}, "could be the label: a, b; say which"),
        ({}, ["x.fa", "classes.tsv"], {"label": "nothing"}, "has no column 'nothing' .label.; its columns"),
        ({"l.tsv": "id\tl\ne0\t2.5\ne1\t2.5\n"}, ["x.fa", "l.tsv"], {}, "l.tsv, column 'l': every label is 2.5"),
        ({"l.tsv": "id\tl\ne0\ta\ne1\ta\n"}, ["x.fa", "l.tsv"], {}, "l.tsv, column 'l': the only class is 'a'"),
        ({"l.tsv": "id\tl\ne0\ta\ne1\ta\ne2\tb\n"}, ["x.fa", "l.tsv"], {}, "class 'b' has one example"),
        ({"x.fa": ">e0\nACGTACGT\n>e1\nACGTACGT\n"}, ["x.fa", "numbers.csv"], {}, "all its sequences are the same"),
        ({"x.fa": "ACGT\n"}, ["x.fa", "numbers.csv"], {}, "no FASTA header"),
        ({"l.tsv": "id\tl\n"}, ["x.fa", "l.tsv"], {}, "has a header but no rows"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_one_line_and_nothing_is_written(files, written, change, names, options, said):
    for name, text in change.items():
        if name == "x.fa" and ">" in text:
            (files / "numbers.csv").write_text("id,l\ne0,1.5\ne1,2.5\n")
        (files / name).write_text(text)
    with pytest.raises(InputError, match=said) as error:
        written(*names, **options)
    assert "\n" not in str(error.value) and not (files / "my_study.yaml").exists()
