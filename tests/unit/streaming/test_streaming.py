"""Files in, files out: the same numbers as in memory, whatever the format, interruption or number of jobs."""

import gzip

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from Bio.bgzf import BgzfWriter
from small_models import small_model

from seqlm.attribution import leave_one_out
from seqlm.common.errors import InputError
from seqlm.inference.prediction import predict, predict_targets
from seqlm.models.bundle import load_model, save_bundle
from seqlm.models.language.backbone import BackboneModel
from seqlm.sequences import Genome, reverse_complement
from seqlm.streaming.command import predict_command, score_command
from seqlm.streaming.files import predict_file
from seqlm.streaming.records import allele_windows, open_records
from seqlm.streaming.tracks import write_tracks
from seqlm.streaming.variants import score_variants
from seqlm.streaming.writing import gather


def records_of(source, size=4):
    return [record for chunk in source.chunks(size) for record in chunk]


def tracks_of(path):
    return np.array(pq.read_table(path)["prediction"].to_pylist(), np.float32)


@pytest.mark.parametrize("suffix", ["fa", "fa.gz", "fa.bgz", "tsv", "tsv.gz", "csv", "parquet"])
def test_every_input_gives_what_predict_gives(suffix, bundles, fasta, sequences, tmp_path):
    path, ids = tmp_path / f"in.{suffix}", [f"s{i}" for i in range(len(sequences))]
    table = pd.DataFrame({"id": ids, "sequence": sequences})
    if suffix == "fa.bgz":
        with BgzfWriter(str(path)) as writer:
            for line in fasta.read_bytes().splitlines(keepends=True):
                writer.write(line)
                writer.flush()  # many blocks: records go across them
    elif suffix.startswith("fa"):
        path.write_bytes(gzip.compress(fasta.read_bytes()) if suffix.endswith("gz") else fasta.read_bytes())
    elif suffix == "parquet":
        table.to_parquet(path)
    else:
        table.to_csv(path, sep="\t" if suffix.startswith("tsv") else ",", index=False)
    predict_file([bundles / "track0"], path, tmp_path / "out.parquet", chunk_size=7, device="cpu")
    written = pq.read_table(tmp_path / "out.parquet")
    assert written["id"].to_pylist() == ids
    np.testing.assert_allclose(
        tracks_of(tmp_path / "out.parquet"), predict(bundles / "track0", sequences, device="cpu").numpy(), atol=1e-6
    )
    assert pq.ParquetFile(tmp_path / "out.parquet").num_row_groups == 4
    assert not list(tmp_path.glob("*.parts"))


@pytest.mark.parametrize(
    ("kind", "options"),
    [("esm", {"head": "pooled", "target": "scalar"}),
     ("seqlm-gpt", {"head": "conv", "target": "track", "skip": "onehot"})],
)  # fmt: skip
def test_layers_of_both_strands_are_read_from_files_too(kind, options, fasta, sequences, tmp_path):
    encoder = small_model(kind)
    options |= {"layers": "all", "context": "both_strands", "hidden": 8}
    save_bundle(BackboneModel.on(encoder, encoder.tokenizer, **options), tmp_path / "model")
    predict_file([tmp_path / "model"], fasta, tmp_path / "out.parquet", chunk_size=7, device="cpu")
    written = np.array(pq.read_table(tmp_path / "out.parquet")["prediction"].to_pylist())
    expected = predict_targets(load_model(tmp_path / "model"), sequences, device="cpu")
    np.testing.assert_allclose(written, np.array(expected), atol=1e-5)


def test_several_models_give_mean_and_standard_deviation(bundles, fasta, sequences, tmp_path):
    models = [bundles / "class0", bundles / "class1"]
    predict_file(models, fasta, tmp_path / "out.parquet", chunk_size=9, device="cpu")
    table = pq.read_table(tmp_path / "out.parquet").to_pandas()
    each = np.stack([predict_targets(model, sequences, device="cpu") for model in models])
    np.testing.assert_allclose(np.stack(table["prediction"]), each.mean(0), atol=1e-6)
    np.testing.assert_allclose(np.stack(table["sd"]), each.std(0, ddof=1), atol=1e-6)
    assert table["label"].tolist() == [("a", "b", "c")[i] for i in each.mean(0).argmax(1)]
    np.testing.assert_allclose(table["max_probability"], each.mean(0).max(1), atol=1e-6)


@pytest.mark.parametrize("target", ["track", "scalar"])
def test_strands_are_averaged_and_tracks_turned_round(target, bundles, fasta, sequences, tmp_path):
    model = bundles / f"{target}0"
    predict_file([model], fasta, tmp_path / "out.parquet", reverse_complement=True, device="cpu")
    own = np.array(predict_targets(model, sequences, device="cpu"))
    other = np.array(predict_targets(model, [reverse_complement(s) for s in sequences], device="cpu"))
    other = other[:, ::-1] if target == "track" else other
    written = np.array(pq.read_table(tmp_path / "out.parquet")["prediction"].to_pylist())
    np.testing.assert_allclose(written, (own + other) / 2, atol=1e-6)


@pytest.mark.parametrize("shards", [1, 3, 8])  # 5 chunks: also shards that are empty
def test_shards_gathered_are_one_job(shards, bundles, fasta, tmp_path):
    for suffix in ("parquet", "csv"):
        predict_file([bundles / "class0"], fasta, tmp_path / f"whole.{suffix}", chunk_size=5, device="cpu")
    parts = [tmp_path / f"part{k}.parquet" for k in range(1, shards + 1)]
    for k, part in enumerate(parts, 1):
        predict_file([bundles / "class0"], fasta, part, chunk_size=5, shard=(k, shards), device="cpu")
    for suffix in ("parquet", "csv"):
        gather(parts, tmp_path / f"gathered.{suffix}")
        assert (tmp_path / f"gathered.{suffix}").read_bytes() == (tmp_path / f"whole.{suffix}").read_bytes()


@pytest.mark.parametrize("suffix", ["csv", "tsv"])
def test_tracks_as_text(suffix, bundles, sequences, tmp_path):
    """Written in pieces, with ids that must be in quotes."""
    ids = ['a, "b"', "c\td", "e", *(f"s{i}" for i in range(len(sequences) - 3))]
    table = pd.DataFrame({"id": ids, "sequence": [sequences[0] * 4000, *sequences[1:]]})
    table.to_parquet(tmp_path / "in.parquet")
    predict_file([bundles / "track0"], tmp_path / "in.parquet", tmp_path / f"out.{suffix}", device="cpu")
    read = pd.read_csv(tmp_path / f"out.{suffix}", sep="," if suffix == "csv" else "\t")
    assert list(read) == ["id", "prediction"] and read["id"].tolist() == ids
    expected = predict_targets(bundles / "track0", list(table["sequence"]), device="cpu")
    for text, values in zip(read["prediction"], expected, strict=True):
        np.testing.assert_allclose(np.array(text.split(" "), float), values, rtol=1e-5)


def test_named_models_have_rows_of_their_own(bundles, fasta, sequences, tmp_path):
    """What a study's predict_files writes: the mean over folds and seeds, model by model."""
    models = {"many": [bundles / "scalar0", bundles / "scalar1"], "one": [bundles / "scalar1"]}
    parts = [tmp_path / "1.parquet", tmp_path / "2.parquet"]
    for k, part in enumerate(parts, 1):
        predict_file(models, fasta, part, chunk_size=10, shard=(k, 2), device="cpu")
    gather(parts, tmp_path / "all.parquet")
    table = pq.read_table(tmp_path / "all.parquet").to_pandas()
    each = [predict_targets(path, sequences, device="cpu") for path in models["many"]]
    for name, expected in (("many", np.mean(each, axis=0)), ("one", each[1])):
        own = table[table["model"] == name]
        assert own["id"].tolist() == [f"s{i}" for i in range(len(sequences))]
        np.testing.assert_allclose(own["prediction"], expected, atol=1e-6)
        assert own["sd"].isna().all() == (name == "one")


def write_bed(path, lines):
    path.write_text("".join("\t".join(map(str, line)) + "\n" for line in lines))
    return path


def test_bigwig_and_bedgraph_hold_the_predictions(bundles, genome, tmp_path):
    import pyBigWig

    # Unsorted, on both strands; two windows of chr1 overlap by 10 bases.
    windows = [("chr1", 30, 70, "b", 0, "-"), ("chr2", 150, 200, "c", 0, "+"), ("chr1", 0, 40, "a", 0, "+")]
    bed = write_bed(tmp_path / "w.bed", windows)
    for name in ("out.bw", "out.bedgraph"):
        predict_file([bundles / "track0"], bed, tmp_path / name, genome=genome, chunk_size=2, device="cpu")
    letters = Genome(genome)
    total, count = ({name: np.zeros(200) for name in ("chr1", "chr2")} for _ in range(2))
    for chrom, start, end, _, _, strand in windows:
        text = letters.fetch(chrom, start, end)
        track = predict(bundles / "track0", [reverse_complement(text) if strand == "-" else text], device="cpu")[0]
        total[chrom][start:end] += (track.flip(0) if strand == "-" else track).numpy()
        count[chrom][start:end] += 1
    with np.errstate(invalid="ignore"):
        expected = {name: total[name] / count[name] for name in total}
    with pyBigWig.open(str(tmp_path / "out.bw")) as file:
        assert file.chroms() == {"chr1": 200, "chr2": 200}
        for name, values in expected.items():
            np.testing.assert_allclose(file.values(name, 0, 200), values, atol=1e-6)
    read = {name: np.full(200, np.nan) for name in expected}
    places = []
    for line in (tmp_path / "out.bedgraph").read_text().splitlines():
        chrom, start, end, value = line.split("\t")
        read[chrom][int(start) : int(end)] = float(value)
        places.append((["chr2", "chr1"].index(chrom), int(start)))
    assert places == sorted(places)  # in the order of the genome
    for name, values in expected.items():
        np.testing.assert_allclose(read[name], values, atol=1e-6)


def test_a_track_is_of_one_model(bundles, genome, tmp_path):
    """Of a table of several, the one that is named: its track is the one it writes alone."""
    bed = write_bed(tmp_path / "w.bed", [("chr1", 30, 70, "b", 0, "-"), ("chr1", 0, 40), ("chr2", 3, 9)])
    models = {name: [bundles / name] for name in ("track0", "track1")}
    predict_file(models, bed, tmp_path / "both.parquet", genome=genome, chunk_size=2, device="cpu")
    for name in models:
        write_tracks([tmp_path / "both.parquet"], tmp_path / f"{name}.bedgraph", model=name)
        predict_file(models[name], bed, tmp_path / "one.parquet", genome=genome, device="cpu")
        write_tracks([tmp_path / "one.parquet"], tmp_path / "one.bedgraph")
        assert (tmp_path / f"{name}.bedgraph").read_bytes() == (tmp_path / "one.bedgraph").read_bytes()
    with pytest.raises(InputError, match="several models"):
        write_tracks([tmp_path / "both.parquet"], tmp_path / "x.bedgraph")


def test_bed_names_the_class_of_each_window(bundles, genome, tmp_path):
    bed = write_bed(tmp_path / "w.bed", [("chr1", 50, 90), ("chr1", 0, 40)])
    predict_file([bundles / "class0"], bed, tmp_path / "out.bed", genome=genome, device="cpu")
    probabilities = predict_targets(
        bundles / "class0", [Genome(genome).fetch("chr1", 0, 40), Genome(genome).fetch("chr1", 50, 90)], device="cpu"
    )
    lines = [line.split("\t") for line in (tmp_path / "out.bed").read_text().splitlines()]
    assert [(int(line[1]), line[3], int(line[4])) for line in lines] == [
        (start, "abc"[p.argmax()], round(1000 * float(np.float32(p.max()))))
        for start, p in zip((0, 50), probabilities, strict=True)
    ]


def hand_made(genome, tmp_path):
    """A VCF with a substitution, an insertion, a deletion and one at the very start; windows of 20 by hand."""
    text = Genome(genome).fetch("chr1", 0, 200)
    other = "A" if text[50] != "A" else "C"
    lines = [
        ("chr1", 51, "snv", text[50], other),
        ("chr1", 101, "ins", text[100], text[100] + "GG"),
        ("chr1", 121, ".", text[120:123], text[120]),
        ("chr1", 3, "edge", text[2], "A" if text[2] != "A" else "C"),
    ]
    path = tmp_path / "v.vcf"
    path.write_text("##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\n" + "".join(
        "\t".join(map(str, line)) + "\n" for line in lines))  # fmt: skip
    first = lines[3][4]
    pairs = [
        (text[40:60], text[40:50] + other + text[51:60]),
        (text[90:110], text[90:101] + "GG" + text[101:108]),
        (text[110:130], text[110:121] + text[123:132]),
        ("N" * 8 + text[:12], "N" * 8 + text[:2] + first + text[3:12]),
    ]
    return path, pairs


def test_windows_of_both_alleles(genome, tmp_path):
    path, pairs = hand_made(genome, tmp_path)
    found = records_of(open_records(path, genome, 20))
    assert [(v.reference, v.alternative) for v in found] == pairs
    assert found[2].id.startswith("chr1:121:")
    assert all(len(window) == 20 for pair in pairs for window in pair)


@pytest.mark.parametrize("target", ["track", "scalar"])
def test_differences_between_alleles(target, bundles, genome, tmp_path):
    path, pairs = hand_made(genome, tmp_path)
    predict_file([bundles / f"{target}0"], path, tmp_path / "o.parquet", genome=genome, length=20, device="cpu")
    a, b = (np.array(predict_targets(bundles / f"{target}0", list(x), device="cpu")) for x in zip(*pairs, strict=True))
    table = pq.read_table(tmp_path / "o.parquet")
    for name, values in (("reference", a), ("alternative", b), ("difference", b - a)):
        np.testing.assert_allclose(np.array(table[name].to_pylist()), values, atol=1e-6)
    scores = score_variants(bundles / f"{target}0", path, genome, 20, device="cpu")["score"]
    np.testing.assert_allclose(scores, (b - a).sum(1) if target == "track" else b - a, atol=1e-5)


def test_language_model_scores_are_differences_of_log_likelihood(genome, tmp_path):
    path, pairs = hand_made(genome, tmp_path)
    model = small_model("seqlm-gpt")

    def log_likelihood(text):
        ids = ["ACGT".find(letter) for letter in text]
        shown = torch.tensor([[i if i >= 0 else 255 for i in ids]])
        logp = torch.log_softmax(model(input_ids=shown).logits[0].double(), -1)
        return sum(logp[t - 1, i].item() for t, i in enumerate(ids) if t and i >= 0)

    with torch.no_grad():
        one = [log_likelihood(alt) - log_likelihood(ref) for ref, alt in pairs]
        other = [
            log_likelihood(reverse_complement(alt)) - log_likelihood(reverse_complement(ref)) for ref, alt in pairs
        ]
    found = score_variants(model, path, genome, 20, both_strands=False, device="cpu")
    np.testing.assert_allclose(found["score"], one, atol=1e-5)
    found = score_variants(model, path, genome, 20, device="cpu", chunk_size=3)
    np.testing.assert_allclose(found["score"], np.mean([one, other], axis=0), atol=1e-5)


@pytest.mark.parametrize("edit", ["mask", "remove", "replace"])
def test_scores_of_a_file_are_those_of_leave_one_out(edit, bundles, fasta, sequences, tmp_path):
    out = tmp_path / "loo.parquet"
    arguments = ["--model", bundles / "track0", "--input", fasta, "--output", out, "--edit", edit]
    score_command([*map(str, arguments), "--chunk-size", "10", "--device", "cpu"])
    written = pq.read_table(out).to_pandas()
    ids = [f"s{i}" for i in range(len(sequences))]
    expected = leave_one_out(load_model(bundles / "track0"), sequences, edit, device="cpu").to_table(ids)
    assert list(written) == list(expected)
    assert (written["sequence"] == expected["sequence"]).all()
    assert (written["replacement"] == expected["replacement"]).all()
    np.testing.assert_allclose(written["loo"], expected["loo"], atol=1e-5)


def line_of(capsys, arguments, command=predict_command):
    """The one line that a command ends with."""
    with pytest.raises(SystemExit) as end:
        command([str(argument) for argument in arguments])
    assert end.value.code == 1
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("seqlm:")]
    assert len(lines) == 1
    return lines[0]


MISUSES = {
    "unknown suffix": ("x.docx", "hello", "suffix"),
    "empty file": ("x.fa", "", "empty"),
    "empty table": ("x.tsv", "id\tsequence\n", "no records"),
    "no such column": ("x.csv", "id,letters\na,ACGT\n", "'sequence'"),
    "protein": ("x.fa", ">a\nMKEL\n", "not a nucleotide code"),
    "too long": ("x.fa", f">a\n{'A' * 60}\n", "reads 50"),
    "not FASTA": ("x.fa", "hello\n", "no FASTA header"),
    "not parquet": ("x.parquet", "hello", "parquet"),
    "unknown chromosome": ("x.bed", "chrX\t0\t40\n", "'chrX'"),
    "outside": ("x.bed", "chr1\t190\t230\n", "line 1"),
    "not BED": ("x.bed", "chr1\tzero\t40\n", "'zero'"),
    "not the reference": ("x.vcf", "chr1\t50\t.\tAAAAAAAA\tC\n", "REF"),
    "symbolic": ("x.vcf", "chr1\t50\t.\tA\t<DEL>\n", "<DEL>"),
}


@pytest.mark.parametrize("misuse", MISUSES)
def test_misuse_is_one_line(misuse, fixed, genome, tmp_path, capsys):
    name, text, words = MISUSES[misuse]
    (tmp_path / name).write_text(text)
    arguments = ["--model", fixed, "--input", tmp_path / name, "--output", tmp_path / "o.csv", "--genome", genome]
    assert words in line_of(capsys, [*arguments, "--device", "cpu"])
    assert not (tmp_path / "o.csv").exists()


def test_a_bigwig_of_very_many_bases_has_no_zoom_levels(genome, tmp_path, monkeypatch, capsys):
    """They are made in memory that grows with all bases of the file."""
    pyBigWig = pytest.importorskip("pyBigWig")
    values = pa.array([np.arange(190, dtype=np.float32)], pa.list_(pa.float32()))
    names = ["id", "chrom", "start", "end", "strand", "prediction"]
    pq.write_table(pa.table([["a"], ["chr1"], [0], [190], ["+"], values], names), tmp_path / "x.parquet")
    for most, levels in ((190, True), (189, False)):
        monkeypatch.setattr("seqlm.streaming.tracks.ZOOMED", most)
        write_tracks([tmp_path / "x.parquet"], tmp_path / "x.bw", Genome(genome).lengths)
        with pyBigWig.open(str(tmp_path / "x.bw")) as file:
            assert (file.header()["nLevels"] > 0) == levels
            assert file.values("chr1", 0, 190) == list(range(190))
        assert ("without zoom levels" in capsys.readouterr().err) != levels


def test_misuse_of_options_is_one_line(bundles, fixed, fasta, genome, tmp_path, capsys):
    start = ["--model", fixed, "--device", "cpu", "--input"]
    bed = write_bed(tmp_path / "w.bed", [("chr1", 0, 40)])
    vcf, _ = hand_made(genome, tmp_path)
    table, parquet, bigwig = (tmp_path / name for name in ("o.docx", "o.parquet", "o.bw"))
    assert "suffix" in line_of(capsys, [*start, fasta, "--output", table])
    assert "--genome" in line_of(capsys, [*start, bed, "--output", parquet])
    assert "no windows of a genome" in line_of(capsys, [*start, fasta, "--output", bigwig])
    assert "always parquet" in line_of(capsys, [*start, fasta, "--output", tmp_path / "o.csv", "--shard", "1/2"])
    assert "no such file" in line_of(capsys, [*start, tmp_path / "none.fa", "--output", parquet])
    table = tmp_path / "own.csv"
    table.write_text("sequence\n" + "A" * 40 + "\n")
    assert "is the input itself" in line_of(capsys, [*start, table, "--output", tmp_path / "." / "own.csv"])
    assert table.read_text().startswith("sequence\n")
    both = ["--model", bundles / "track0", bundles / "class0", "--input", fasta, "--output", parquet]
    assert "target" in line_of(capsys, both)
    open_length = ["--model", bundles / "track0", "--input", vcf, "--genome", genome, "--output", parquet]
    assert "--length" in line_of(capsys, open_length)
    scores = ["--model", fixed, "--input", vcf, "--genome", genome, "--output", parquet]
    assert "not variants" in line_of(capsys, scores, score_command)
    pq.write_table(pa.table({"id": ["a"], "prediction": [1.0]}), tmp_path / "a.parquet")
    assert "no predictions of windows" in line_of(capsys, ["--gather", tmp_path / "a.parquet", "--output", bigwig])


def test_a_window_wider_than_the_allele_allows(genome):
    with pytest.raises(InputError, match="more than half"):
        allele_windows(Genome(genome), "chr1", 10, "A" * 9, "C", 16)


def test_letters_that_are_no_bases_obey_the_policy_and_are_counted(bundles, sequences, tmp_path, capsys):
    odd = [sequences[0], "R" + sequences[1][1:-1] + "-", sequences[2][:20] + "X" + sequences[2][21:]]
    (tmp_path / "in.fa").write_text("".join(f">s{i}\n{s}\n" for i, s in enumerate(odd)))
    expected = [odd[0], "N" + sequences[1][1:-1] + "N", odd[2].replace("X", "N")]

    def run(name, cleaning, models=("scalar0",), **options):
        out = tmp_path / f"{name}.parquet"
        predict_file([bundles / m for m in models], tmp_path / "in.fa", out, cleaning=cleaning, **options)
        return pq.read_table(out), capsys.readouterr().err

    table, told = run("n", "N")
    np.testing.assert_allclose(
        table["prediction"], predict_targets(load_model(bundles / "scalar0"), expected), rtol=1e-6
    )
    assert "in.fa: 1 ambiguity codes, 1 gaps, 1 characters that are no nucleotide codes; read as N" in told
    for chunk_size in (1, 10):
        dropped, told = run(f"d{chunk_size}", "drop", chunk_size=chunk_size)
        assert dropped["id"].to_pylist() == ["s0"] and dropped["prediction"][0] == table["prediction"][0]
        assert "2 records left out" in told
    with pytest.raises(InputError, match="record 's1', position 1: 'R' is an ambiguity code"):
        run("e", "error")
