"""Checks of scores, each against the plain way of computing it."""

import numpy as np
import pytest
from scipy.stats import rankdata, spearmanr

from seqlm.explanation.agreement import agreement, rank_correlation, ranks
from seqlm.explanation.curves import FRACTIONS, curves, fit_kmers, kmer_counts, kmer_importance, rank_order


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
