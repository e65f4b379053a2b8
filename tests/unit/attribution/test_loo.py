"""What leave-one-out scores mean, against predictions for sequences edited by hand."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from seqlm import InputError, leave_one_out, predict
from seqlm.models.bundle import save_bundle
from seqlm.models.language.backbone import BackboneModel
from seqlm.models.language.gpt import GPTConfig, GPTModel
from seqlm.models.networks.cnn import CNN, CNNConfig
from seqlm.tokenization import learn_tokenizer

SEQUENCES = ["ACGTTGCANACGTAC", "GGGTACCAT"]


@pytest.fixture
def track():
    torch.manual_seed(0)
    return CNN(CNNConfig(filters=8, hidden=8, kernel=5)).eval()


def by_hand(model, sequence, edited, reduce=lambda y: y.sum(-1)):
    """Differences that edited texts, as long as the sequence, make."""
    y = reduce(predict(model, [sequence, *edited]).double())
    return (y[1:] - y[0]).numpy()


@pytest.mark.parametrize("method", ["auto", "reference"])
def test_edits_are_those_of_the_text(track, method):
    masked = leave_one_out(track, SEQUENCES, "mask", method=method)
    removed = leave_one_out(track, SEQUENCES, "remove", method=method)
    replaced = leave_one_out(track, SEQUENCES, "replace", method=method)
    assert masked.scores.shape == removed.scores.shape == (2, 15)
    assert replaced.scores.shape == (2, 15, 4) and replaced.replacements == list("ACGT")
    for i, sequence in enumerate(SEQUENCES):
        n = len(sequence)
        mask = by_hand(track, sequence, [sequence[:p] + "N" + sequence[p + 1 :] for p in range(n)])
        remove = by_hand(track, sequence, [sequence[:p] + sequence[p + 1 :] + "N" for p in range(n)])
        replace = by_hand(track, sequence, [sequence[:p] + b + sequence[p + 1 :] for p in range(n) for b in "ACGT"])
        np.testing.assert_allclose(masked.scores[i, :n], mask, atol=2e-6)
        np.testing.assert_allclose(removed.scores[i, :n], remove, atol=2e-6)
        np.testing.assert_allclose(replaced.scores[i, :n], replace.reshape(n, 4), atol=2e-6)
        assert masked.prediction[i] == pytest.approx(float(predict(track, [sequence]).sum()), abs=1e-5)
    assert np.isnan(masked.scores[1, 9:]).all() and np.isfinite(masked.scores[1, :9]).all()
    assert masked.scores[0, 8] == 0  # an N was there already
    own = ["ACGT".index(base) for base in SEQUENCES[1]]
    assert (replaced.scores[1, np.arange(9), own] == 0).all()


def test_fixed_length_reads_and_scores_what_fits(track):
    torch.manual_seed(0)
    model = CNN(CNNConfig(filters=8, hidden=8, kernel=5, length=12)).eval()
    scored = leave_one_out(model, SEQUENCES, "remove")
    assert scored.scores.shape == (2, 12)
    assert [len(tokens) for tokens in scored.tokens] == [12, 9]
    sequence = SEQUENCES[1]
    expected = by_hand(
        model, sequence, [sequence[:p] + sequence[p + 1 :] for p in range(9)], lambda y: y[:, :9].sum(-1)
    )
    np.testing.assert_allclose(scored.scores[1, :9], expected, atol=2e-6)


@pytest.mark.parametrize("method", ["auto", "reference"])
def test_reductions_of_tracks(track, method):
    sequence = SEQUENCES[1]
    whole = leave_one_out(track, [sequence], "mask", reduce="track", method=method)
    assert whole.scores.shape == (1, 9, 9) and whole.prediction.shape == (1, 9)
    np.testing.assert_allclose(whole.prediction, predict(track, [sequence]), atol=1e-6)
    edited = [sequence[:p] + "N" + sequence[p + 1 :] for p in range(9)]
    np.testing.assert_allclose(whole.scores[0], by_hand(track, sequence, edited, lambda y: y), atol=2e-6)
    mean = leave_one_out(track, [sequence], "mask", reduce="mean", method=method)
    np.testing.assert_allclose(mean.scores[0], whole.scores[0].mean(1), atol=1e-6)
    largest = leave_one_out(track, [sequence], "mask", reduce=lambda y: y.amax(-1), method=method)
    np.testing.assert_allclose(largest.scores[0], by_hand(track, sequence, edited, lambda y: y.amax(-1)), atol=2e-6)


@pytest.mark.parametrize("method", ["auto", "reference"])
def test_classes(method):
    torch.manual_seed(1)
    config = CNNConfig(filters=8, hidden=8, kernel=5, target="class", n_outputs=3, classes=["a", "b", "c"])
    model = CNN(config).eval()
    logits = predict(model, SEQUENCES)
    every = leave_one_out(model, SEQUENCES, "mask", class_index="all", method=method)
    assert every.scores.shape == (2, 15, 3)
    np.testing.assert_allclose(every.prediction, logits, atol=1e-6)
    best = leave_one_out(model, SEQUENCES, "mask", method=method)
    assert best.predicted == ["abc"[i] for i in logits.argmax(1).tolist()]
    for i in range(2):
        np.testing.assert_array_equal(best.scores[i], every.scores[i, :, logits[i].argmax()])
    third = leave_one_out(model, SEQUENCES, "mask", class_index=2, method=method)
    np.testing.assert_array_equal(third.scores, every.scores[..., 2])
    assert set(best.to_table()["pred"]) <= set("abc")


@pytest.mark.parametrize("scaling", [None, {"kind": "log", "offset": 1.0, "scale": 2.0}])
def test_scalars_are_compared_in_the_units_of_the_labels(scaling):
    torch.manual_seed(1)
    model = CNN(CNNConfig(filters=8, hidden=8, kernel=5, target="scalar", label_scaling=scaling)).eval()
    sequence = SEQUENCES[1]
    edited = [sequence[:p] + "N" + sequence[p + 1 :] for p in range(9)]
    unscaled = (lambda y: (y * 2 + 1).exp()) if scaling else (lambda y: y)
    scored = leave_one_out(model, [sequence], "mask")
    np.testing.assert_allclose(scored.scores[0], by_hand(model, sequence, edited, unscaled), atol=1e-5)


def test_replacements_by_token(track):
    scored = leave_one_out(track, ["ACGN"], "replace", {"A": ["G"], "C": ["T", "A"]})
    assert scored.replacements == ["G", "T", "A"]
    assert np.argwhere(np.isfinite(scored.scores[0])).tolist() == [[0, 0], [1, 1], [1, 2]]
    assert len(scored.to_table()) == 3


def test_table(track):
    table = leave_one_out(track, SEQUENCES, "replace", ["A", "C"]).to_table(ids=["x", "y"], labels=[1.5, None])
    assert list(table) == ["sequence", "token", "replacement", "label", "pred", "start_offset", "end_offset", "loo"]
    assert len(table) == (15 + 9) * 2
    row = table.iloc[31]
    assert (row["sequence"], row["token"], row["replacement"]) == ("y", "G", "C")
    assert (row["start_offset"], row["end_offset"]) == (0, 1)
    masked = leave_one_out(track, SEQUENCES[:1], "mask")
    table = masked.to_table()
    assert table["token"].str.cat() == SEQUENCES[0] and set(table["replacement"]) == {""}
    np.testing.assert_array_equal(table["loo"], masked.scores[0])
    assert table["pred"].nunique() == 1 and table["label"].isna().all()
    with pytest.raises(ValueError, match="one score per edit"):
        leave_one_out(track, SEQUENCES, reduce="track").to_table()
    assert isinstance(table, pd.DataFrame)


class Counter(nn.Module):
    """Number of each base, weighted by position."""

    def forward(self, X):
        return (X * torch.arange(1.0, X.shape[-1] + 1)).sum(-1) @ torch.tensor([[1.0], [10], [100], [1000]])


def test_foreign_modules_take_one_hot():
    sequence = "ACGT"
    masked = leave_one_out(Counter(), [sequence], "mask")
    assert masked.scores[0].tolist() == [-1, -20, -300, -4000]
    assert masked.prediction.tolist() == [4321]
    removed = leave_one_out(Counter(), [sequence], "remove")
    # CGT, then no base: C, G and T each move one to the left.
    assert removed.scores[0].tolist() == [10 + 200 + 3000 - 4321, 1 + 200 + 3000 - 4321, 1 + 20 + 3000 - 4321, -4000]
    replaced = leave_one_out(Counter(), [sequence], "replace", ["T"])
    assert replaced.scores[0, :, 0].tolist() == [999, 1980, 2700, 0]
    doubled = leave_one_out(Counter(), [sequence], "mask", func=lambda y: 2 * y)
    assert doubled.scores[0].tolist() == [-2, -40, -600, -8000]


def test_models_whose_tokens_are_not_bases_get_edited_text():
    torch.manual_seed(0)
    tokenizer = learn_tokenizer("kmer", k=3)
    size = {"vocab_size": len(tokenizer), "block_size": 32, "n_layer": 1, "n_head": 2, "n_embd": 16}
    core = GPTModel(GPTConfig(**size, pad_token_id=tokenizer.pad_token_id))
    model = BackboneModel.on(core, tokenizer, head="pooled", target="scalar").eval()
    sequence = "ACGTTGCAC"
    masked = leave_one_out(model, [sequence], "mask").scores[0]
    removed = leave_one_out(model, [sequence], "remove").scores[0]
    edited = [sequence[:p] + "N" + sequence[p + 1 :] for p in range(9)]
    np.testing.assert_allclose(masked, by_hand(model, sequence, edited, lambda y: y), atol=1e-6)
    edited = [sequence[:p] + sequence[p + 1 :] for p in range(9)]
    np.testing.assert_allclose(removed, by_hand(model, sequence, edited, lambda y: y), atol=1e-6)


def test_bundle_and_16_bits(track, tmp_path):
    save_bundle(track, tmp_path / "bundle")
    exact = leave_one_out(track, SEQUENCES, "mask").scores
    np.testing.assert_array_equal(leave_one_out(tmp_path / "bundle", SEQUENCES, "mask").scores, exact)
    rough = leave_one_out(track, SEQUENCES, "mask", dtype="bfloat16").scores
    np.testing.assert_allclose(rough, exact, atol=0.1)
    assert not np.array_equal(rough, exact, equal_nan=True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"edit": "delete"}, "no such edit"),
        ({"edit": "mask", "replacements": ["A"]}, "mean nothing"),
        ({"reduce": "median"}, "no such reduction"),
        ({"method": "fast"}, "no such method"),
        ({"class_index": "best"}, "no class"),
    ],
)
def test_wrong_options_are_one_line(track, options, message):
    with pytest.raises(InputError, match=message):
        leave_one_out(track, SEQUENCES, **options)


@pytest.mark.parametrize("sequences", [[], "ACGT"])
def test_sequences_are_a_list(track, sequences):
    with pytest.raises(ValueError, match="list"):
        leave_one_out(track, sequences)


def test_a_run_of_equal_bases_has_one_score():
    """Whichever base of a run is removed, the same sequence is left."""
    torch.manual_seed(0)
    model = CNN(CNNConfig(filters=8, hidden=8, kernel=5)).eval()
    text = "ACGGGGTNNAATTTTTTTTTTTT"
    scores = leave_one_out(model, [text], "remove", device="cpu").scores[0]
    for start, end in ((2, 6), (7, 9), (9, 11), (11, 23)):
        assert len(set(scores[start:end].tolist())) == 1
    exact = leave_one_out(model, [text], "remove", method="reference", device="cpu").scores[0]
    np.testing.assert_allclose(scores, exact, atol=1e-5)
