"""Shifted copies against a plain loop, and the promise that no motif is ever cut."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqlm.datasets.augmentation import edge_motifs, shift_rows, shifted_copies


def motif_runs(row, least):
    """Start and end of runs of equal non-zero scores, the slow way."""
    runs, start = [], 0
    for i in range(1, len(row) + 1):
        if i == len(row) or row[i] != row[start]:
            if row[start] != 0 and i - start >= least:
                runs.append((start, i))
            start = i
    return runs


@st.composite
def score_rows(draw):
    pieces = draw(st.lists(st.tuples(st.integers(0, 14), st.sampled_from([0.0, 1.0, 2.5])), min_size=1, max_size=6))
    row = np.concatenate([np.full(n, v) for n, v in pieces] + [np.zeros(3)])
    return np.pad(row, (0, 90 - len(row)))


@given(st.lists(score_rows(), min_size=1, max_size=4))
def test_edges_agree_with_a_plain_loop(rows):
    left, right = edge_motifs(np.array(rows))
    for row, a, b in zip(rows, left, right, strict=True):
        runs = motif_runs(row, 10)
        assert a == (runs[0][0] if runs else len(row))
        assert b == (len(row) - runs[-1][1] if runs else len(row))


def test_shift_moves_and_pads():
    rows = np.array([[1, 2, 3, 4], [1, 2, 3, 4], [1, 2, 3, 4]], dtype=np.uint8)
    moved = shift_rows(rows, [1, -2, 9], fill=0)
    assert moved.tolist() == [[0, 1, 2, 3], [3, 4, 0, 0], [0, 0, 0, 0]]
    assert moved.dtype == np.uint8


@given(st.lists(score_rows(), min_size=1, max_size=5), st.integers(1, 4), st.integers(0, 5))
def test_copies_are_true_shifts_and_keep_every_motif(rows, copies, seed):
    targets = np.array(rows)
    codes = np.random.default_rng(seed).integers(0, 4, targets.shape).astype(np.uint8)
    X, y, origin = shifted_copies(codes, targets, copies=copies, max_shift=10, seed=seed)
    n, length = codes.shape
    assert np.array_equal(X[:n], codes) and np.array_equal(y[:n], targets) and X.dtype == np.uint8
    assert np.bincount(origin, minlength=n).max() <= 1 + copies
    seen = set()
    for x, scores, i in zip(X[n:], y[n:], origin[n:], strict=True):
        shifts = [s for s in range(-10, 11) if s and np.array_equal(x, shift_rows(codes[i : i + 1], [s], 4)[0])]
        assert len(shifts) == 1 and (i, shifts[0]) not in seen  # a true shift, and not its sibling's
        seen.add((i, shifts[0]))
        assert np.array_equal(scores, shift_rows(targets[i : i + 1], shifts, 0)[0])
        before, after = motif_runs(targets[i], 10), motif_runs(scores, 10)
        assert [(a + shifts[0], b + shifts[0]) for a, b in before] == after


def test_every_allowed_shift_is_about_equally_likely():
    targets = np.zeros((20000, 30))
    targets[:, 3:13] = 2.0  # nothing may move further left than 3
    codes = np.tile(np.arange(30) == 15, (20000, 1)).astype(np.uint8)
    X, _, _ = shifted_copies(codes, targets, max_shift=5, seed=1)
    shift = np.argmax(X[20000:] == 1, axis=1)
    values, counts = np.unique(shift - 15, return_counts=True)
    assert values.tolist() == [-3, -2, -1, 1, 2, 3, 4, 5]
    assert np.abs(counts - 2500).max() < 200


def test_no_copy_where_every_shift_would_cut():
    targets = np.ones((1, 40))
    X, _, _ = shifted_copies(np.zeros((1, 40), np.uint8), targets, copies=3)
    assert len(X) == 1


def test_zero_copies_or_shifts_change_nothing_and_seeds_matter():
    codes, targets = np.zeros((3, 20), np.uint8), np.zeros((3, 20))
    assert len(shifted_copies(codes, targets, copies=0)[0]) == 3
    assert len(shifted_copies(codes, targets, max_shift=0)[0]) == 3
    codes = np.random.default_rng(0).integers(0, 4, (50, 60))
    targets = np.zeros((50, 60))
    a, b, c = (shifted_copies(codes, targets, seed=s)[0] for s in (1, 1, 2))
    assert np.array_equal(a, b) and not np.array_equal(a, c)
    with pytest.raises(ValueError):
        shifted_copies(codes, targets[:, :10])
