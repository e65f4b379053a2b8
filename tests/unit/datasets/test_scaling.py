"""Label scaling: what it does, that it is inverted exactly, and that test labels never reach it."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from seqlm.common.errors import InputError
from seqlm.datasets.scaling import KINDS, fit_scaling, scale_labels, unscale

labels = st.lists(st.floats(0.01, 1e4), min_size=2, max_size=20)


@given(labels, st.sampled_from(KINDS))
def test_inverted_on_output(y, kind):
    scaling = fit_scaling(y, kind)
    np.testing.assert_allclose(unscale(scale_labels(y, scaling), scaling), y, rtol=1e-6)
    tensor = torch.tensor(scale_labels(y, scaling))
    np.testing.assert_allclose(unscale(tensor, scaling).numpy(), y, rtol=1e-6)


def test_what_each_kind_means():
    y = np.array([1.0, 2.0, 4.0, np.nan])
    assert scale_labels(y, fit_scaling(y, "minmax"))[:3].tolist() == [0, pytest.approx(1 / 3), 1]
    standard = scale_labels(y, fit_scaling(y, "standard"))[:3]
    assert standard.mean() == pytest.approx(0)
    assert standard.std() == pytest.approx(1)
    log = scale_labels(y, fit_scaling(y, "log"))[:3]
    assert log[1] - log[0] == pytest.approx(log[2] - log[1])
    assert scale_labels(y, fit_scaling(y, "none"))[:3].tolist() == [1, 2, 4]


def test_labels_that_were_not_fitted_change_nothing():
    """The scaling of a fold is that of its training part, whatever the other parts hold."""
    y = np.arange(10.0)
    training, other = y[:6], y[6:]
    before = fit_scaling(training)
    other[:] = 1e6
    assert fit_scaling(training) == before
    assert before != fit_scaling(y)
    assert scale_labels(other, before).min() > 1e5


def test_test_labels_below_zero_are_missing_in_log_units():
    scaling = fit_scaling([1.0, 3.0], "log")
    assert np.isnan(scale_labels([-1.0, 2.0], scaling)).tolist() == [True, False]


def test_equal_labels():
    assert scale_labels([3.0, 3.0], fit_scaling([3.0, 3.0])).tolist() == [0, 0]


def test_mistakes():
    with pytest.raises(InputError, match="unknown"):
        fit_scaling([1.0], "sqrt")
    with pytest.raises(InputError, match="no label"):
        fit_scaling([np.nan])
    with pytest.raises(InputError, match="-1"):
        fit_scaling([1.0, -1.0], "log")
