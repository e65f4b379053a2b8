"""Checks of scores, each against the plain way of computing it."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import rankdata, spearmanr

from seqlm.datasets import write_dataset, write_folds
from seqlm.explanation.agreement import agreement, rank_correlation, ranks
from seqlm.explanation.curves import FRACTIONS, curves, fit_kmers, kmer_counts, kmer_importance, rank_order
from seqlm.explanation.dataset_checks import agreement_with, check_curves, retrained_scores
from seqlm.inference.prediction import predict
from seqlm.models.bundle import save_bundle
from seqlm.models.networks.cnn import CNN, CNNConfig


def texts_of(rng, n, length, bases="ACGT"):
    return ["".join(rng.choice(list(bases), length)) for _ in range(n)]


def test_curves_are_predictions_without_the_first_and_with_the_first_bases():
    rng = np.random.default_rng(0)
    texts, weights = texts_of(rng, 4, 30), rng.normal(size=(4, 30))
    orders = [rank_order(row, rng) for row in weights]

    def predict(copies, which):
        kept = np.array([[base != "N" for base in text] for text in copies])
        return (kept * weights[which]).sum(1)

    deletion, insertion = curves(predict, texts, orders)
    for i in range(4):
        falling = np.sort(weights[i])[::-1]
        for j, fraction in enumerate(FRACTIONS):
            count = round(fraction * 30)
            assert deletion[i, j] == pytest.approx(falling[count:].sum())
            assert insertion[i, j] == pytest.approx(falling[:count].sum())


def test_equal_scores_are_no_order():
    rng = np.random.default_rng(1)
    first = [rank_order(np.zeros(50), rng)[0] for _ in range(200)]
    assert len(set(first)) > 40
    assert rank_order([0, 3, 1], rng).tolist() == [1, 2, 0]


def test_importance_by_kmers_is_what_a_sum_over_kmers_loses_with_a_base():
    rng = np.random.default_rng(2)
    weights, text = rng.normal(size=64), "ACGUNACGTTTGCA"

    def value(sequence):
        whole = (sequence[i : i + 3].replace("U", "T") for i in range(len(sequence) - 2))
        return sum(weights[int("".join(str("ACGT".index(b)) for b in k), 4)] for k in whole if "N" not in k)

    expected = [value(text) - value(text[:i] + "N" + text[i + 1 :]) for i in range(len(text))]
    np.testing.assert_allclose(kmer_importance(text, weights), expected, atol=1e-12)
    assert kmer_importance("AC", weights).tolist() == [0, 0]
    assert kmer_counts([text], 3).sum() == sum("N" not in text[i : i + 3] for i in range(len(text) - 2))


def test_weights_of_kmers_are_found_where_predictions_are_their_sum():
    rng = np.random.default_rng(3)
    weights, texts = rng.normal(size=(16, 2)), texts_of(rng, 400, 40)
    values = kmer_counts(texts, 2) @ weights
    found = kmer_counts(texts, 2) @ fit_kmers(texts, values, k=2, ridge=1e-6)
    np.testing.assert_allclose(found - found.mean(0), values - values.mean(0), atol=1e-4)


def test_agreement_is_spearmans_sequence_by_sequence():
    rng = np.random.default_rng(4)
    one, other = rng.integers(0, 9, (6, 40)).astype(float), rng.integers(0, 9, (6, 50)).astype(float)
    one[2, 30:], other[3, :5] = np.nan, np.nan
    one[5] = 1.0  # no order at all: left out
    np.testing.assert_array_equal(ranks(one[0]), rankdata(one[0]))
    expected = [spearmanr(one[i], other[i, :40], nan_policy="omit").statistic for i in range(4)]
    names = np.array(list("abcdef"))
    shared = agreement({"id": names, "scores": one}, {"id": names[[3, 0, 1, 2, 5]], "scores": other[[3, 0, 1, 2, 5]]})
    np.testing.assert_allclose(shared, expected, atol=1e-12)
    assert rank_correlation(one[0], one[0]) == pytest.approx(1) and np.isnan(rank_correlation(one[5], one[0]))


@pytest.mark.parametrize("target", ["track", "scalar", "class"])
def test_curves_of_a_network_begin_at_its_prediction_and_end_at_that_of_no_base(target, tmp_path):
    rng = np.random.default_rng(5)
    texts = texts_of(rng, 30, 60)
    labels = {"track": [np.ones(60)] * 30, "scalar": np.arange(30.0), "class": ["x", "y"] * 15}[target]
    names, classes = [f"s{i}" for i in range(30)], ["x", "y"] if target == "class" else None
    examples = pd.DataFrame({"id": names, "sequence": texts, "target": labels})
    write_dataset(tmp_path / "data", examples, {"dataset": "toy", "target": target, "classes": classes})
    parts = pd.DataFrame({"id": names, "fold": 0, "part": ["train"] * 15 + ["test"] * 15})
    write_folds(tmp_path / "data/folds.tsv", parts)
    torch.manual_seed(0)
    more = {"n_outputs": 2, "classes": classes} if classes else {}
    model = CNN(CNNConfig(target=target, filters=8, hidden=8, kernel=5, **more))
    save_bundle(model, tmp_path / "bundle")
    arrays = retrained_scores(tmp_path / "bundle", tmp_path / "data", {"edit": "mask", "models": ["any"]}, 15, "cpu")
    curves, areas = check_curves(tmp_path / "bundle", tmp_path / "data", arrays, ("d", "m"), examples=12, device="cpu")

    def value(sequences):
        found = predict(model, sequences, device="cpu")
        return found.sum(1) if target == "track" else found.reshape(len(sequences), -1)

    whole, blank = value(texts[15:27]), value(["N" * 60] * 12)
    if classes:
        best = whole.argmax(1, keepdim=True)
        whole, blank = whole.gather(1, best), blank.gather(1, best)
    change = float((blank - whole).mean())
    for (way, order), rows in curves.groupby(["way", "order"]):
        ends = rows["value"].to_numpy()[[0, -1]]
        np.testing.assert_allclose(ends, [0, change] if way == "deletion" else [change, 0], atol=1e-4, err_msg=order)
    assert (areas["low"] <= areas["difference"]).all() and (areas["difference"] <= areas["high"]).all()
    assert areas.set_index("against").loc["random", "low"] > 0
    ((*_, kind, name, shared, mean, low, high),) = agreement_with(arrays, arrays, ("d", "m"), "seed", "2")
    assert (kind, name, shared, low, high) == ("seed", "2", 15, pytest.approx(1), pytest.approx(1))
    assert agreement_with(arrays, arrays | {"id": np.array(["none"] * 15)}, ("d", "m"), "seed", "2") == []
