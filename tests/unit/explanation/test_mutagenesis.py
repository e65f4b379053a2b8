"""Saturation mutagenesis: which examples, and what each base does there."""

import numpy as np
import pytest

from seqlm.common.errors import InputError
from seqlm.explanation.choosing import top_examples
from seqlm.explanation.mutagenesis import effects_by_base, mutagenesis


def scores_of(codes, weights, replacements="ACGT"):
    """Edit replace of a model that adds up a weight for each base at each position."""
    codes = np.asarray(codes, np.uint8)
    own = np.take_along_axis(np.broadcast_to(weights, (*codes.shape, 4)), codes[..., None].clip(max=3).astype(int), 2)
    replaced = np.stack([weights[None, :, "ACGT".index(base)] - own[..., 0] for base in replacements], 2)
    return {
        "id": np.array([f"s{i}" for i in range(len(codes))]), "codes": codes, "replaced": np.float32(replaced),
        "replacements": np.array(list(replacements)), "prediction": np.float32(own.sum((1, 2))),
    }  # fmt: skip


def test_top_examples_are_predicted_highest_by_all_models_together():
    names = np.array(["a", "b", "c", "d"])
    one = {"id": names, "prediction": np.array([1.0, 2.0, 3.0, 0.0])}
    other = {"id": names, "prediction": np.array([900.0, 100.0, 500.0, 0.0])}  # in other units
    assert top_examples({"one": one}, 2) == ["c", "b"]
    assert top_examples({"one": one, "other": other}, 9) == ["c", "a", "b", "d"]
    with pytest.raises(InputError, match="scores of other: scores other examples"):
        top_examples({"one": one, "other": other | {"id": names[::-1]}}, 2)


def test_effects_are_differences_of_weights_and_none_for_the_base_that_is_there():
    rng = np.random.default_rng(0)
    codes, weights = rng.integers(0, 4, (5, 7)), rng.normal(size=(7, 4))
    expected = weights[None] - np.array([[weights[j, c] for j, c in enumerate(row)] for row in codes])[..., None]
    for order in ("ACGT", "TGAC"):
        np.testing.assert_allclose(effects_by_base(scores_of(codes, weights, order)), expected, atol=1e-6)
    few = effects_by_base(scores_of(codes, weights, "GA"))
    assert np.isnan(few[..., [1, 3]][codes[..., None] != [1, 3]]).all()
    np.testing.assert_allclose(few[..., [0, 2]], expected[..., [0, 2]], atol=1e-6)
    assert np.isnan(effects_by_base(scores_of(codes, weights, "GA") | {"replacements": np.array(["N", "cds"])})).all()


def test_examples_of_all_models_are_the_same_and_end_where_they_end():
    rng = np.random.default_rng(1)
    codes = rng.integers(0, 4, (4, 9))
    codes[:, 6:] = 4
    made = {m: scores_of(codes, rng.normal(size=(9, 4))) for m in ("one", "other")}
    for arrays in made.values():
        arrays["replaced"][:, 6:] = np.nan
    picked = mutagenesis(made, 2)
    assert picked["id"].tolist() == top_examples(made, 2) and picked["models"].tolist() == ["one", "other"]
    rows = [int(name[1:]) for name in picked["id"]]
    np.testing.assert_array_equal(picked["other/codes"], codes[rows, :6])
    np.testing.assert_array_equal(picked["one/effects"], effects_by_base(made["one"])[rows, :6])
