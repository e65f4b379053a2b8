"""Vectors of a file's sequences, by the command line."""

import numpy as np
import pandas as pd
import pytest
from small_models import save, small_model

import seqlm
from seqlm.streaming.command import embed_command


@pytest.fixture(scope="module")
def language_model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    save(small_model("seqlm-gpt"), folder)
    return folder


@pytest.mark.parametrize("suffix", [".parquet", ".tsv"])
def test_vectors_are_those_of_the_library_for_every_record(language_model, fasta, sequences, tmp_path, suffix):
    output = tmp_path / f"out{suffix}"
    embed_command([
        "--model", str(language_model), "--input", str(fasta), "--output", str(output), "--chunk-size", "5",
        "--pooling", "max",
    ])  # fmt: skip
    table = pd.read_parquet(output) if suffix == ".parquet" else pd.read_csv(output, sep="\t")
    expected = seqlm.embed(str(language_model), sequences, pooling="max")
    assert table["id"].tolist() == [f"s{i}" for i in range(len(sequences))]
    np.testing.assert_allclose(table.drop(columns="id").to_numpy(), expected, atol=1e-5)
    assert list(table)[1:] == [f"e{i}" for i in range(expected.shape[1])]


def test_a_row_for_each_base(language_model, fasta, sequences, tmp_path):
    output = tmp_path / "out.parquet"
    embed_command(["--model", str(language_model), "--input", str(fasta), "--output", str(output), "--chunk-size", "5",
                   "--pooling", "bases"])  # fmt: skip
    table = pd.read_parquet(output)
    assert "".join(table["base"]).upper() == "".join(sequences)
    assert table["id"].tolist() == [f"s{i}" for i in range(len(sequences)) for _ in range(40)]
    assert table["position"].tolist() == list(range(40)) * len(sequences)
    expected = np.concatenate([seqlm.embed(str(language_model), [s], pooling="bases")[0] for s in sequences])
    np.testing.assert_allclose(table.filter(regex=r"^e\d+$").to_numpy(), expected, atol=1e-5)
    assert list(table)[:4] == ["id", "position", "base", "e0"]


def test_variants_have_no_vector(language_model, genome, tmp_path, capsys):
    (tmp_path / "v.vcf").write_text("chr1\t100\t.\tA\tC\n")
    with pytest.raises(SystemExit):
        embed_command(["--model", str(language_model), "--input", str(tmp_path / "v.vcf"), "--genome", str(genome),
                       "--output", str(tmp_path / "o.tsv"), "--length", "20"])  # fmt: skip
    assert "embeddings are of sequences, not variants" in capsys.readouterr().err
