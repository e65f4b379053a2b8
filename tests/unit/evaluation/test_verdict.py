"""The verdict's words, on made-up values."""

import made_up
import pandas as pd

from seqlm.evaluation.contest.families import adjusted, questions, representatives
from seqlm.evaluation.verdict import verdict
from seqlm.evaluation.words import duration, number
from seqlm.study import model_kinds


def said(values, difference, metric="pearson", config=made_up.CONFIG, validation=None, seeds=2, p_value=0.01):
    """The verdict on made-up values: dict of model -> value, and half the width of every interval.

    Differences smaller than half the width have p 0.5, others `p_value`.
    """
    kinds = {model: model_kinds(config)[model] for model in values}
    validation = pd.Series(validation or values)
    chosen = representatives(validation, kinds, metric)
    intervals = pd.DataFrame([
        {"metric": metric, "model": m, "value": v, "low": v - 0.01, "high": v + 0.01, "examples": 600, "groups": 40,
         "family": kinds[m]["family"], "representative": m in chosen.values(), "validation": validation[m],
         "seeds": seeds}
        for m, v in values.items()
    ])  # fmt: skip
    pairs = [
        {
            "metric": metric, "model_a": a, "model_b": b, "a": values[a], "b": values[b],
            "difference": values[a] - values[b], "low": values[a] - values[b] - difference,
            "high": values[a] - values[b] + difference, "question": question, "detectable": difference,
            "p_value": p_value if abs(values[a] - values[b]) > difference else 0.5,
        }
        for (a, b), question in questions(list(values), kinds, chosen).items()
    ]  # fmt: skip
    for row, own in zip(pairs, adjusted(pairs, {m: k["family"] for m, k in kinds.items()}), strict=True):
        row["p_holm"], row["among"] = own
    totals = pd.DataFrame({"model": ["cnn", "gpt-vocab4"], "total": [40.0, 120.0]})
    columns = ["metric", "model_a", "model_b", "question", "a", "b", "difference", "low", "high", "p_holm", "among",
               "detectable"]  # fmt: skip
    return verdict(intervals, pd.DataFrame(pairs, columns=columns), totals, kinds)


def test_verdict_says_no_by_how_much_and_at_what_cost():
    first, cost, pretraining, best = said({"cnn": 0.98, "gpt-vocab4": 0.78, "gpt-random": 0.6}, 0.02)
    assert first.startswith("No: the language model gpt-vocab4 loses to the CNN: R 0.780 against 0.980")
    assert "worse by 0.200 (95% interval 0.180 to 0.220, adjusted p 0.010)" in first
    assert "2 min 0 s" in cost
    assert "3.0 times the training time" in cost
    assert pretraining.startswith("Pretraining helped: gpt-vocab4 against gpt-random")
    assert best == (
        "Best test value: cnn with R 0.980 (95% interval 0.970 to 0.990), on 600 held-out examples in 40 groups."
    )


def test_verdict_says_yes_and_harm_and_not_known():
    sentences = said({"cnn": 0.7, "gpt-vocab4": 0.8, "gpt-random": 0.9}, 0.02)
    assert sentences[0].startswith("Yes: the language model gpt-vocab4 beats the CNN")
    assert sentences[2].startswith("Pretraining did harm")
    unknown = said({"cnn": 0.7, "gpt-vocab4": 0.71}, 0.02)
    assert unknown[0].startswith("No difference shown: the language model gpt-vocab4 is not told apart from the CNN")
    assert "−0.010 to 0.030" in unknown[0]
    assert unknown[0].endswith("; a difference above 0.020 would have shown.")
    assert any("no untrained backbone" in sentence for sentence in unknown)


def test_the_language_model_that_validation_chose_is_the_one_spoken_of():
    values = {"cnn": 0.7, "gpt-full": 0.8, "gpt-vocab4": 0.6, "gpt-random": 0.5}
    validation = {"cnn": 0.7, "gpt-full": 0.6, "gpt-vocab4": 0.65, "gpt-random": 0.5}
    sentences = said(values, 0.02, validation=validation)
    assert sentences[0].startswith("No: the language model gpt-vocab4 loses to the CNN")
    assert any(s.startswith("Best test value: gpt-full") for s in sentences)
    assert sentences[-1] == (
        "Each family sends the model that did best in validation (language models: gpt-vocab4, of 2; "
        "networks from scratch: cnn); p is adjusted for 1 comparison."
    )


def test_an_interval_clear_of_zero_is_not_enough():
    config = made_up.CONFIG | {"models": made_up.CONFIG["models"] | {"kmer": {"network": "kmer"}}}
    sentences = said({"cnn": 0.7, "gpt-vocab4": 0.73, "kmer": 0.76}, 0.02, config=config, p_value=0.03)
    assert sentences[0].startswith("No difference shown")
    assert "95% interval 0.010 to 0.050, adjusted p 0.090" in sentences[0]


def test_verdict_names_the_linear_model_too():
    networks = {"kmer": {"network": "kmer"}, "phased": {"network": "kmer", "phases": 3}, "codon": {"network": "codon"}}
    config = made_up.CONFIG | {"models": made_up.CONFIG["models"] | networks}
    values = {"cnn": 0.4, "gpt-vocab4": 0.5, "kmer": 0.45, "phased": 0.55, "codon": 0.57}
    first, second = said(values, 0.02, "accuracy", config)[:2]
    assert first.startswith("No: the language model gpt-vocab4 loses to the codon")
    assert second.startswith("It loses to the k-mer baseline phased: accuracy 0.500 against 0.550")
    alone = said({"gpt-vocab4": 0.5, "kmer": 0.45}, 0.02, "accuracy", config)
    assert alone[0].startswith("Yes: the language model gpt-vocab4 beats the k-mer baseline kmer")
    assert not any(sentence.startswith("It ") for sentence in alone)
    scratch = said({"cnn": 0.5, "kmer": 0.45}, 0.02, "accuracy", config)
    assert scratch[0].startswith("The CNN beats the k-mer baseline kmer")


def test_verdict_knows_that_lower_errors_are_better():
    sentences = said({"cnn": 0.2, "gpt-vocab4": 0.5, "gpt-random": 0.8}, 0.02, "mse")
    assert sentences[0].startswith("No: ")
    assert sentences[2].startswith("Pretraining helped")
    assert sentences[3].startswith("Best test value: cnn")


def test_verdict_of_a_lone_network_names_it_only():
    assert len(said({"cnn": 0.7}, 0.02)) == 1


def test_one_training_is_said_to_show_nothing_of_how_trainings_vary():
    assert said({"cnn": 0.7}, 0.02, seeds=1)[-1].startswith("Each model was trained once a fold: the intervals do not")


def test_numbers_and_durations_read_well():
    assert number(-0.25) == "−0.250"
    assert number(float("nan")) == "n/a"
    assert [duration(s) for s in (4.25, 42, 200, 7500)] == ["4.2 s", "42 s", "3 min 20 s", "2 h 5 min"]
