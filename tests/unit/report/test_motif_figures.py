"""Motifs in the report: figure, table and sentences."""

import numpy as np
import pandas as pd

from seqlm.report.belief import beliefs, checks_of
from seqlm.report.figures.belief import draw_belief
from seqlm.report.figures.motifs import draw_motifs
from seqlm.report.page_tables import motifs_table

FOUND = pd.DataFrame({
    "dataset": "d", "model": ["cnn", "cnn"], "motif": ["m1", "m2"], "effect": ["supports", "opposes"],
    "seqlets": [120, 30], "consensus": ["TTGTTTAC", "ACGT"], "match": ["FOXA2", ""], "match_id": ["MA0047.4", ""],
    "family": ["FOX", ""], "p_value": [1e-9, 0.2], "q_value": [1e-6, 0.9],
})  # fmt: skip


def test_each_motif_is_drawn_with_its_name_and_none_is_no_failure(tmp_path):
    """Matplotlib writes the words of an SVG beside their outlines."""
    counts = np.eye(4)[[3, 3, 2, 3]] * 50
    logos = {"counts_m1": counts, "counts_m2": counts}
    outputs = [tmp_path / "a.png", tmp_path / "a.svg"]
    draw_motifs(FOUND, logos, outputs, "d", "cnn", ["cnn", "gpt"])
    text = outputs[1].read_text()
    for words in ("FOXA2, q = 1e-06", "like no known motif", "120 places, supports", "30 places, opposes", "d, cnn"):
        assert words in text
    draw_motifs(FOUND.iloc[:0], {}, outputs, "d", "gpt", ["cnn", "gpt"])
    assert "no motif was found" in outputs[1].read_text()


def test_the_table_names_matches_and_says_where_there_is_none():
    table = motifs_table(FOUND)
    column = [name for name, _ in table["columns"]].index("match")
    assert [row[column][0] for row in table["rows"]] == ["FOXA2 (MA0047.4)", "none"]
    assert motifs_table(FOUND.iloc[:0]) is None and motifs_table(None) is None


def test_beliefs_follow_the_checks():
    """All passed: one sentence that says so; one that failed comes first, by name."""
    areas = pd.DataFrame({"model": "cnn", "against": ["k-mers", "random"], "difference": [0.2, 0.5], "low": [0.1, 0.4],
                          "high": [0.3, 0.6]})  # fmt: skip
    pairs = pd.DataFrame({"model": "cnn", "kind": ["seed", "model", "shuffled labels"], "other": ["2", "kmer", "shuf"],
                          "mean": [0.8, 0.1, 0.02]})  # fmt: skip
    (good,) = beliefs(areas, pairs)
    assert good.startswith("The scores of cnn can be believed") and "0.800" in good
    (poor,) = beliefs(areas.assign(low=[-0.1, 0.4]), pairs)
    assert poor.startswith("The scores of cnn are to be taken with care: masking bases in their order does not lower")
    (unsteady,) = beliefs(areas, pairs.assign(mean=[0.2, 0.1, 0.02]))
    assert "ranks bases otherwise (ρ = 0.200)" in unsteady.split("; but")[0]
    assert checks_of({"areas": areas.iloc[:0], "agreement": pairs.iloc[:0]}) is None and checks_of({}) is None


def test_curves_and_agreements_are_drawn_also_where_there_is_nothing_to_compare(tmp_path):
    fractions = (0.0, 0.1, 1.0)
    curves = pd.DataFrame(
        [["cnn", way, order, f, -f] for way in ("deletion", "insertion") for order in ("scores", "k-mers", "random")
         for f in fractions],
        columns=["model", "way", "order", "fraction", "value"],
    )  # fmt: skip
    pairs = pd.DataFrame([["cnn", "seed", "2", 20, 0.7, 0.6, 0.8]],
                         columns=["model", "kind", "other", "examples", "mean", "low", "high"])  # fmt: skip
    outputs = [tmp_path / "a.png", tmp_path / "a.svg"]
    draw_belief(curves, pairs, outputs, "d", ["cnn"])
    assert "seed 2" in outputs[1].read_text() and "order: k-mers" in outputs[1].read_text()
    draw_belief(curves, pairs.iloc[:0], outputs, "d", ["cnn"])
    assert "no other scores" in outputs[1].read_text()
    draw_belief(curves.iloc[:0], pairs.iloc[:0], outputs, "d", ["cnn"])
    assert "nothing was measured" in outputs[1].read_text()
