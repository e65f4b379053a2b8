"""Motifs in the report: figure, table and sentences."""

import numpy as np
import pandas as pd

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
    logos = {"cnn": {"motif": np.array(["m1", "m2"]), "counts_m1": counts, "counts_m2": counts}, "gpt": {}}
    outputs = [tmp_path / "a.png", tmp_path / "a.svg"]
    draw_motifs(FOUND, logos, outputs, "d", ["cnn", "gpt"])
    text = outputs[1].read_text()
    for words in ("FOXA2, q = 1e-06", "like no known motif", "120 places, supports", "30 places, opposes", "none: gpt"):
        assert words in text
    draw_motifs(FOUND.iloc[:0], {"cnn": {}}, outputs, "d", ["cnn"])
    assert "no motif was found" in outputs[1].read_text()


def test_the_table_names_matches_and_says_where_there_is_none():
    table = motifs_table(FOUND)
    column = [name for name, _ in table["columns"]].index("match")
    assert [row[column][0] for row in table["rows"]] == ["FOXA2 (MA0047.4)", "none"]
    assert motifs_table(FOUND.iloc[:0]) is None and motifs_table(None) is None
