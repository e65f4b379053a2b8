"""The contest: representatives chosen by validation, one question a pair, p values adjusted for what was asked."""

import made_up
import numpy as np
import pandas as pd
import pytest

from seqlm.evaluation.contest.comparison import compare
from seqlm.evaluation.contest.families import adjusted, holm, questions, representatives
from seqlm.evaluation.words import CONTROL, LANGUAGE_FAMILY, LINEAR_FAMILY, NETWORK_FAMILY
from seqlm.study import model_kinds

FAMILY = {"gpt": LANGUAGE_FAMILY, "esm": LANGUAGE_FAMILY, "cnn": NETWORK_FAMILY, "kmer": LINEAR_FAMILY}
KINDS = {name: {"family": family, "kind": "", "twin": None} for name, family in FAMILY.items()}
KINDS["random"] = {"family": "untrained controls", "kind": CONTROL, "twin": "gpt"}
KINDS["both"] = {"family": "ensembles", "kind": "ensemble", "twin": None}


def study(quality, k=1, n=400, seed=0):
    """Numbers predicted with so much noise: model -> (noise in validation, noise on the test part)."""
    rng = np.random.default_rng(seed)
    examples = pd.DataFrame({"id": [f"x{i}" for i in range(n)], "target": rng.normal(size=n), "group": None})
    parts = np.array(["train", "validation", "test"])
    places = [parts[np.where((np.arange(n) + fold) % 2, 1, 2)] for fold in range(k)]
    folds = pd.concat([
        pd.DataFrame({"id": examples["id"], "fold": fold, "part": place}) for fold, place in enumerate(places)
    ])  # fmt: skip
    cells = []
    for model, noise in quality.items():
        for fold, place in enumerate(places):
            scale = np.where(place == "validation", noise[0], noise[1])
            value = examples["target"] + scale * rng.normal(size=n)
            cells.append((model, fold, 1, pd.DataFrame({"id": examples["id"], "part": place, "prediction": value})))
    return examples, folds, cells


def compared(quality, k=1):
    kinds = {model: KINDS[model] for model in quality}
    return compare(*study(quality, k), "scalar", metrics=["pearson"], replicates=500, kinds=kinds)


def test_validation_chooses_not_the_test_part():
    intervals, pairs = compared({"gpt": (0.5, 1.0), "esm": (0.8, 0.3), "cnn": (1, 0.6), "random": (1, 1)})
    table = intervals.set_index("model")
    assert table["value"].idxmax() == "esm"
    assert table.index[table["representative"]].tolist() == ["gpt", "cnn"]
    contest = pairs[pairs["question"] == "families"].iloc[0]
    assert (contest["model_a"], contest["model_b"], contest["among"]) == ("gpt", "cnn", 1)
    assert contest["better"] == "cnn"
    control = pairs[pairs["question"] == "pretraining"].iloc[0]
    assert (control["model_a"], control["model_b"]) == ("gpt", "random")
    assert (pairs.loc[pairs["question"] == "other", "among"] == 6).all()


def test_the_validation_column_is_the_plain_metric_of_the_validation_part():
    examples, folds, cells = study({"gpt": (0.5, 1.0), "cnn": (1, 0.6)}, 2)
    intervals, _ = compare(examples, folds, cells, "scalar", metrics=["pearson"], replicates=100, kinds=KINDS)
    truth = examples.set_index("id")["target"]
    plain = [
        np.corrcoef(truth.loc[own["id"]], own["prediction"])[0, 1]
        for own in (frame[frame["part"] == "validation"] for model, *_, frame in cells if model == "gpt")
    ]
    assert intervals.set_index("model").loc["gpt", "validation"] == pytest.approx(np.mean(plain))


def test_lower_is_better_where_it_is_and_equals_and_unknowns_go_to_the_first():
    values = pd.Series({"gpt": 0.5, "esm": 0.4, "cnn": np.nan, "kmer": 1.0, "random": 0.0, "both": 0.0})
    assert representatives(values, KINDS, "mse")[LANGUAGE_FAMILY] == "esm"
    assert list(representatives(values, KINDS, "pearson").values()) == ["gpt", "cnn", "kmer"]
    assert representatives(values * np.nan, KINDS, "pearson")[LANGUAGE_FAMILY] == "gpt"


def test_controls_and_ensembles_are_nobodys_rival():
    chosen = {LANGUAGE_FAMILY: "esm", NETWORK_FAMILY: "cnn", LINEAR_FAMILY: "kmer"}
    asked = questions(list(KINDS), KINDS, chosen)
    assert {pair for pair, question in asked.items() if question == "families"} == {
        ("esm", "cnn"), ("esm", "kmer"), ("cnn", "kmer")
    }  # fmt: skip
    assert [pair for pair, question in asked.items() if question == "pretraining"] == [("gpt", "random")]
    assert questions(["esm", "random"], KINDS, {LANGUAGE_FAMILY: "esm"}) == {("esm", "random"): "pretraining"}


def test_holm_is_the_step_down_adjustment():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])


def test_where_chosen_examples_are_tested_too_all_pairs_across_families_count():
    pairs = [("gpt", "esm"), ("gpt", "cnn"), ("esm", "cnn"), ("gpt", "both")]
    rows = [{"model_a": a, "model_b": b, "p_value": 0.01, "question": "other"} for a, b in pairs]
    rows[1]["question"] = "families"
    family_of = {name: own["family"] for name, own in KINDS.items()}
    assert adjusted(rows, family_of)[1] == (pytest.approx(0.01), 1)
    assert adjusted(rows, family_of, seen=True)[1] == (pytest.approx(0.02), 2)
    assert adjusted(rows, family_of)[0] == (pytest.approx(0.04), 4)
    quality = {"gpt": (1, 1), "esm": (1, 1), "cnn": (1, 1)}
    for k, among in ((1, 1), (2, 2)):
        pairs = compared(quality, k)[1]
        assert pairs.loc[pairs["question"] == "families", "among"].tolist() == [among]


def test_words_follow_the_adjusted_p_value():
    _, pairs = compared({name: (1, 1 + 0.25 * (i % 2)) for i, name in enumerate(KINDS)})
    clear = pairs["p_holm"] < 0.05
    assert ((pairs["better"] != "neither") == clear).all()
    undecided = (pairs["low"] * pairs["high"] > 0) & ~clear
    assert undecided.any()  # 95% intervals that exclude zero and do not count
    assert pairs.loc[undecided, "verdict"].str.startswith("no difference shown").all()
    assert (pairs.loc[undecided, "detectable"] > (pairs["high"] - pairs["low"])[undecided] / 2).all()


def test_the_made_up_study_has_one_contest_and_one_control():
    rng = np.random.default_rng(0)
    examples = made_up.example_table(rng)
    folds = made_up.fold_table(examples)
    cells = made_up.predictions(rng, examples, folds)
    _, pairs = compare(examples, folds, cells, "track", replicates=100, kinds=model_kinds(made_up.CONFIG))
    own = pairs[pairs["metric"] == "pearson"].groupby("question").size()
    assert own.to_dict() == {"families": 1, "pretraining": 1, "other": 4}
