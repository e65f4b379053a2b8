"""Records that a published model cannot read: told by their names, before anything is computed."""

import logging

import pytest
import torch
from hub_layouts import FAMILIES

from seqlm import InputError, predict
from seqlm.models.bundle import save_bundle
from seqlm.models.language.backbone import BackboneModel
from seqlm.models.language.hub import load_language_model
from seqlm.streaming.command import embed_command, predict_command, score_command

LONG = "ACGTTGCA" * 80


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A language model of spaced 6-mers, and two models on it."""
    folder = tmp_path_factory.mktemp("dnabert")
    (folder / "published").mkdir()
    FAMILIES["dnabert-1"](folder / "published")
    language = load_language_model(folder / "published")
    save_bundle(language, folder / "language")
    for target, head in (("track", "conv"), ("scalar", "pooled")):
        torch.manual_seed(0)
        model = BackboneModel.on(language, language.tokenizer, target=target, head=head, hidden=8).eval()
        save_bundle(model, folder / target)
    return folder


@pytest.mark.parametrize(
    ("command", "model", "sequence", "problem"),
    [
        (predict_command, "track", LONG, "has 637 tokens, the backbone reads 512; cut it into windows"),
        (score_command, "track", LONG, "has 637 tokens, the backbone reads 512; cut it into windows"),
        (predict_command, "scalar", "ACG", "has 3 bases, its tokenizer reads words of 6; give longer sequences"),
        (score_command, "scalar", "ACG", "has 3 bases, its tokenizer reads words of 6; give longer sequences"),
        (embed_command, "language", "ACG", "has 3 bases, its tokenizer reads words of 6; give longer sequences"),
    ],
)
def test_the_record_is_named_and_nothing_is_written(folder, tmp_path, capsys, command, model, sequence, problem):
    (tmp_path / "x.fa").write_text(f">good\nACGTTGCATTGACCAG\n>bad\n{sequence}\n")
    with pytest.raises(SystemExit):
        command(["--model", str(folder / model), "--input", str(tmp_path / "x.fa"), "--output", str(tmp_path / "o.tsv"),
                 "--chunk-size", "1"])  # fmt: skip
    said = capsys.readouterr().err.splitlines()
    assert [line for line in said if line.startswith("seqlm:")] == [f"seqlm: record 'bad': {problem}"]
    assert not any("indexing errors" in line for line in said)
    assert [path.name for path in tmp_path.iterdir()] == ["x.fa"]


def test_the_library_counts_sequences_as_they_were_given(folder):
    """Though they are read in order of length."""
    with pytest.raises(InputError, match="^sequence 2: has 637 tokens, the backbone reads 512"):
        predict(folder / "track", ["ACGTTGCATTGACCAG", LONG, "ACGTTGCA"], device="cpu")
    with pytest.raises(InputError, match="^sequence 3: has 3 bases"):
        predict(folder / "scalar", ["ACGTTGCATTGACCAG", LONG, "ACG", "ACGTTGCA"], device="cpu")


def test_a_bundle_whose_tokenizer_is_a_list_of_words_is_read_without_a_warning(tmp_path, monkeypatch):
    (tmp_path / "published").mkdir()
    FAMILIES["nucleotide-transformer-v2"](tmp_path / "published")
    language = load_language_model(tmp_path / "published")
    save_bundle(BackboneModel.on(language, language.tokenizer, hidden=8), tmp_path / "bundle")
    said = []
    logger = logging.getLogger("transformers.configuration_utils")
    monkeypatch.setattr(logger, "warning", lambda message, *_: said.append(message))
    predict(tmp_path / "bundle", ["ACGTTGCATTGACCAG"], device="cpu")
    assert not said
