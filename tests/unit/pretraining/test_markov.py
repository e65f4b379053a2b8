"""The Markov baseline against counting by hand and sources whose entropy is known."""

from collections import Counter

import numpy as np
import pytest

from seqlm.pretraining.markov import Markov, choose_markov, count_words


def chain(order, n, seed=0, sharpness=0.3):
    """A random Markov chain, and its entropy rate measured along the way."""
    rng = np.random.default_rng(seed)
    table = rng.dirichlet(np.full(4, sharpness), 4**order)
    cumulative, codes, state, bits = table.cumsum(1), np.empty(n, np.uint8), 0, 0.0
    for i, u in enumerate(rng.random(n)):
        x = min(int((u > cumulative[state]).sum()), 3)
        bits -= np.log2(table[state, x])
        codes[i], state = x, (state * 4 + x) % 4**order
    return codes, bits / n


def test_words_are_counted_as_by_hand():
    codes = np.random.default_rng(0).integers(0, 4, 500).astype(np.uint8)
    by_hand = Counter(int("".join(map(str, codes[i : i + 3])), 4) for i in range(498))
    counts = count_words(codes, 3)
    assert {i: c for i, c in enumerate(counts.tolist()) if c} == by_hand
    assert count_words(codes[:2], 3).sum() == 0


def test_order_zero_is_base_frequencies():
    codes = np.array([0] * 70 + [1] * 30, np.uint8)
    model = Markov(0, strength=1e-9).fit(codes)
    assert model.tables[0] == pytest.approx(np.array([[0.7, 0.3, 0, 0]]), abs=1e-6)


def test_probabilities_interpolate_towards_the_lower_order():
    codes = np.array([0, 1, 0, 1, 0, 2], np.uint8)
    model = Markov(1, strength=2.0).fit(codes)
    # words of two bases: 01 01 02 10 10; the lower order is counted from the same words' second bases
    lower = (np.array([2, 2, 1, 0]) + 2 * 0.25) / 7
    assert model.tables[0][0] == pytest.approx(lower)
    assert model.tables[1][0] == pytest.approx((np.array([0, 2, 1, 0]) + 2 * lower) / 5)
    assert model.tables[1][3] == pytest.approx(lower)  # a context never seen predicts as its ending
    assert all(np.allclose(table.sum(1), 1) for table in model.tables)


def test_bits_use_the_bases_before_each_position():
    codes = np.random.default_rng(1).integers(0, 4, 400).astype(np.uint8)
    model = Markov(3, 1.0).fit(codes)
    rows = codes[:40].reshape(2, 20)
    scored = np.ones(rows.shape, bool)
    bits = iter(model.bits(rows, scored))
    for row in rows:
        for i, x in enumerate(row):
            k = min(i, 3)
            word = int("".join(map(str, row[i - k : i])) or "0", 4)
            assert next(bits) == pytest.approx(-np.log2(model.tables[k][word, x]), rel=1e-6)


@pytest.mark.parametrize("order", [0, 2, 4])
def test_the_right_order_is_found_and_reaches_the_entropy(order):
    codes, entropy = chain(order, 120_000)
    model = choose_markov(codes[:100_000], max_order=7)
    rows = codes[100_000:].reshape(-1, 100)
    scored = np.broadcast_to(np.arange(100) >= 10, rows.shape)
    assert model.order == order or not order  # an order of 0 differs from a strongly smoothed 1 by chance only
    assert model.bits(rows, scored).mean() == pytest.approx(entropy, abs=0.03)


def test_random_bases_cost_two_bits_and_short_sequences_work():
    codes = np.random.default_rng(2).integers(0, 4, 50_000).astype(np.uint8)
    model = choose_markov(codes)
    assert model.bits(codes[:1000].reshape(10, 100), np.ones((10, 100), bool)).mean() == pytest.approx(2, abs=0.02)
    assert choose_markov(codes[:20]).order <= 2
