"""A whole study, end to end, as a user runs it; then what a user does with its results."""

import copy
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pyBigWig
import pytest
from documented import disagreements, documented
from studies import Workflow, small_study

import seqlm
from seqlm.sequences import Genome


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A study that has run once. Tests may add to its folder, or work on a copy, but not spoil it."""
    workflow = Workflow(tmp_path_factory.mktemp("study"), small_study())
    workflow()
    return workflow


def copy_of(finished, folder):
    shutil.copytree(finished.folder, folder, dirs_exist_ok=True, copy_function=shutil.copy2)
    return Workflow(folder, copy.deepcopy(finished.study))


def test_everything_promised_is_there(finished):
    results = finished.results
    report = (results / "report.html").read_text()
    assert "http://" not in report.replace("http://www.w3.org", "")
    assert "data:image/" in report or "<svg" in report
    for name in ("metrics", "costs", "comparisons", "history", "language", "loo"):
        assert len(pd.read_csv(results / "tables" / f"{name}.tsv", sep="\t")), name
    families = ("training", "fit_time", "performance", "loo", "loo_precision")
    of_backbones = ("loss", "loss-gpt-full", "loss-gpt-vocab4", "pretraining_time")
    for figure in (*of_backbones, *(f"{family}-tf_binding" for family in families)):
        assert (results / "figures" / f"{figure}.png").stat().st_size > 5000
        assert (results / "figures" / f"{figure}.svg").exists()


def test_files_hold_what_the_documentation_says(finished, root):
    wrong, unseen = disagreements(root, finished.results)
    assert wrong == []
    # Of classes, of single values, of motifs, checks and interactions: this study has none.
    others = {"classes.tsv", "confusion.tsv", "test_predictions.csv"}
    others |= {"found.tsv", "said.tsv", "curves.tsv", "areas.tsv", "agreement.tsv", "pairs.tsv"}
    assert {Path(name).name for name in unseen} <= others
    described = {Path(pattern).name for pattern in documented(root) if pattern.startswith("tables/")}
    assert {path.name for path in (finished.results / "tables").glob("*.tsv")} <= described


def test_all_models_saw_the_same_folds(finished):
    tested = [
        set(table.loc[table["part"] == "test", "id"])
        for table in map(pd.read_parquet, sorted((finished.results / "predictions").rglob("*.parquet")))
    ]
    folds = pd.read_csv(finished.results / "datasets/tf_binding/folds.tsv", sep="\t")
    assert len(tested) == 4
    assert all(ids == set(folds.loc[folds["part"] == "test", "id"]) for ids in tested)


def test_metrics_are_one_correlation_over_all_bases(finished):
    examples = pd.read_parquet(finished.results / "datasets/tf_binding/examples.parquet").set_index("id")
    predicted = pd.read_parquet(finished.results / "predictions/tf_binding/cnn/fold0/seed1.parquet")
    predicted = predicted[predicted["part"] == "test"]
    y = np.concatenate(examples.loc[predicted["id"], "target"].to_numpy())
    expected = np.corrcoef(y, np.concatenate(predicted["prediction"].to_numpy()))[0, 1]
    metrics = pd.read_csv(finished.results / "tables/metrics.tsv", sep="\t")
    found = metrics.query("model == 'cnn' and part == 'test' and metric == 'pearson'")["value"].item()
    assert found == pytest.approx(expected, abs=1e-6)


def test_saved_models_predict_what_the_study_predicted(finished):
    examples = pd.read_parquet(finished.results / "datasets/tf_binding/examples.parquet").set_index("id")
    for name in ("cnn", "gpt-full", "gpt-vocab4"):
        place = f"tf_binding/{name}/fold0/seed1"
        predicted = pd.read_parquet(finished.results / "predictions" / f"{place}.parquet").head(5)
        model = seqlm.load_model(finished.results / "models" / place)
        again = seqlm.predict(model, list(examples.loc[predicted["id"], "sequence"]))
        np.testing.assert_allclose(again.numpy(), np.stack(predicted["prediction"].to_numpy()), atol=1e-5)


def test_a_second_run_finds_nothing_to_do(finished):
    assert "Nothing to be done" in finished().stdout + finished().stderr


def test_figures_are_redrawn_without_models(finished, tmp_path):
    workflow = copy_of(finished, tmp_path)
    for folder in ("models", "backbones", "predictions", "attributions", "corpora", "tokenizers", "figures"):
        shutil.rmtree(workflow.results / folder)
    (workflow.results / "report.html").unlink()
    done = workflow("-F", snakefile="workflow/plots.smk", cores=1)
    assert "train_model" not in done.stdout + done.stderr
    assert (workflow.results / "report.html").exists()
    assert {p.name for p in (workflow.results / "figures").iterdir()} == {
        p.name for p in (finished.results / "figures").iterdir()
    }


@pytest.mark.slow
def test_snakemakes_own_report_shows_every_figure(finished, tmp_path):
    copy_of(finished, tmp_path)("--report", "snakemake.html", cores=1)
    page = (tmp_path / "snakemake.html").read_text()
    assert all(path.name in page for path in (finished.results / "figures").glob("*.png"))


@pytest.mark.slow
def test_the_same_seed_gives_the_same_numbers(finished, tmp_path):
    """In another folder, with another number of jobs side by side."""
    workflow = Workflow(tmp_path, small_study())
    workflow("metrics", cores=1)
    for name in ("metrics", "language", "loo", "comparisons"):
        pd.testing.assert_frame_equal(
            pd.read_csv(workflow.results / f"tables/{name}.tsv", sep="\t"),
            pd.read_csv(finished.results / f"tables/{name}.tsv", sep="\t"),
        )


def planned(workflow, *arguments):
    from test_dry_runs import job_counts

    text = workflow("-n", *arguments).stdout
    return {} if "Nothing to be done" in text else job_counts(text)


def test_a_changed_setting_reruns_what_depends_on_it_and_no_more(finished, tmp_path):
    workflow = copy_of(finished, tmp_path)
    workflow.study["models"]["cnn"]["training"] = {"learning_rate": 5e-4}
    workflow.write()
    counts = planned(workflow, "attributions", "predictions")
    assert counts["train_model"] == counts["predict_targets"] == counts["score_loo"] == 1
    assert "pretrain_backbone" not in counts


def test_new_files_over_several_jobs(finished, tmp_path):
    """Windows of a genome in three shards: predictions, their track and leave-one-out scores are those in memory."""
    workflow = copy_of(finished, tmp_path)
    chrom, windows = "NC_004353.4", [(5000 + 20 * i, 5100 + 20 * i) for i in range(2100)]
    for name, chosen in (("many", windows), ("few", windows[:80])):
        (tmp_path / f"{name}.bed").write_text("".join(f"{chrom}\t{start}\t{end}\n" for start, end in chosen))
    new = {"genome": "fly", "dataset": "tf_binding", "models": ["cnn"]}
    loo = {"edit": "replace", "replacements": {"A": ["C"], "C": ["A", "T"]}}
    workflow.study["predict"] = {
        "many": {**new, "bed": "many.bed", "shards": 3}, "few": {**new, "bed": "few.bed", "shards": 2, "loo": loo}
    }  # fmt: skip
    workflow.study["runs"]["tf_binding"]["loo"]["shards"] = 2
    workflow.write()
    files, scores, own = (
        Path("results/small") / part for part in ("predictions/files", "attributions/files", "attributions/tf_binding")
    )
    workflow(str(files / "many.parquet"), str(files / "many/cnn.bw"), str(scores / "few/cnn.csv"),
             str(scores / "few/cnn.bw"), str(own / "cnn.npz"))  # fmt: skip
    assert not list(workflow.results.rglob("*-of-*.parquet"))

    model = seqlm.load_model(workflow.results / "models/tf_binding/cnn/fold0/seed1")
    genome = Genome(workflow.results / "sources/fly.fa.gz")
    sequences = [genome.fetch(chrom, *window).upper() for window in windows]
    ids = [f"{chrom}:{start}-{end}" for start, end in windows]
    predicted = seqlm.predict(model, sequences).numpy()
    written = pd.read_parquet(tmp_path / files / "many.parquet")
    assert written["id"].tolist() == ids
    np.testing.assert_allclose(np.stack(written["prediction"]), predicted, atol=1e-5)
    total, count = np.zeros(42080), np.zeros(42080)
    for row, (start, end) in zip(predicted, windows, strict=True):
        total[start - 5000 : end - 5000] += row
        count[start - 5000 : end - 5000] += 1
    with pyBigWig.open(str(tmp_path / files / "many/cnn.bw")) as track:
        np.testing.assert_allclose(track.values(chrom, 5000, 47080), total / count, atol=1e-5)
    expected = seqlm.leave_one_out(model, sequences[:80], **loo).to_table(ids[:80])
    found = pd.read_csv(tmp_path / scores / "few/cnn.csv")
    assert list(found) == ["sequence", "token", "replacement", "label", "pred", "start_offset", "end_offset", "loo"]
    assert (found[["sequence", "token", "replacement"]] == expected[["sequence", "token", "replacement"]]).all(None)
    np.testing.assert_allclose(found["loo"], expected["loo"], atol=1e-5)
    # A base's fall: the mean over what was put there, then over the windows that it lies in.
    found["at"] = 5000 + 20 * found["sequence"].map(ids.index) + found["start_offset"]
    falls = -found.groupby(["at", "sequence"])["loo"].mean().groupby("at").mean()
    with pyBigWig.open(str(tmp_path / scores / "few/cnn.bw")) as track:
        values = pd.Series(track.values(chrom, 0, 7000)).dropna()
    assert values.index.tolist() == falls.index.tolist()
    np.testing.assert_allclose(values, falls, atol=1e-5)
    # Of the dataset's own examples, two jobs give to the bit what one gave.
    assert (tmp_path / own / "cnn.parquet").read_bytes() == (finished.folder / own / "cnn.parquet").read_bytes()
    before, after = np.load(finished.folder / own / "cnn.npz"), np.load(tmp_path / own / "cnn.npz")
    assert set(before.files) == set(after.files)
    for name in before.files:
        np.testing.assert_array_equal(after[name], before[name])


def test_a_longer_pretraining_reruns_only_models_on_it(finished, tmp_path):
    workflow = copy_of(finished, tmp_path)
    workflow.study["backbones"]["gpt-full"]["steps"] = 5
    workflow.write()
    counts = planned(workflow, "predictions")
    assert counts["pretrain_backbone"] == counts["train_model"] == counts["predict_targets"] == 1
    assert "prepare_dataset" not in counts


def test_threads_and_devices_of_a_profile_retrain_nothing(finished, tmp_path):
    workflow = copy_of(finished, tmp_path)
    assert planned(workflow, "--set-threads", "train_model=1", "--set-resources", "train_model:mem_mb=1000") == {}
