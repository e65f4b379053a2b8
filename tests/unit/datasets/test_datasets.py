"""Datasets: what comes out is what lies in the files, and every kind of bad input is one clear line."""

import gzip
import hashlib
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import prepare_dataset
import split_folds
from seqlm.common.errors import InputError
from seqlm.datasets import build_dataset, load_dataset, write_dataset
from seqlm.datasets.separation.folds import make_folds
from seqlm.sequences import read_fasta
from seqlm.sequences.motifs import motif_runs, motif_scanner

RESOURCES = Path(__file__).parents[3] / "resources"
MATRIX = str(RESOURCES / "motifs" / "MA0446.1.jaspar")
CONSENSUS = "TGTTTGCTTAA"
CDS = {name: RESOURCES / "demo" / "cds" / f"{name}.fa.gz" for name in ("scer", "ecoli", "dmel")}


def random_dna(length, seed):
    return "".join(np.random.default_rng(seed).choice(list("ACGT"), length))


def write(path, text):
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def build(config, sources, seed=0):
    return build_dataset("mine", config, sources, seed)


# windows with motif labels


@pytest.fixture
def genome(tmp_path):
    """Two chromosomes of 6,000 bases with the consensus at every 500th base of the first."""
    first = list(random_dna(6000, 0))
    for start in range(100, 6000, 500):
        first[start : start + 11] = CONSENSUS
    second = "N" * 2000 + random_dna(4000, 1).lower()
    return write(tmp_path / "genome.fa", f">chr1\n{''.join(first)}\n>chr2\n{second}\n")


def track_config(**windows):
    return {
        "target": "track",
        "windows": {"source": "g", "length": 200, "max_n_fraction": 0.1, **windows},
        "label": {"motif": MATRIX, "p_value": 1e-4},
    }


def test_motif_windows_are_stretches_of_the_genome_with_their_own_scan(genome):
    examples, summary = build(track_config(), {"g": genome})
    chromosomes = {record.id: record.sequence.upper() for record in read_fasta(genome)}
    scanner = motif_scanner(MATRIX, p_value=1e-4)
    assert len(examples) == 30 + 20 and examples["id"].is_unique
    for row in examples.itertuples():
        assert row.sequence == chromosomes[row.chrom][row.start : row.end]
        np.testing.assert_array_equal(row.target, scanner.track(row.sequence))
    with_motif = sum(bool(motif_runs(track)) for track in examples["target"])
    assert summary["label"]["with_motif"] == with_motif >= 12
    assert summary["label"]["threshold"] == pytest.approx(scanner.threshold)
    assert summary["cleaning"] == {"too_many_n": 10}
    assert summary["length"] == {"min": 200, "max": 200} and summary["examples"] == 50


def test_subsamples_follow_the_seed_and_balance_is_exact(genome):
    draw = [build(track_config(subsample=20), {"g": genome}, seed)[0]["id"].tolist() for seed in (1, 1, 2)]
    assert draw[0] == draw[1] != draw[2] and len(set(draw[0])) == 20
    _, summary = build(track_config(subsample=20, with_motif=0.25), {"g": genome})
    assert summary["label"]["with_motif"] == 5


# windows of classes


def class_config(**windows):
    return {"target": "class", "windows": {"sources": {"yeast": "scer", "bacteria": "ecoli"}, "length": 60, **windows}}


def test_class_windows_lie_in_their_records_and_never_overlap():
    examples, summary = build(class_config(per_class=300), CDS, seed=42)
    assert summary["classes"] == ["bacteria", "yeast"]
    assert summary["label"]["count"] == {"yeast": 300, "bacteria": 300}
    for name, source in (("yeast", "scer"), ("bacteria", "ecoli")):
        records = {record.id: record for record in read_fasta(CDS[source])}
        mine = examples[examples["target"] == name]
        for row in mine.itertuples():
            assert row.sequence == records[row.chrom].sequence[row.start : row.end]
            assert row.group == f"{name}:{records[row.chrom].description.split()[0].removeprefix('gene=')}"
        assert not mine.duplicated(["chrom", "start"]).any() and (mine["start"] % 60 == 0).all()
        assert mine["start"].max() > 600


def test_one_isoform_of_each_gene_and_all_windows_where_there_are_few(tmp_path):
    body = random_dna(300, 1)
    isoforms = write(
        tmp_path / "a.fa", f">a1 gene=x\n{body[:200]}\n>a2 gene=x\n{body}\n>a3 gene:y\n{random_dna(130, 2)}\n"
    )
    plain = write(tmp_path / "b.fa", f">b1\n{random_dna(125, 3)}\n>b2\n{random_dna(70, 4)}\n")
    config = {"target": "class", "windows": {"sources": {"a": "a", "b": "b"}, "length": 60, "per_class": 50}}
    examples, summary = build(config, {"a": isoforms, "b": plain})
    assert examples["chrom"].value_counts().to_dict() == {"a2": 5, "a3": 2, "b1": 2, "b2": 1}
    assert set(examples["group"]) == {"a:x", "a:y", "b:b1", "b:b2"}
    assert summary["cleaning"] == {"a_isoforms": 1}


def test_training_genes_give_more_windows_and_no_other_gene_does(tmp_path):
    config = class_config(per_class=100, train_step=15)
    examples, summary = build(config, CDS, seed=1)
    drawn = build(class_config(per_class=100), CDS, seed=1)[0]
    tested = examples[~examples["training_only"]]
    assert summary["label"]["count"] == {"yeast": 100, "bacteria": 100}
    assert summary["label"]["training_only"] == len(examples) - 200 == summary["examples"] - 200
    assert tested["id"].tolist() == drawn["id"].tolist() and (tested["weight"] == 1).all()
    write_dataset(tmp_path, examples, summary)
    folds = make_folds(load_dataset(tmp_path).examples, "ratio", train=50, validation=10, test=40, seed=2)
    plain = make_folds(drawn, "ratio", train=50, validation=10, test=40, seed=2)
    of_drawn = folds[folds["id"].isin(drawn["id"])]
    assert of_drawn.merge(plain, on="id").eval("part_x == part_y").all() and len(of_drawn) == len(plain)
    part = examples.merge(folds, on="id")
    assert set(part.loc[part["training_only"], "part"]) == {"train"}
    genes = {name: set(own["group"]) for name, own in part.groupby("part")}
    assert not genes["train"] & (genes["validation"] | genes["test"])
    # Every window of a training gene that starts at a multiple of 15 is there once, and weights make up for long genes.
    for name, source in (("yeast", "scer"), ("bacteria", "ecoli")):
        records = {record.id: record.sequence for record in read_fasta(CDS[source])}
        train = part[(part["part"] == "train") & (part["target"] == name)]
        expected = {(c, s) for c in train["chrom"] for s in range(0, len(records[c]) - 59, 15)}
        assert sorted(zip(train["chrom"], train["start"], strict=True)) == sorted(expected)
        assert all(row.sequence == records[row.chrom][row.start : row.end] for row in train.itertuples())
    more = examples[examples["training_only"]]
    assert more["weight"].mean() == pytest.approx(1, rel=1e-4)
    assert more.groupby("target")["weight"].sum().nunique() == 1 or np.ptp(more.groupby("target")["weight"].sum()) < 1


def test_further_windows_are_of_the_same_molecule(tmp_path):
    """With policy error, U was an error in the further windows of an RNA task."""
    rna = {name: random_dna(240, seed).replace("T", "U") for seed, name in enumerate("ab")}
    sources = {name: write(tmp_path / f"{name}.fa", f">{name}\n{letters}\n") for name, letters in rna.items()}
    windows = {"sources": {"a": "a", "b": "b"}, "length": 60, "train_step": 30}
    config = {"target": "class", "windows": windows, "cleaning": {"policy": "error", "molecule": "rna"}}
    examples = build(config, sources)[0]
    assert examples["training_only"].value_counts().to_dict() == {False: 8, True: 6}


def test_windows_obey_the_cleaning_policy(tmp_path):
    body = random_dna(240, 1)
    odd = body[:70] + "R" + body[71:130] + "X" + body[131:]
    sources = {"a": write(tmp_path / "a.fa", f">a\n{odd}\n"), "b": write(tmp_path / "b.fa", f">b\n{body}\n")}
    config = {"target": "class", "windows": {"sources": {"a": "a", "b": "b"}, "length": 60}}
    examples, summary = build(config | {"cleaning": {"policy": "N"}}, sources)
    spelled = body[:70] + "N" + body[71:130] + "N" + body[131:]
    assert "".join(examples.loc[examples["target"] == "a", "sequence"]) == spelled
    assert summary["cleaning"] == {"a_invalid_characters": 2}
    examples, summary = build(config | {"cleaning": {"policy": "drop"}}, sources)
    assert examples.loc[examples["target"] == "a", "sequence"].tolist() == [body[:60], body[180:]]
    assert summary["cleaning"] == {"a_invalid_characters": 2, "a_windows_dropped": 2}
    with pytest.raises(InputError, match="a.fa, record 'a', position 71: 'R' is not a base"):
        build(config | {"cleaning": {"policy": "error"}}, sources)
    rna = {"a": write(tmp_path / "u.fa", f">a\n{body.replace('T', 'U')}\n"), "b": sources["b"]}
    assert set("".join(build(config, rna)[0]["sequence"])) == set("ACGT")
    with pytest.raises(InputError, match="'U' is not a base"):
        build(config | {"cleaning": {"policy": "error", "molecule": "dna"}}, rna)


# DNA-LLM's two files


def two_files(folder, count=6, length=40, order=None):
    """A pair of files, and the scores (windows, bases) in the order of the sequences."""
    names = [f"chr22_{start}_{start + length - 1}" for start in range(1000, 1000 + count * length, length)]
    scores = np.zeros((count, length), np.float32)
    scores[:, 5:16] = np.arange(1, count + 1)[:, None] + 0.25
    rows = [f"{random_dna(length, i)}\t{name}" for i, name in enumerate(names)]
    sequences = write(folder / "s_sequences.txt.gz", "\n".join(["sequence\twindow_name", *rows]) + "\n")
    columns = list(range(count)) if order is None else order
    lines = [
        "\t".join(names[c] for c in columns),
        *("\t".join(str(scores[c, b]) for c in columns) for b in range(length)),
    ]
    return sequences, write(folder / "s_scores.txt.gz", "\n".join(lines) + "\n"), scores


TWO_FILES = {"target": "track", "table": {"format": "dna-llm", "sequences": "s", "scores": "c"}}


def test_dna_llm_files_are_matched_by_name(tmp_path):
    sequences, scores, expected = two_files(tmp_path, order=[3, 0, 5, 1, 4, 2])
    examples, summary = build(TWO_FILES, {"s": sequences, "c": scores})
    np.testing.assert_array_equal(np.stack(examples["target"]), expected)
    assert examples["sequence"].tolist() == [random_dna(40, i) for i in range(6)]
    assert examples[["chrom", "start", "end"]].values.tolist()[1] == ["chr22", 1040, 1080]
    assert summary["label"]["nonzero_bases"] == 66


def damage(change):
    """A test case that changes the text of the scores (or of both files) before they are read."""

    def make(folder):
        sequences, scores, _ = two_files(folder)
        texts = {path: gzip.decompress(path.read_bytes()).decode() for path in (sequences, scores)}
        changed = change(*texts.values())
        for path, text in zip(texts, changed, strict=True):
            write(path, text)
        return sequences, scores

    return make


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s, c: (s, c.rsplit("\n", 3)[0] + "\n"), r"has 38 rows, but window 'chr22_1000_1039' has 40 bases"),
        (lambda s, c: (s, c[: len(c) - 9]), r"line 41: has \d scores for 6 windows"),
        (lambda s, c: (s, c.replace("2.25", "high", 1)), r"line 7: score 'high' of window 'chr22_1040_1079'"),
        (lambda s, c: (s, c.replace("2.25", "nan", 1)), r"line 7: score 'nan' of window 'chr22_1040_1079'"),
        (lambda s, c: (s, c.replace("chr22_1040_1079", "chr22_1000_1039", 1)), r"'chr22_1000_1039' is there twice"),
        (lambda s, c: (s, c.replace("chr22_1040_1079", "chrX_1_40", 1)), r"no scores for window 'chr22_1040_1079' \(1"),
        (lambda s, c: (s.replace("chr22_1040_1079", "chr22_1000_1039"), c), r"is also in line 2"),
        (lambda s, c: (s.replace("window_name", "name"), c), r"no column 'window_name'.*columns are sequence, name"),
        (lambda s, c: (s, c.split("\n", 1)[0] + "\n"), r"header but no scores"),
        (lambda s, c: (s, ""), r"the first line is empty"),
    ],
)
def test_dna_llm_files_that_cannot_be_used(tmp_path, change, message):
    sequences, scores = damage(change)(tmp_path)
    with pytest.raises(InputError, match=message) as caught:
        build(TWO_FILES, {"s": sequences, "c": scores})
    assert "\n" not in str(caught.value)


def test_a_truncated_gzip_file_and_a_missing_one(tmp_path):
    sequences, scores, _ = two_files(tmp_path)
    scores.write_bytes(scores.read_bytes()[:-20])
    with pytest.raises(InputError, match="truncated"):
        build(TWO_FILES, {"s": sequences, "c": scores})
    with pytest.raises(InputError, match="no such file"):
        build(TWO_FILES, {"s": sequences, "c": tmp_path / "nowhere.txt.gz"})


# tables and records


def table_config(target="scalar", cleaning=None, **table):
    return {"target": target, "table": {"source": "t", **table}, "cleaning": cleaning or {}}


def test_table_with_every_column(tmp_path):
    text = "name,seq,y,quality,gene,where\nx1,acgtn,1.5,GOOD,g1,a\nx2,ACGUR,-2,0.5,g1,b\nx3,AAAA,0,STRONG,g2,b\n"
    path = write(tmp_path / "t.txt", text)
    columns = {"id": "name", "sequence": "seq", "label": "y", "weight": "quality", "group": "gene", "split": "where"}
    examples, summary = build(table_config(**columns), {"t": path})
    assert examples["sequence"].tolist() == ["ACGTN", "ACGTN", "AAAA"]
    assert examples["target"].tolist() == [1.5, -2, 0] and examples["weight"].tolist() == [0.75, 0.5, 1]
    assert examples["group"].tolist() == ["g1", "g1", "g2"] and examples["split"].tolist() == ["a", "b", "b"]
    assert summary["cleaning"] == {"lower_case": 5, "unknown": 1, "ambiguous": 1, "converted": 1}
    assert summary["groups"] == 2 and summary["length"] == {"min": 4, "max": 5}


def test_one_source_per_split(tmp_path):
    files = {name: write(tmp_path / f"{name}.tsv", f"sequence\tlabel\nACGT{b}\t0\nCCC{b}\t1\n") for name, b in
             (("train", "A"), ("dev", "C"), ("test", "G"))}  # fmt: skip
    config = {"target": "class", "table": {"sources": {name: name for name in files}}}
    examples, _ = build(config, files)
    assert examples["split"].value_counts().to_dict() == {"train": 2, "dev": 2, "test": 2}
    assert examples["id"].is_unique


def test_atomic_tokens_are_kept_as_they_are(tmp_path):
    path = write(tmp_path / "t.tsv", "A,c#0.5,gej\t1\nt,t\t2\n")
    config = table_config(header=False, sequence=1, label=2, tokens=",", specifiers="#")
    examples, summary = build(config, {"t": path})
    assert examples["sequence"].tolist() == ["A c#0.5 gej", "t t"]
    assert summary["length"] == {"min": 2, "max": 3}


def test_unlabelled_and_odd_lengths_are_left_out_only_when_asked(tmp_path):
    path = write(tmp_path / "t.tsv", "sequence\tlabel\nACGT\t1\nACGA\tNA\nA\t2\nACGTACGTACGT\t3\nACCC\t4\n")
    with pytest.raises(InputError, match="example '2': has no label"):
        build(table_config(), {"t": path})
    examples, summary = build(table_config(missing="drop", cleaning={"min_length": 2, "max_length": 10}), {"t": path})
    assert examples["target"].tolist() == [1, 4]
    assert summary["cleaning"] == {"unlabelled": 1, "too_short": 1, "too_long": 1}


def test_rna_is_written_with_t(tmp_path):
    path = write(tmp_path / "t.tsv", "sequence\tlabel\nACGU\t1\nUUUA\t2\n")
    examples, summary = build(table_config(cleaning={"molecule": "rna", "policy": "error"}), {"t": path})
    assert examples["sequence"].tolist() == ["ACGT", "TTTA"] and summary["cleaning"] == {}


@pytest.mark.parametrize(
    ("text", "settings", "message"),
    [
        ("", {}, "empty"),
        ("sequence\tlabel\n", {}, "holds no examples"),
        ("sequence\tlabel\nACGT\t1\n", {"label": "score"}, "no column 'score'.*its columns are sequence, label"),
        ("sequence\tlabel\nACGT\t1\n", {"label": 3}, "column 3 is not there; columns are 1 to 2"),
        ("id\tsequence\tlabel\na\tAC\t1\na\tAG\t2\n", {"id": "id"}, "line 3: id 'a' is also in line 2"),
        ("sequence\tlabel\nACGT\t1\nACGT\n", {}, "line 3: has 1 fields"),
        ("sequence\tlabel\n\t1\n", {}, "line 2: the sequence is empty"),
        ("sequence\tlabel\nACGT\thigh\n", {}, "line 2: label 'high' is not a number"),
        ("sequence\tlabel\nACGT\tNA\nACG\t\n", {}, "no example has a label"),
        ("sequence\tlabel\nACGT\tinf\nACG\t1\n", {}, "not a number|infinite"),
        ("sequence\tlabel\nACGT\t1\nACG\t1\n", {}, "every label is 1"),
        ("sequence\tlabel\nACGT\tp\nACG\tp\n", {"target": "class"}, "the only class is 'p'"),
        ("sequence\tlabel\nAC\tp\nACG\tq\nAA\tp\n", {"target": "class"}, "class 'q' has one example"),
        ("sequence\tlabel\nACGU\t1\n", {"cleaning": {"policy": "error"}}, "has U but the molecule is dna"),
        ("sequence\tlabel\nACRT\t1\n", {"cleaning": {"policy": "error"}}, "position 3: 'R' is an ambiguity code"),
        ("sequence\tlabel\nAC!T\t1\n", {"cleaning": {"policy": "drop"}}, "no examples are left"),
        ("sequence\tlabel\nACGT\t1\n", {"cleaning": {"min_length": 9}}, "no examples are left"),
        ("sequence\tlabel\tw\nACGT\t1\tgreat\n", {"weight": "w"}, "weight 'great'"),
        ("sequence\tlabel\nACGT\t1\n", {"target": "track"}, "set target: scalar or class"),
    ],
)  # fmt: skip
def test_tables_that_cannot_be_used_are_one_line_errors(tmp_path, text, settings, message):
    path = write(tmp_path / "t.tsv", text)
    with pytest.raises(InputError, match=message) as caught:
        build(table_config(**settings), {"t": path})
    assert "\n" not in str(caught.value)


RECORDS = {"target": "scalar", "records": {"source": "f", "labels": "l"}}


def test_records_named_by_their_place_keep_it(tmp_path):
    """As bedtools getfasta names them: so folds can go by chromosome. Half the records named so are none."""
    (tmp_path / "l").write_text("id\tlabel\nchr2:100-104\t1\nchrX:7-11(-)\t2\n")
    (tmp_path / "f").write_text(">chr2:100-104\nACGT\n>chrX:7-11(-)\nACGA\n")
    examples, _ = build_dataset("x", RECORDS, {"f": tmp_path / "f", "l": tmp_path / "l"})
    rows = examples[["chrom", "start", "end", "strand"]].to_numpy().tolist()
    assert rows == [["chr2", 100, 104, "+"], ["chrX", 7, 11, "-"]]
    (tmp_path / "f").write_text(">chr2:100-104\nACGT\n>chrX:7-11(-)\nACGACGACG\n")
    examples, _ = build_dataset("x", RECORDS, {"f": tmp_path / "f", "l": tmp_path / "l"})
    assert "chrom" not in examples


def test_records_and_labels_are_joined_by_id(tmp_path):
    fasta = write(tmp_path / "f.fa", ">b some text\nACGT\nAC\n>a\nGGGR\n")
    labels = write(tmp_path / "l.csv", "id,label\na,1\nz,9\nb,2\n")
    examples, summary = build(RECORDS, {"f": fasta, "l": labels})
    assert examples[["id", "sequence", "target"]].values.tolist() == [["b", "ACGTAC", 2], ["a", "GGGN", 1]]
    assert summary["cleaning"] == {"labels_without_sequence": 1, "ambiguous": 1}


@pytest.mark.parametrize(
    ("fasta", "labels", "message"),
    [
        (">a\nACGT\n>b\nAC\n", "id\tlabel\na\t1\n", "example 'b': has no label"),
        (">a\nACGT\n", "id\tlabel\nx\t1\n", "none of its ids .* like 'x', those of the records like 'a'"),
        (">a\nACGT\n>a\nAC\n", "id\tlabel\na\t1\n", "'a' is there twice"),
        (">a\n>b\nAC\n", "id\tlabel\na\t1\n", "record 'a': has no sequence"),
        ("ACGT\n", "id\tlabel\na\t1\n", "no FASTA header"),
        (">a\nACGT\n", "name\tlabel\na\t1\n", r"no column 'id' \(id\); its columns are name, label"),
    ],
)
def test_records_that_cannot_be_used_are_one_line_errors(tmp_path, fasta, labels, message):
    sources = {"f": write(tmp_path / "f.fa", fasta), "l": write(tmp_path / "l.tsv", labels)}
    with pytest.raises(InputError, match=message) as caught:
        build(RECORDS, sources)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"target": "track"}, "says nothing about its examples; give exactly one of: windows, table"),
        ({"target": "track", "windows": {"source": "g"}}, "windows of one source have no label"),
        ({**track_config(), "target": "class"}, "a motif scan gives a track"),
        ({**class_config(), "target": "track"}, "windows of several sources are classes"),
        (track_config(length=7), r"shorter than the motif \(11\)"),
        (track_config(length=9000), "no window of 9000 bases"),
        (track_config(with_motif=0.5), "give subsample too"),
        (track_config(with_motif=1.0, subsample=49), "49 windows with a motif are wanted"),
        ({"target": "scalar", "table": {"label": "y"}}, "give source: <name of a source>"),
    ],
)
def test_settings_that_do_not_fit_together(genome, config, message):
    with pytest.raises(InputError, match=message):
        build(config, {"g": genome, **CDS})


# transcripts


def test_mrna_of_a_genome_carries_frame_junctions_gene_and_codon_adaptation():
    demo = RESOURCES / "demo"
    sources = {"yeast": demo / "scer_chrI.fa.gz", "genes": demo / "scer_chrI.gff.gz"}
    config = {"target": "scalar", "transcripts": {"genome": "yeast", "annotation": "genes"}}
    examples, summary = build(config, sources)
    assert len(examples) == 94 and summary["groups"] == 94
    assert examples["target"].between(0, 1).all()
    pau8 = examples[examples["group"] == "yeast:YAL068C"]
    assert len(pau8) == 1 and "A t g G t c A a a" in pau8["sequence"].iloc[0]
    with pytest.raises(InputError, match="1 genomes and 0 annotations"):
        build({"target": "scalar", "transcripts": {"genome": "yeast"}}, sources)


def test_mrna_of_a_table_takes_its_labels(tmp_path):
    text = "name,gene,seq,from,to,junctions,y\nt1,g,GGATGAAATGA,2,11,5,1.5\nt2,h,ATGTAACC,0,6,,2.5\n"
    path = write(tmp_path / "t.csv", text)
    columns = {"id": "name", "gene": "gene", "sequence": "seq", "cds": ["from", "to"], "junctions": "junctions"}
    config = {"target": "scalar", "transcripts": {"source": "t", "label": "y", **columns}}
    examples, _ = build(config, {"t": path})
    assert examples["sequence"].tolist() == ["g g A t g AEJ a a T g a", "A t g T a a c c"]
    assert examples["target"].tolist() == [1.5, 2.5] and examples["group"].tolist() == ["g", "h"]


def test_one_isoform_a_gene_of_a_table(tmp_path):
    text = "name,gene,seq,from,to,y\nt1,g,GGATGTGA,2,8,1\nt2,g,ATGAAATGA,0,9,2\nt3,h,ATGTAACC,0,6,3\n"
    columns = {"id": "name", "gene": "gene", "sequence": "seq", "cds": ["from", "to"], "isoforms": "representative"}
    config = {"target": "scalar", "transcripts": {"source": "t", "label": "y", **columns}}
    examples, summary = build(config, {"t": write(tmp_path / "t.csv", text)})
    assert examples["id"].tolist() == ["t2", "t3"]  # the longer CDS
    assert examples["target"].tolist() == [2, 3]
    assert summary["cleaning"]["representative"] == 2


def test_labels_of_an_mrna_table_stay_in_their_rows(tmp_path):
    """Blank rows, a separator at the end of data rows, no column of ids: the label is that of the row."""
    rows = ["ATGTAA,0,6,1", ",,,", "ATGAAATAA,0,9,", "", "ATGCCCTAA,0,9,3", " ,,,", "ATGGGGTAA,0,9,4"]
    columns = {"sequence": "seq", "cds": ["from", "to"], "missing": "drop"}
    config = {"target": "scalar", "transcripts": {"source": "t", "label": "y", **columns}}
    for end in ("", ","):
        text = "seq,from,to,y\n" + "".join(row + end * bool(row) + "\n" for row in rows)
        examples, summary = build(config, {"t": write(tmp_path / f"t{len(end)}.csv", text)})
        bases = examples["sequence"].str.replace(" ", "").str.upper()
        assert dict(zip(bases, examples["target"], strict=True)) == {"ATGTAA": 1, "ATGCCCTAA": 3, "ATGGGGTAA": 4}
        assert summary["cleaning"]["unlabelled"] == 1


def test_an_mrna_that_is_dropped_takes_its_own_label_with_it(tmp_path):
    text = "seq,from,to,y\nATGTAA,0,6,1\nATGTAA,0,7,2\nATGCCCTAA,0,9,3\n"  # the second CDS is longer than its mRNA
    columns = {"sequence": "seq", "cds": ["from", "to"]}
    config = {"target": "scalar", "transcripts": {"source": "t", "label": "y", **columns}}
    examples, _ = build(config, {"t": write(tmp_path / "t.csv", text)})
    assert examples[["id", "target"]].values.tolist() == [["1", 1.0], ["3", 3.0]]


def test_missing_classes_are_left_out_when_asked_and_are_no_class(tmp_path):
    text = "id\tsequence\tlabel\n" + "".join(
        f"{i}\tACGT\t{label}\n" for i, label in enumerate(["a", "b", "", "NA", "a", "b", "none", "none"])
    )
    path = write(tmp_path / "t.tsv", text)
    with pytest.raises(InputError, match="example '2': has no label .2 such examples"):
        build(table_config("class", id="id"), {"t": path})
    examples, summary = build(table_config("class", id="id", missing="drop"), {"t": path})
    assert summary["classes"] == ["a", "b", "none"] and summary["cleaning"]["unlabelled"] == 2
    assert examples["id"].tolist() == ["0", "1", "4", "5", "6", "7"]


def test_blank_groups_and_splits_are_no_groups_and_no_splits(tmp_path):
    cells = [f"g{i // 2}" if i < 20 else ["", "NA", "."][i % 3] for i in range(60)]
    text = "id\tsequence\tlabel\tgroup\tsplit\n" + "".join(
        f"{i}\tACGT\t{i}\t{cell}\t{'train' if i else ''}\n" for i, cell in enumerate(cells)
    )
    config = table_config(id="id", group="group", split="split")
    examples, summary = build(config, {"t": write(tmp_path / "t.tsv", text)})
    assert examples["group"].isna().sum() == 40 and summary["groups"] == 10
    write_dataset(tmp_path, examples, summary)
    stored = load_dataset(tmp_path).examples
    folds = make_folds(stored, "kfold", k=10, validation=0)
    tested = folds[folds["part"] == "test"].merge(stored, on="id")
    assert tested["fold"].value_counts().tolist() == [6] * 10  # with one group of 40 they could not be
    with pytest.raises(InputError, match="example '0' has no split value"):
        make_folds(stored, "split", test=["train"], validation=0)


# storage and scripts


@pytest.mark.parametrize(
    ("target", "values", "classes"),
    [
        ("track", [np.array([0, 1.5], np.float32), np.zeros(2, np.float32), np.ones(2, np.float32)], None),
        ("scalar", [1.0, 2.5, np.nan], None),
        ("class", ["b", "a", "b"], ["a", "b"]),
    ],
)
def test_a_dataset_reads_back_as_it_was_written(tmp_path, target, values, classes):
    examples = pd.DataFrame(
        {"id": ["x", "y", "z"], "sequence": ["AC", "GT", "NN"], "target": values, "weight": [1, 2, 3]}
    )
    write_dataset(tmp_path, examples, {"target": target, "classes": classes})
    dataset = load_dataset(tmp_path)
    assert dataset.target == target and dataset.classes == classes and dataset.folds is None
    assert dataset.examples["weight"].dtype == np.float32 and dataset.examples["chrom"].isna().all()
    if target == "track":
        np.testing.assert_array_equal(np.stack(dataset.examples["target"]), np.stack(values))
        assert dataset.examples["target"][0].dtype == np.float32
    else:
        pd.testing.assert_series_equal(dataset.examples["target"], examples["target"], check_dtype=False)


def test_loading_what_is_not_there_or_does_not_belong(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        load_dataset(tmp_path)
    examples = pd.DataFrame({"id": ["x"], "sequence": ["AC"]})
    write_dataset(tmp_path, examples, {"target": "scalar", "classes": None})
    assert "target" not in load_dataset(tmp_path).examples
    write(tmp_path / "folds.tsv", "id\tfold\tpart\nq\t0\ttrain\n")
    with pytest.raises(InputError, match="'q' is not in examples.parquet"):
        load_dataset(tmp_path)
    write(tmp_path / "examples.parquet", "PAR1 half")
    with pytest.raises(InputError, match="is damaged"):
        load_dataset(tmp_path)


def run_scripts(folder, genome, dataset, folds):
    paths = {name: str(folder / name) for name in ("examples.parquet", "summary.json", "folds.tsv")}
    prepare_dataset.main(
        SimpleNamespace(
            input=SimpleNamespace(sources=[str(genome)]),
            output=SimpleNamespace(examples=paths["examples.parquet"], summary=paths["summary.json"]),
            params=SimpleNamespace(sources=["g"], dataset=dataset, name="mine", seed=1),
            log=[str(folder / "log")],
        )
    )
    split_folds.main(
        SimpleNamespace(
            input=SimpleNamespace(examples=paths["examples.parquet"]),
            output=SimpleNamespace(folds=paths["folds.tsv"]),
            params=SimpleNamespace(folds=folds, seed=1),
            log=[],
        )
    )


def test_scripts_make_a_dataset_folder(tmp_path, genome):
    out = tmp_path / "out"
    out.mkdir()
    run_scripts(out, genome, track_config(step=100), {"scheme": "ratio", "group": "position"})
    dataset = load_dataset(out)
    assert dataset.fold_numbers == [0]
    parts = {part: dataset.part(0, part) for part in ("train", "validation", "test")}
    assert all(len(part) for part in parts.values())
    ids = dataset.examples["id"].tolist()
    assert parts["train"]["id"].tolist() == [name for name in ids if name in set(parts["train"]["id"])]
    spans = {name: set(zip(part["chrom"], part["start"], strict=True)) for name, part in parts.items()}
    assert all((chrom, start + 100) not in spans["test"] for chrom, start in spans["train"])
    assert json.loads((out / "summary.json").read_text())["dataset"] == "mine"


def test_a_users_mistake_is_one_line_and_leaves_nothing_behind(tmp_path, genome, capsys):
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(SystemExit) as stopped:
        run_scripts(out, genome, track_config(length=9000), {})
    assert stopped.value.code == 1
    assert capsys.readouterr().err.splitlines()[-1].startswith("seqlm: ")
    assert [path.name for path in out.iterdir()] == ["log"]


# resources


def test_every_demo_file_is_in_the_provenance_table_with_its_checksum():
    rows = [line.split(" | ") for line in (RESOURCES / "PROVENANCE.md").read_text().splitlines() if " | " in line]
    listed = {row[0].strip("| "): row[-1].strip("| ") for row in rows if "/" in row[0]}
    paths = [path for folder in ("demo", "motifs") for path in (RESOURCES / folder).rglob("*") if path.is_file()]
    files = {str(path.relative_to(RESOURCES)) for path in paths if path.suffix not in (".fai", ".gzi")}
    assert set(listed) == files
    for name, digest in listed.items():
        assert hashlib.sha256((RESOURCES / name).read_bytes()).hexdigest() == digest
    assert sum((RESOURCES / name).stat().st_size for name in files) < 2_000_000
