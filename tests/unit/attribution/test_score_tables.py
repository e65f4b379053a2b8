"""Arrays out of a table of scores are those that the scores were in before."""

import pickle
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from seqlm import InputError, leave_one_out
from seqlm.attribution.dataset_scores import score_dataset
from seqlm.attribution.score_tables import arrays_of, read_score_table
from seqlm.attribution.transcript_scores import region_means, transcript_arrays
from seqlm.common.tables import write_parquet
from seqlm.datasets import write_dataset, write_folds
from seqlm.models.bundle import save_bundle
from seqlm.models.networks.cnn import CNN, CNNConfig
from seqlm.models.networks.saluki import Saluki, SalukiConfig
from seqlm.report.figures.loo import draw_loo, draw_loo_precision, draw_regions
from seqlm.report.figures.transcript import draw_transcript
from seqlm.report.fold_results import write_scores

ROOT = Path(__file__).parents[3]
CLASSES = ["x", "y"]


def scored(folder, model, sequences, target, **loo):
    """Table and arrays of a dataset's job."""
    labels = {"scalar": np.arange(len(sequences), dtype=float), "class": CLASSES * len(sequences)}[target]
    ids = [str(10 + i) for i in range(len(sequences))]
    examples = pd.DataFrame({"id": ids, "sequence": sequences, "target": labels[: len(sequences)]})
    summary = {"dataset": "toy", "target": target, "classes": CLASSES if target == "class" else None}
    write_dataset(folder / "data", examples, summary)
    write_folds(folder / "data/folds.tsv", pd.DataFrame({"id": ids, "fold": 0, "part": "test"}))
    save_bundle(model, folder / "bundle")
    table, arrays, _ = score_dataset(folder / "bundle", folder / "data", 0, device="cpu", **loo)
    return table, arrays


def same(found, expected, names):
    assert found["id"].tolist() == expected["id"].tolist()
    for name in names:
        assert found[name].dtype == expected[name].dtype
        np.testing.assert_allclose(found[name], expected[name], atol=1e-6)


@pytest.mark.parametrize("suffix", ["parquet", "csv", "tsv"])
@pytest.mark.parametrize("edit", ["mask", "remove", "replace"])
def test_arrays_of_a_table(edit, suffix, tmp_path):
    torch.manual_seed(0)
    sequences = ["ACGTACGTTGCA", "GGGTACC", "TTACGATTAGACA"]
    model = CNN(CNNConfig(target="scalar", filters=4, hidden=4, kernel=5))
    table, arrays = scored(tmp_path, model, sequences, "scalar", edit=edit)
    path = tmp_path / f"scores.{suffix}"
    if suffix == "parquet":
        write_parquet(table, path)
    else:
        table.to_csv(path, sep="," if suffix == "csv" else "\t", index=False)
    found = arrays_of(read_score_table(path))
    same(found, arrays, ["codes", "scores", "prediction", *(["replaced"] if edit == "replace" else [])])


def test_all_classes_are_those_of_the_predicted_one(tmp_path):
    torch.manual_seed(0)
    model = CNN(CNNConfig(target="class", n_outputs=2, classes=CLASSES, filters=4, hidden=4, kernel=5))
    sequences = ["ACGTACGTTGCA", "GGGTACC"]
    table, arrays = scored(tmp_path, model, sequences, "class", edit="mask", class_index="all")
    found = arrays_of(table)
    same(found, arrays, ["codes", "scores"])
    assert np.isnan(found["prediction"]).all()  # the table names the class


def test_tokens_of_mrnas(tmp_path):
    """The other bases of the same kind of token, and by base."""
    torch.manual_seed(0)
    model = Saluki(SalukiConfig(layout={"encoding": "mrna", "separator": " "}, length=64, filters=4, blocks=2))
    sequences = ["a c g A c g TEJ c g t", "g A t g T a aej c"]
    table, arrays = scored(tmp_path, model, sequences, "scalar", edit="replace")
    found = arrays_of(table)
    same(found, arrays, ["codes", "prediction"])
    scores = leave_one_out(model, sequences, "replace", device="cpu")
    for row, (own, tokens) in enumerate(zip(scores.scores, scores.tokens, strict=True)):
        for at, token in enumerate(tokens):
            others = [s for s, name in zip(own[at], scores.replacements, strict=True)
                      if not np.isnan(s) and name[0].upper() != token[0].upper()]  # fmt: skip
            assert len(others) == 3
            assert found["scores"][row, at] == pytest.approx(np.mean(others), abs=1e-6)
            assert found["replaced"][row, at].sum() == pytest.approx(np.sum(others), abs=1e-5)


def test_the_command_writes_what_other_tools_read(tmp_path):
    torch.manual_seed(0)
    model = CNN(CNNConfig(target="scalar", filters=4, hidden=4, kernel=5))
    sequences = ["ACGTACGTTGCA", "GGGTACC"]
    table, arrays = scored(tmp_path, model, sequences, "scalar", edit="mask")
    write_parquet(table, tmp_path / "scores.parquet")
    script = ROOT / "workflow/scripts/export_file_scores.py"
    command = [sys.executable, script, "--input", tmp_path / "scores.parquet", "--output", tmp_path / "out"]
    subprocess.run(list(map(str, command)), check=True)
    one_hot, contributions = (np.load(tmp_path / "out" / f"{n}.npz")["arr_0"] for n in ("one_hot", "contributions"))
    assert one_hot.shape == (2, 4, 12) and one_hot.sum() == 12 + 7
    np.testing.assert_allclose(contributions.sum(1), -np.nan_to_num(arrays["scores"]), atol=1e-6)
    assert (tmp_path / "out/explanation.pkl").exists()


@pytest.mark.parametrize("target", ["scalar", "class"])
@pytest.mark.parametrize("suffix", ["parquet", "csv", "tsv"])
def test_a_table_of_no_scores_is_written_as_empty_files(suffix, target, tmp_path, capsys):
    """Of a file in which nothing was there to edit: the header, no row, and no failed job."""
    every = {"class_index": "all"} if target == "class" else {}
    model = CNN(CNNConfig(target=target, n_outputs=2, classes=CLASSES, filters=4, hidden=4, kernel=5))
    asked = {"edit": "replace", "replacements": {"G": ["A"]}, **every}
    table, arrays = scored(tmp_path, model, ["ACTACTACTT", "AAAATTTC"], target, **asked)
    assert len(table) == 0
    path = tmp_path / f"scores.{suffix}"
    if suffix == "parquet":
        write_parquet(table, path)
    else:
        table.to_csv(path, sep="," if suffix == "csv" else "\t", index=False)
    read = read_score_table(path)
    for name, own in (("file", arrays_of(read)), ("dataset", arrays)):
        write_scores(tmp_path / name, read, own)
        assert (tmp_path / name / "scores.csv").read_text() == ",".join(table.columns) + "\n"
        assert np.load(tmp_path / name / "explanation.npz")["id"].tolist() == []
        assert pickle.loads((tmp_path / name / "explanation.pkl").read_bytes()).values.size == 0
        assert not np.load(tmp_path / name / "contributions.npz")["arr_0"].any()
    assert "holds no scores: what is made of it is empty" in capsys.readouterr().err


def test_figures_of_no_scores_say_so(tmp_path):
    none = pd.DataFrame({"sequence": [], "token": [], "start_offset": [], "loo": []})
    outputs = [tmp_path / "x.svg"]
    blank = {"d/codes": np.zeros((1, 50)), "d/scores": np.full((1, 1, 50), np.nan)}
    precision = {"ap_negative": np.nan, "ap_absolute": np.nan, "chance": np.nan, "bases": 0}
    rows = [{"dataset": "d", "model": "m", "measure": name, "value": value} for name, value in precision.items()]
    for draw, drawn in (
        (draw_regions, region_means({"m": none}, "d")),
        (draw_loo, blank),
        (draw_loo, {}),
        (draw_loo_precision, pd.DataFrame(rows)),
    ):
        draw(drawn, outputs, "d")
        assert "no " in "".join(re.findall(r"<!-- (.*?) -->", outputs[0].read_text()))
    draw_transcript(transcript_arrays({"m": none}), outputs)
    assert "<!-- no transcript was scored by every model -->" in outputs[0].read_text()


def test_other_tables_are_refused(tmp_path):
    pd.DataFrame({"id": ["a"], "prediction": [1.0]}).to_csv(tmp_path / "x.csv", index=False)
    with pytest.raises(InputError, match="no column 'sequence'"):
        read_score_table(tmp_path / "x.csv")


@pytest.mark.parametrize("suffix", ["csv", "tsv", "parquet"])
def test_classes_and_ids_are_names_whatever_they_look_like(suffix, tmp_path):
    """Class 01 predicted everywhere must still be found among the classes 01 and None."""
    torch.manual_seed(0)
    names = ["01", "None"]
    model = CNN(CNNConfig(target="class", n_outputs=2, classes=names, filters=4, hidden=4, kernel=5))
    sequences = ["ACGTACGTTGCA", "GGGTACC"]
    scores = leave_one_out(model, sequences, "mask", class_index="all", device="cpu")
    for index, word in enumerate(names):  # a model that predicts the same class for all
        table = scored_as(scores, [word] * 2, ["007", "NA"])
        path = tmp_path / f"{index}.{suffix}"
        if suffix == "parquet":
            write_parquet(table, path)
        else:
            table.to_csv(path, sep="," if suffix == "csv" else "\t", index=False)
        found = arrays_of(read_score_table(path))
        assert found["id"].tolist() == ["007", "NA"]
        np.testing.assert_allclose(found["scores"], scores.scores[..., index], atol=1e-6)
        assert np.isnan(found["prediction"]).all()


def scored_as(scores, predicted, ids):
    scores.predicted = predicted
    return scores.to_table(ids)


@pytest.mark.parametrize(("words", "expected"), [(["1", "2"], None), (["01", "x"], None), (["1.5", "2"], [1.5, 2.0])])
def test_a_predicted_class_is_no_number(words, expected, tmp_path):
    rows = [[name, "A", "", "", word, 0, 1, 0.5] for name, word in zip("ab", words, strict=True)]
    columns = ["sequence", "token", "replacement", "label", "pred", "start_offset", "end_offset", "loo"]
    pd.DataFrame(rows, columns=columns).to_csv(tmp_path / "x.csv", index=False)
    found = arrays_of(read_score_table(tmp_path / "x.csv"))["prediction"]
    np.testing.assert_array_equal(found, [np.nan, np.nan] if expected is None else expected)
