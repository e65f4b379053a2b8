"""From how many labels on which family wins, on made-up values."""

import pandas as pd

from seqlm.evaluation.size_verdict import verdict_by_labels

FAMILIES = {"kmer": "linear models", "cnn": "networks from scratch", "gpt": "language models"}


def tables(values, metric="auroc", doubtful=()):
    """Values by number of labels and model; pairs (labels, a, b) in `doubtful` have p 0.5, others 0.001."""
    intervals = pd.DataFrame([
        {"labels": n, "metric": metric, "model": m, "value": v, "family": FAMILIES[m], "representative": True}
        for n, row in values.items() for m, v in row.items()
    ])  # fmt: skip
    pairs = pd.DataFrame([
        {"labels": n, "metric": metric, "model_a": a, "model_b": b, "difference": row[a] - row[b],
         "a": row[a], "b": row[b], "low": row[a] - row[b] - 0.01, "high": row[a] - row[b] + 0.01,
         "p_holm": 0.5 if (n, a, b) in doubtful else 0.001}
        for n, row in values.items() for a in row for b in row if a < b
    ])  # fmt: skip
    return intervals, pairs


def test_the_winner_turns_with_the_number_of_labels():
    values = {
        50: {"kmer": 0.70, "cnn": 0.60, "gpt": 0.65},
        200: {"kmer": 0.75, "cnn": 0.74, "gpt": 0.76},
        1000: {"kmer": 0.80, "cnn": 0.85, "gpt": 0.90},
        5000: {"kmer": 0.81, "cnn": 0.90, "gpt": 0.93},
    }
    (sentence,) = verdict_by_labels(*tables(values, doubtful={(200, "gpt", "kmer")}))
    assert sentence == (
        "By number of labels (p adjusted at each): "
        "with 50 the linear models win (AUROC: gpt 0.650, cnn 0.600, kmer 0.700); "
        "with 200 no family is shown to win (AUROC: gpt 0.760, cnn 0.740, kmer 0.750); "
        "with 1,000 to 5,000 the language models win (AUROC at 5,000: gpt 0.930, cnn 0.900, kmer 0.810)."
    )


def test_a_smaller_error_wins():
    values = {10: {"cnn": 0.3, "kmer": 0.5}, 20: {"cnn": 0.2, "kmer": 0.4}}
    (sentence,) = verdict_by_labels(*tables(values, metric="mse"))
    assert "with 10 to 20 the networks from scratch win" in sentence


def test_nothing_is_said_of_one_size_or_family():
    assert verdict_by_labels(*tables({50: {"cnn": 0.6, "kmer": 0.7}})) == []
    assert verdict_by_labels(*tables({50: {"cnn": 0.6}, 100: {"cnn": 0.7}})) == []
