"""What a page to browse in shows is what the files say, example by example."""

import json

import numpy as np
import pandas as pd
import pytest

from seqlm.explanation.browsing import STEPS, browsing
from seqlm.explanation.hits import COLUMNS


def study(target="scalar", models=("one", "other"), n=6, length=12):
    """Scores, predictions and examples; number 1 lies on the minus strand, number 2 nowhere, the last has no label."""
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 4, (n, length)).astype(np.uint8)
    ids = [f"s{i}" for i in range(n)]
    labels = {
        "scalar": [*rng.normal(size=n - 1), None], "class": [*rng.choice(["a", "b"], n - 1), None],
        "track": list(rng.normal(size=(n, length))),
    }[target]  # fmt: skip
    examples = pd.DataFrame({
        "id": ids, "sequence": ["".join("ACGT"[c] for c in row) for row in codes], "target": labels, "chrom": "chr1",
        "start": 100 * np.arange(n), "end": 100 * np.arange(n) + length, "strand": ["+", "-", None, "+", "+", "+"][:n],
    })  # fmt: skip
    examples.loc[2, "chrom"] = None
    scores = {m: {"id": np.array(ids), "codes": codes, "scores": rng.normal(size=(n, length)).astype(np.float32),
                  "prediction": rng.normal(size=n)} for m in models}  # fmt: skip
    values = {"scalar": lambda: rng.normal(size=n), "class": lambda: list(rng.dirichlet([1, 1], n)),
              "track": lambda: list(rng.normal(size=(n, length)))}[target]  # fmt: skip
    predictions = {m: pd.DataFrame({"id": ids, "prediction": values()}).sample(frac=1, random_state=1) for m in models}
    return scores, predictions, examples


def test_scores_are_importances_in_steps_of_the_largest_and_examples_come_by_mean_rank():
    scores, predictions, examples = study()
    scores["one"]["scores"][:, 9:] = np.nan
    scores["one"]["scores"][0, 3] = np.nan
    shown = browsing(scores, predictions, examples, "scalar")
    json.dumps(shown, allow_nan=False)
    ranks = sum(pd.Series(own["prediction"]).rank() for own in scores.values())
    assert [e["id"] for e in shown["examples"]] == [f"s{i}" for i in (-ranks).sort_values(kind="stable").index]
    assert shown["scored"] == 6 and shown["models"] == ["one", "other"]
    for e in shown["examples"]:
        i = int(e["id"][1:])
        assert e["sequence"] == examples["sequence"][i]
        assert e["place"] == ("" if i == 2 else f"chr1:{100 * i}-{100 * i + 12} {['+', '-'][i == 1]}")
        for model, own in zip(shown["models"], e["models"], strict=True):
            found = np.array([np.nan if s is None else s * own["scale"] / STEPS for s in own["scores"]])
            expected = -scores[model]["scores"][i][: 9 if model == "one" else 12]
            np.testing.assert_allclose(found, expected, atol=own["scale"] / STEPS)
            value = predictions[model].set_index("id")["prediction"][e["id"]]
            assert own["predicted"] == pytest.approx(value)
            label = examples["target"][i]
            assert own["error"] == (None if np.isnan(label) else pytest.approx(abs(value - label)))
        assert e["observed"] == (None if i == 5 else pytest.approx(examples["target"][i]))


def test_classes_have_names_probabilities_and_errors():
    scores, predictions, examples = study("class", models=["one"])
    shown = browsing(scores, predictions, examples, "class", ["a", "b"])
    for e in shown["examples"]:
        p, (own,) = predictions["one"].set_index("id")["prediction"][e["id"]], e["models"]
        assert own["predicted"] == "ab"[int(p[1] > p[0])] and own["probability"] == pytest.approx(max(p))
        expected = None if e["observed"] is None else pytest.approx(1 - p["ab".index(e["observed"])])
        assert own["error"] == expected
    assert [e["observed"] for e in shown["examples"] if e["id"] == "s5"] == [None]


def test_tracks_are_there_whole_and_as_their_sum():
    scores, predictions, examples = study("track", models=["one"])
    e = browsing(scores, predictions, examples, "track")["examples"][0]
    label = examples.set_index("id")["target"][e["id"]]
    values = predictions["one"].set_index("id")["prediction"][e["id"]]
    assert e["observed"] == pytest.approx(label.sum()) and e["models"][0]["predicted"] == pytest.approx(values.sum())
    np.testing.assert_allclose(e["track"], label, rtol=1e-3)
    np.testing.assert_allclose(e["models"][0]["track"], values, rtol=1e-3)
    assert e["models"][0]["error"] == pytest.approx(np.abs(label - values).mean())


def test_hits_lie_in_the_sequence_whatever_strand_its_place_is_on():
    scores, predictions, examples = study(models=["one"])
    rows = [["chr1", 2, 5, "m1", 900, "+", 9.0, 0.1, "s0"], ["chr1", 102, 105, "m1", 900, "+", 9.0, 0.1, "s1"],
            ["s2", 2, 5, "m1", 900, "-", 9.0, 0.1, "s2"]]  # fmt: skip
    shown = browsing(scores, predictions, examples, "scalar", hits={"one": pd.DataFrame(rows, columns=COLUMNS)})
    hits = {e["id"]: e["models"][0]["hits"] for e in shown["examples"]}
    assert hits["s0"] == [[2, 5, "+", "m1"]] and hits["s2"] == [[2, 5, "-", "m1"]]
    assert hits["s1"] == [[7, 10, "-", "m1"]] and hits["s3"] == []


def test_a_page_has_a_largest_size_and_one_example_at_least():
    scores, predictions, examples = study()
    assert len(browsing(scores, predictions, examples, "scalar", most=3)["examples"]) == 3
    assert len(browsing(scores, predictions, examples, "scalar", most_scores=2 * 12 * 2)["examples"]) == 2
    assert len(browsing(scores, predictions, examples, "scalar", most_scores=1)["examples"]) == 1
