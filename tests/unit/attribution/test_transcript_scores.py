"""Scores by region of an mRNA and along one transcript."""

import numpy as np
import pandas as pd
import pytest

from seqlm.attribution.transcript_scores import REGIONS, region_masks, region_means, transcript_arrays
from seqlm.common.errors import InputError

TOKENS = [*"acAtg", "Gej", *"ctta", "aej", "n"]  # 5'UTR 2, CDS 6, 3'UTR 4; junctions before positions 5 and 10


def table(tokens, scores, name="x"):
    rows = {"sequence": name, "token": tokens, "start_offset": range(len(tokens)), "loo": scores}
    return pd.DataFrame(rows).sample(frac=1, random_state=0)


def test_regions_of_tokens():
    masks = dict(zip(REGIONS, region_masks(TOKENS, near=2), strict=True))
    assert np.flatnonzero(masks["5'UTR"]).tolist() == [0, 1]
    assert np.flatnonzero(masks["CDS"]).tolist() == [2, 3, 4, 5, 6, 7]
    assert np.flatnonzero(masks["3'UTR"]).tolist() == [8, 9, 10, 11]
    assert np.flatnonzero(masks["near junctions"]).tolist() == [3, 4, 5, 6, 8, 9, 10, 11]
    assert (masks["away from junctions"] == ~masks["near junctions"]).all()


def test_without_codons_all_is_3utr():
    assert [mask.sum() for mask in region_masks(["a", "c", "g"])] == [0, 0, 3, 0, 3]


def test_means_by_region():
    scores = np.array([1, -3, *[0.5] * 6, *[-2] * 4], float)
    two = pd.concat([table(TOKENS, scores, "x"), table(TOKENS, 3 * scores, "y")])
    found = region_means({"m": two}, "d", near=2).set_index("region")
    assert found.loc["5'UTR", "mean"] == 4
    assert found.loc["CDS", "mean"] == 1
    assert found.loc["3'UTR", "mean"] == 4
    assert found.loc["CDS", "tokens"] == 12
    assert (found.loc["CDS", ["low", "high"]] == [0.5, 1.5]).all()  # one sequence or the other drawn twice


def test_replacements_are_averaged():
    doubled = pd.concat([table(TOKENS, np.ones(12)), table(TOKENS, np.full(12, 3.0))])
    arrays = transcript_arrays({"m": doubled})
    assert arrays["scores"].tolist() == [[2.0] * 12]


def test_along_a_transcript_of_which_models_read_either_end():
    left = table(TOKENS[:7], range(7))
    right = table(TOKENS[5:], range(5, 12)).assign(start_offset=lambda rows: rows["start_offset"] + 5)
    for models in ({"one": left, "two": right}, {"two": right, "one": left}):
        arrays = transcript_arrays(models)
        assert arrays["codes"].tolist() == [0, 1, 0, 3, 2, 2, 1, 3, 3, 0, 0, 4]
        assert arrays["cds"].tolist() == [2, 8]
        scores = dict(zip(arrays["models"], arrays["scores"], strict=True))
        np.testing.assert_array_equal(scores["one"], [*range(7), *[np.nan] * 5])
        np.testing.assert_array_equal(scores["two"], [*[np.nan] * 5, *range(5, 12)])
    alone = transcript_arrays({"two": right})
    assert alone["codes"].tolist() == [4, 4, 4, 4, 4, 2, 1, 3, 3, 0, 0, 4]


def test_along_a_transcript():
    other = table(["a", "c"], [9, 9], "short")
    longer = pd.concat([other, table(TOKENS, range(12))])
    shorter = pd.concat([other, table(TOKENS[:9], range(9))])
    arrays = transcript_arrays({"one": longer, "two": shorter})
    assert arrays["id"] == "x"  # the first with a CDS and a junction
    assert arrays["codes"].tolist() == [0, 1, 0, 3, 2, 2, 1, 3, 3, 0, 0, 4]
    assert arrays["cds"].tolist() == [2, 8]
    assert arrays["junctions"].tolist() == [4, 9]
    assert arrays["scores"][0].tolist() == list(range(12))
    assert np.isnan(arrays["scores"][1, 9:]).all()
    with pytest.raises(InputError, match="'z' was not scored"):
        transcript_arrays({"one": longer}, "z")
