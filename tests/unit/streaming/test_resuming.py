"""What is found before anything is predicted, what is kept of an interrupted run, and records of any length."""

import numpy as np
import pyarrow.parquet as pq
import pytest

from seqlm.common.errors import InputError
from seqlm.inference.prediction import predict
from seqlm.models.bundle import load_model
from seqlm.models.networks.cnn import CNN
from seqlm.sequences import Genome
from seqlm.streaming import predicting, writing
from seqlm.streaming.files import predict_file, score_file
from seqlm.streaming.variants import score_variants


def test_an_interrupted_run_continues(bundles, fasta, tmp_path, monkeypatch):
    out, calls = tmp_path / "out.parquet", []
    plain = predicting.sequence_table

    def breaks(ensemble, records, places):
        calls.append(len(records))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return plain(ensemble, records, places)

    monkeypatch.setattr(predicting, "sequence_table", breaks)
    with pytest.raises(KeyboardInterrupt):
        predict_file([bundles / "track0"], fasta, out, chunk_size=5, device="cpu")
    assert not out.exists()
    assert len(list((tmp_path / "out.parquet.parts").glob("chunk-*.parquet"))) == 2
    predict_file([bundles / "track0"], fasta, out, chunk_size=5, device="cpu")
    assert calls == [5, 5, 5, 5, 5, 3]  # the third chunk twice, those before it once
    predict_file([bundles / "track0"], fasta, tmp_path / "whole.parquet", chunk_size=5, device="cpu")
    assert out.read_bytes() == (tmp_path / "whole.parquet").read_bytes()


def test_chunks_of_another_model_are_not_used(bundles, fasta, tmp_path, monkeypatch, capsys):
    out, plain = tmp_path / "out.parquet", predicting.sequence_table

    def breaks(ensemble, records, places):
        if records[0].id != "s0":
            raise KeyboardInterrupt
        return plain(ensemble, records, places)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(predicting, "sequence_table", breaks)
        predict_file([bundles / "track0"], fasta, out, chunk_size=5, device="cpu")
    predict_file([bundles / "track1"], fasta, out, chunk_size=5, device="cpu")
    assert "starting again" in capsys.readouterr().err
    predict_file([bundles / "track1"], fasta, tmp_path / "whole.parquet", chunk_size=5, device="cpu")
    assert out.read_bytes() == (tmp_path / "whole.parquet").read_bytes()


def stops_at(monkeypatch, name):
    """Let predictions stop at the record of this name, as a job does that is killed; collect the names before it."""
    plain, seen = predicting.sequence_table, []

    def table(ensemble, records, places):
        if name in [record.id for record in records]:
            raise KeyboardInterrupt
        seen.extend(record.id for record in records)
        return plain(ensemble, records, places)

    monkeypatch.setattr(predicting, "sequence_table", table)
    return seen


@pytest.mark.parametrize("suffix", ["fa", "csv"])
def test_a_mended_file_keeps_the_chunks_that_it_has_not_changed(
    suffix, bundles, sequences, tmp_path, monkeypatch, capsys
):
    def write(name, texts):
        path = tmp_path / f"{name}.{suffix}"
        lines = [f">s{i}\n{s}\n" if suffix == "fa" else f"s{i},{s}\n" for i, s in enumerate(texts)]
        path.write_text(("" if suffix == "fa" else "id,sequence\n") + "".join(lines))
        return path

    out, model = tmp_path / "out.parquet", [bundles / "track0"]
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        stops_at(patch, "s16")
        predict_file(model, write("in", sequences), out, chunk_size=5, device="cpu")
    # s7 is another sequence, s20 is taken out: chunks 0 and 2 are as they were.
    mended = write("mended", [*sequences[:7], "ACGT" * 10, *sequences[8:20], *sequences[21:]])
    seen = stops_at(monkeypatch, None)
    predict_file(model, mended, out, chunk_size=5, device="cpu")
    assert seen == [f"s{i}" for i in [5, 6, 7, 8, 9, *range(15, 22)]]
    assert "2 of 3 finished chunks are kept" in capsys.readouterr().err
    predict_file(model, mended, tmp_path / "whole.parquet", chunk_size=5, device="cpu")
    assert out.read_bytes() == (tmp_path / "whole.parquet").read_bytes()
    assert not list(tmp_path.glob("*.parts"))


def test_a_file_whose_genome_was_mended_elsewhere_keeps_chunks(bundles, genome, tmp_path, monkeypatch):
    bed = tmp_path / "w.bed"
    bed.write_text("".join(f"chr1\t{i}\t{i + 40}\tw{i}\n" for i in range(6)))
    out, options = tmp_path / "out.parquet", {"genome": genome, "chunk_size": 2, "device": "cpu"}
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        stops_at(patch, "w4")
        predict_file([bundles / "track0"], bed, out, **options)
    text = Genome(genome).fetch("chr1", 0, 200)
    other = genome.with_name("mended.fa")
    other.write_text(f">chr1\n{text[:41]}{'A' if text[41] != 'A' else 'C'}{text[42:]}\n")  # in the windows from 2 on
    seen = stops_at(monkeypatch, None)
    predict_file([bundles / "track0"], bed, out, **options | {"genome": other})
    assert seen == ["w2", "w3", "w4", "w5"]


LATE = {  # what only the last record shows, and words of the line that tells it
    "empty FASTA record": ("x.fa", ">last\n>empty\n", "'last'"),
    "a record without a name": ("x.fa", ">\nACGT\n", "no name"),
    "letters of a protein": ("x.fa", ">last\nMKELMKEL\n", "'last'"),
    "a record that is too long": ("x.fa", f">last\n{'A' * 60}\n", "'last'"),
    "an empty cell": ("x.csv", "last,\n", "line 4: the sequence is empty"),
    "an incomplete row": ("x.csv", "last\n", "fields"),
    "a window that is too long": ("x.bed", "chr1\t0\t60\tlast\n", "'last'"),
    "a symbolic allele": ("x.vcf", "chr1\t50\tlast\tA\t<DEL>\n", "<DEL>"),
    "a misspelled allele": ("x.vcf", "chr1\t50\tlast\t{base}\tX\n", "'X'"),
    "another reference allele": ("x.vcf", "chr1\t50\tlast\t{other}\tC\n", "REF"),
    "an allele that is too long": ("x.vcf", f"chr1\t50\tlast\t{{base}}\t{'C' * 30}\n", "more than half"),
}


@pytest.mark.parametrize("command", ["predict", "score"])
@pytest.mark.parametrize("late", LATE)
def test_what_is_wrong_with_the_last_record_is_told_before_anything_is_predicted(
    late, command, fixed, genome, tmp_path, monkeypatch
):
    name, end, words = LATE[late]
    base = Genome(genome).fetch("chr1", 49, 50)
    path, text = tmp_path / name, Genome(genome).fetch("chr1", 20, 21)
    start = {
        "x.fa": ">a\nACGT\n>b\nACGT\n", "x.csv": "id,sequence\na,ACGT\nb,ACGT\n",
        "x.bed": "chr1\t0\t40\nchr1\t5\t45\n", "x.vcf": f"chr1\t21\ta\t{text}\t{text}A\n" * 2,
    }  # fmt: skip
    path.write_text(start[name] + end.format(base=base, other="A" if base != "A" else "C"))
    predicted, options = [], {"genome": genome, "chunk_size": 1, "device": "cpu"}
    monkeypatch.setattr(CNN, "forward", lambda self, X: predicted.append(X))
    with pytest.raises(InputError, match=words):
        if command == "predict":
            predict_file([fixed], path, tmp_path / "o.csv", **options)
        elif name == "x.vcf":
            score_variants(load_model(fixed), path, genome, chunk_size=1, device="cpu")
        else:
            score_file(fixed, path, tmp_path / "o.csv", **options)
    assert not predicted and not list(tmp_path.glob("o.*"))


def test_long_records_are_in_memory_one_at_a_time(bundles, tmp_path, monkeypatch):
    """Whatever the chunk: groups of records of bounded size, and the same predictions."""
    rng = np.random.default_rng(0)
    sequences = ["".join(rng.choice(list("ACGT"), n)) for n in (3000, 30, 30, 9000, 30, 5000, 5001)]
    path = tmp_path / "x.fa"
    path.write_text("".join(f">s{i}\n{s}\n" for i, s in enumerate(sequences)))
    monkeypatch.setattr(writing, "BASES", 5000)
    groups, plain = [], predicting.sequence_table

    def table(ensemble, records, places):
        groups.append([len(record.sequence) for record in records])
        return plain(ensemble, records, places)

    monkeypatch.setattr(predicting, "sequence_table", table)
    predict_file([bundles / "track0"], path, tmp_path / "o.parquet", device="cpu")
    assert groups == [[3000, 30, 30], [9000], [30], [5000], [5001]]
    written = pq.read_table(tmp_path / "o.parquet")
    assert written["id"].to_pylist() == [f"s{i}" for i in range(7)]
    for found, expected in zip(
        written["prediction"].to_pylist(), predict(bundles / "track0", sequences, device="cpu"), strict=True
    ):
        np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_long_record_that_is_read_as_a_whole_is_told(bundles, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(predicting, "_LONG", 100)
    path = tmp_path / "x.fa"
    path.write_text(f">short\nACGT\n>long\n{'ACGT' * 30}\n>longer\n{'ACGT' * 40}\n")
    for target, told in (("scalar", 1), ("track", 0)):  # the reach of the CNN's track is known
        predict_file([bundles / f"{target}0"], path, tmp_path / "o.csv", device="cpu")
        assert capsys.readouterr().err.count("record 'long' is read as a whole") == told
