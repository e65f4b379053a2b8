"""Leave-one-out where there is nothing to edit, more than the model reads, or classes that are called by digits."""

import itertools

import numpy as np
import pytest
import torch
from small_models import small_model

from seqlm import InputError, leave_one_out, predict
from seqlm.attribution.dataset_scores import score_dataset
from seqlm.models.bundle import save_bundle
from seqlm.models.language.backbone import BackboneModel
from seqlm.models.language.gpt import GPTConfig, GPTModel
from seqlm.models.networks.cnn import CNN, CNNConfig
from seqlm.models.networks.codon import CodonCNN, CodonConfig
from seqlm.models.networks.saluki import Saluki, SalukiConfig
from seqlm.models.solved.kmer import KmerConfig, KmerModel
from seqlm.models.solved.linear import LinearConfig, LinearTokens
from seqlm.streaming.command import score_command
from seqlm.tokenization import learn_tokenizer

BLOCK = 32


def on_gpt(kind="character", pad=None, block=BLOCK, **options):
    torch.manual_seed(0)
    tokenizer = learn_tokenizer(kind, **({"alphabet": "ACGT"} if kind == "character" else {"k": 3}))
    size = {"block_size": block, "n_layer": 2, "n_head": 2, "n_embd": 16}
    core = GPTModel(GPTConfig(vocab_size=len(tokenizer), pad_token_id=tokenizer.pad_token_id, **size))
    return BackboneModel.on(core, tokenizer, hidden=8, **options).eval()


def on_hub(kind):
    model = small_model(kind)
    return BackboneModel.on(model, model.tokenizer, target="scalar", head="pooled", hidden=8).eval()


SCALAR, CLASS = {"target": "scalar"}, {"target": "class", "n_outputs": 3, "classes": ["1", "2", "3"]}
MODELS = {
    "cnn track": lambda: CNN(CNNConfig(filters=8, hidden=8, kernel=5)),
    "cnn scalar": lambda: CNN(CNNConfig(filters=8, hidden=8, kernel=5, **SCALAR)),
    "cnn class": lambda: CNN(CNNConfig(filters=8, hidden=8, kernel=5, **CLASS)),
    "cnn of one length": lambda: CNN(CNNConfig(filters=8, hidden=8, kernel=5, length=12, **SCALAR)),
    "kmer": lambda: KmerModel(KmerConfig(**CLASS)),
    "codon": lambda: CodonCNN(CodonConfig(filters=8, hidden=8, **CLASS)),
    "saluki": lambda: Saluki(SalukiConfig(length=40, filters=8, blocks=2)),
    "saluki class": lambda: Saluki(SalukiConfig(length=40, filters=8, blocks=2, **CLASS)),
    "gpt track": lambda: on_gpt(),
    "gpt": lambda: on_gpt(head="pooled", **SCALAR),
    "gpt both strands": lambda: on_gpt(head="pooled", context="both_strands", **CLASS),
    "gpt of 3-mers": lambda: on_gpt("kmer", head="pooled", **SCALAR),
    "gpt2": lambda: on_hub("gpt2"),
    "esm": lambda: on_hub("esm"),
}
FULL = "ACTTACCATTAC"  # without a G


def model_of(kind):
    torch.manual_seed(0)
    return MODELS[kind]().eval()


@pytest.mark.parametrize(("kind", "method"), itertools.product(MODELS, ["auto", "reference"]))
def test_a_record_with_nothing_to_edit_fails_no_other(kind, method):
    model = model_of(kind)
    unknown = "N" * len(FULL)
    scored = leave_one_out(model, [unknown, FULL], "mask", method=method)
    assert (scored.scores[0] == 0).all() and scored.scores.shape == (2, len(FULL))
    alone = leave_one_out(model, [unknown], "mask", method=method)
    assert (alone.scores == 0).all() and len(alone.to_table()) == len(FULL)
    full = leave_one_out(model, [FULL], "mask", method=method).scores[0]
    np.testing.assert_allclose(scored.scores[1], full, atol=1e-5)
    for replacements in ({"G": ["A"]}, {}, []):
        scored = leave_one_out(model, [FULL], "replace", replacements, method=method)
        assert np.isnan(scored.scores).all() and scored.to_table().empty
    np.testing.assert_allclose(scored.prediction, alone_prediction(model, FULL), atol=1e-5)
    several = leave_one_out(model, ["ACGTACCATTAC", FULL], "replace", {"G": ["A"]}, method=method).to_table()
    assert several[["sequence", "token", "replacement", "start_offset"]].values.tolist() == [["0", "G", "A", 2]]


def alone_prediction(model, sequence):
    """What a prediction is compared by, for one sequence."""
    y = predict(model, [sequence])[0]
    return y.sum() if model.config.target == "track" else y.max() if model.config.target == "class" else y


@pytest.mark.parametrize(("kind", "method"), itertools.product(MODELS, ["auto", "reference"]))
def test_the_only_base_is_removed_or_has_no_score(kind, method):
    model = model_of(kind)
    shortest = "ATG" if kind == "codon" else "A"
    scored = leave_one_out(model, [shortest, FULL], "remove", method=method)
    full = leave_one_out(model, [FULL], "remove", method=method).scores[0]
    np.testing.assert_allclose(scored.scores[1], full, atol=1e-5)
    alone = leave_one_out(model, [shortest], "remove", method=method)
    np.testing.assert_allclose(alone.scores[0], scored.scores[0, : len(shortest)], atol=1e-5)
    if np.isnan(alone.scores).any():
        assert alone.to_table().empty
    else:
        edited = shortest[1:] + "N"
        lost = alone_prediction(model, edited) - alone_prediction(model, shortest)
        if model.config.target != "class":
            np.testing.assert_allclose(alone.scores[0, 0], lost, atol=1e-5)


@pytest.mark.parametrize("network", ["linear", "saluki"])
def test_tokens_with_nothing_to_edit(network):
    torch.manual_seed(0)
    layout = {"encoding": "mrna", "separator": " "}
    saluki = SalukiConfig(length=40, filters=8, blocks=2, layout=layout)
    model = (LinearTokens(LinearConfig()) if network == "linear" else Saluki(saluki)).eval()
    none = leave_one_out(model, ["A c t T a c"], "replace", {"g": ["a"]})
    assert np.isnan(none.scores).all() and none.to_table().empty
    np.testing.assert_allclose(none.prediction, predict(model, ["A c t T a c"]), atol=1e-6)
    one = leave_one_out(model, ["A c t T a c", "A c g"], "replace", {"g": ["a"]}).to_table()
    assert one[["sequence", "token", "replacement"]].values.tolist() == [["1", "g", "a"]]
    assert np.isfinite(leave_one_out(model, ["a", "A c g"], "remove").scores[0, 0])


def test_reductions_of_nothing():
    model = model_of("cnn track")
    for reduce in ("track", "mean", lambda y: y[:, torch.tensor([0, int(y.shape[0] > 0) - 1])].max(1).values):
        scored = leave_one_out(model, [FULL], "replace", {"G": ["A"]}, reduce=reduce)
        assert np.isnan(scored.scores).all()


@pytest.mark.parametrize("edit", [["--edit", "mask"], ["--edit", "replace", "--replacements", '{"G": ["A"]}']])
def test_a_file_with_such_records_is_scored(edit, tmp_path):
    save_bundle(model_of("cnn class"), tmp_path / "bundle")
    (tmp_path / "x.fa").write_text(">none\nNNNNNN\n>bare\nACTTAC\n>one\nACGTAC\n>short\nA\n")
    command = ["--model", tmp_path / "bundle", "--input", tmp_path / "x.fa", "--device", "cpu", "--chunk-size", "1"]
    score_command([*map(str, command), "--output", str(tmp_path / "x.tsv"), *edit])
    rows = [line.split("\t") for line in (tmp_path / "x.tsv").read_text().splitlines()[1:]]
    if edit[1] == "replace":
        assert [row[:3] for row in rows] == [["one", "G", "A"]]
    else:
        assert [row[0] for row in rows] == ["none"] * 6 + ["bare"] * 6 + ["one"] * 6 + ["short"]
        assert all(float(row[-1]) == 0 for row in rows[:6])


def test_examples_of_a_dataset_with_nothing_to_edit(tmp_path):
    import pandas as pd

    from seqlm.datasets import write_dataset, write_folds

    save_bundle(model_of("cnn scalar"), tmp_path / "bundle")
    examples = pd.DataFrame({"id": ["a", "b"], "sequence": [FULL, FULL[::-1]], "target": [1.0, 2.0]})
    summary = {"dataset": "toy", "target": "scalar", "classes": None, "examples": 2, "length": {"min": 12, "max": 12}}
    write_dataset(tmp_path / "data", examples, summary)
    write_folds(tmp_path / "data/folds.tsv", pd.DataFrame({"id": ["a", "b"], "fold": 0, "part": "test"}))
    table, arrays, _ = score_dataset(
        tmp_path / "bundle", tmp_path / "data", 0, "replace", replacements={"G": ["A"]}, device="cpu"
    )
    assert table.empty and arrays["scores"].shape == (2, 12) and np.isnan(arrays["scores"]).all()


@pytest.mark.parametrize("context", ["forward", "both_strands"])
@pytest.mark.parametrize("edit", ["mask", "remove", "replace"])
def test_what_is_longer_than_the_backbone_reads_is_cut_as_in_a_prediction(edit, context):
    model = on_gpt(head="pooled", context=context, **SCALAR)
    long = "".join(np.random.default_rng(0).choice(list("ACGT"), 60))
    scored = leave_one_out(model, [long, FULL], edit)
    assert [len(tokens) for tokens in scored.tokens] == [BLOCK, len(FULL)]
    np.testing.assert_allclose(scored.prediction, predict(model, [long, FULL]), atol=1e-6)
    cut = leave_one_out(model, [long[:BLOCK], FULL], edit)
    np.testing.assert_allclose(scored.scores, cut.scores, atol=1e-6)
    assert scored.to_table().groupby("sequence")["end_offset"].max().tolist() == [BLOCK, len(FULL)]


def test_a_track_that_is_longer_than_the_backbone_reads_is_one_line():
    with pytest.raises(InputError, match="has 60 tokens, the backbone reads 32"):
        leave_one_out(on_gpt(), ["ACGTA" * 12], "mask")


@pytest.mark.parametrize("method", ["auto", "reference"])
def test_classes_that_are_called_by_digits_go_by_name_first(method):
    model = model_of("cnn class")  # its classes are called 1, 2 and 3
    every = leave_one_out(model, [FULL], "mask", class_index="all", method=method).scores[0]
    for wanted, column in ((1, 0), ("1", 0), (3, 2), ("3", 2), (np.int64(2), 1), (0, 0), ("0", 0)):
        scored = leave_one_out(model, [FULL], "mask", class_index=wanted, method=method)
        np.testing.assert_array_equal(scored.scores[0], every[:, column], err_msg=repr(wanted))
    for wanted in (4, "4", -1, True, 1.5, "01"):
        with pytest.raises(InputError, match="no class"):
            leave_one_out(model, [FULL], "mask", class_index=wanted, method=method)
    model.config.classes = ["01", "-1", "x"]
    for wanted, column in (("01", 0), (-1, 1), ("-1", 1), (0, 0), ("2", 2)):
        scored = leave_one_out(model, [FULL], "mask", class_index=wanted, method=method)
        np.testing.assert_array_equal(scored.scores[0], every[:, column], err_msg=repr(wanted))
    for wanted in (1, "1", "1.0"):  # YAML reads 01 as 1, which is the number of another class
        with pytest.raises(InputError, match="no class .*1.*, but one that is called '01'"):
            leave_one_out(model, [FULL], "mask", class_index=wanted, method=method)
    model.config.classes = None
    with pytest.raises(InputError, match="0 to 2"):
        leave_one_out(model, [FULL], "mask", class_index=3)


@pytest.mark.parametrize("wanted", ["1", "01", "-1"])
def test_the_command_line_names_a_class_by_digits(wanted, tmp_path):
    model = model_of("cnn class")
    model.config.classes = ["2", "0", wanted]
    save_bundle(model, tmp_path / "bundle")
    (tmp_path / "x.fa").write_text(f">x\n{FULL}\n")
    command = ["--model", tmp_path / "bundle", "--input", tmp_path / "x.fa", "--device", "cpu", "--class-index", wanted]
    score_command([*map(str, command), "--output", str(tmp_path / "x.tsv")])
    found = [float(line.split("\t")[-1]) for line in (tmp_path / "x.tsv").read_text().splitlines()[1:]]
    every = leave_one_out(model, [FULL], "mask", class_index="all").scores[0]
    np.testing.assert_allclose(found, every[:, 2], rtol=1e-5)


@pytest.mark.parametrize("kind", ["cnn class", "gpt"])
def test_replacements_are_spelled_as_freely_as_sequences(kind):
    model = model_of("cnn class") if kind == "cnn class" else on_gpt()
    expected = leave_one_out(model, [FULL[:30]], "replace", {"T": ["C"], "A": ["G", "T"]})
    for spelled in ({"t": ["c"], "a": ["g", "u"]}, {"U": ["C"], "A": "GU"}):
        scored = leave_one_out(model, [FULL[:30].lower()], "replace", spelled)
        np.testing.assert_array_equal(scored.scores, expected.scores)
        assert scored.to_table().equals(expected.to_table()) and len(scored.to_table())
    for wrong in ({"X": ["A"]}, {"A": ["CG"]}, ["B"], {"A": [""]}):
        with pytest.raises(InputError, match="is not one base"):
            leave_one_out(model, [FULL[:30]], "replace", wrong)
