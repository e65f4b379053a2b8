"""A study of mRNAs end to end: cross-validation, an ensemble, scores, figures, new files; then what a user opens."""

import pickle

import numpy as np
import pandas as pd
import pytest
import shap
from matplotlib.image import imread
from scipy.stats import rankdata
from studies import Workflow

import seqlm
from seqlm.inference.prediction import predict_targets
from seqlm.sequences.transcripts.transcript import Transcript, parse_tokens

COLUMNS = ["sequence", "token", "replacement", "label", "pred", "start_offset", "end_offset", "loo"]
MODELS = ("linear", "saluki")
FIGURES = ("scatter", "folds", "regions", "transcript")
SALUKI = {"network": "saluki", "length": 600, "filters": 4, "blocks": 2}


def transcripts(rng, n=40):
    """mRNAs of 20 genes with UTRs, a CDS and junctions; the label is their G+C, and noise."""
    for i in range(n):
        cds = 3 * int(rng.integers(10, 60))
        start, rest = int(rng.integers(10, 60)), int(rng.integers(20, 200))
        length = start + cds + rest
        weight = rng.uniform(0.2, 0.8)
        bases = "".join(
            rng.choice(list("ACGT"), length, p=[(1 - weight) / 2, weight / 2, weight / 2, (1 - weight) / 2])
        )
        junctions = tuple(sorted(rng.choice(np.arange(1, length), 2, replace=False).tolist()))
        yield Transcript(f"t{i}", f"g{i // 2}", bases, (start, start + cds), junctions), weight


def write_data(folder):
    """A table of mRNAs, and a genome with the annotation of the first 6."""
    rng = np.random.default_rng(0)
    rows, lines, genome = [], [], ""
    for transcript, weight in transcripts(rng):
        (start, end), junctions = transcript.cds, ",".join(map(str, transcript.junctions))
        noise = rng.normal(0, 0.02)
        rows.append([transcript.id, transcript.gene, transcript.sequence, start, end, junctions, weight + noise])
        if len(rows) <= 6:
            bounds = [0, *transcript.junctions, len(transcript.sequence)]
            parent, frame = f"Parent=rna-{transcript.id}", 0
            for first, last in zip(bounds, bounds[1:], strict=False):
                at = len(genome) + 1 - first  # position in the genome of base 0 of this exon's mRNA
                lines.append(["c", ".", "exon", at + first, at + last - 1, ".", "+", ".", parent])
                low, high = max(first, start), min(last, end)
                if low < high:
                    lines.append(["c", ".", "CDS", at + low, at + high - 1, ".", "+", -frame % 3, parent])
                    frame += high - low
                genome += transcript.sequence[first:last] + "A" * 10
    columns = ["id", "gene", "sequence", "cds_start", "cds_end", "junctions", "y"]
    pd.DataFrame(rows, columns=columns).to_csv(folder / "mrna.tsv", sep="\t", index=False)
    (folder / "genome.fa").write_text(f">c\n{genome}\n")
    (folder / "genes.gff").write_text("".join("\t".join(map(str, line)) + "\n" for line in lines))


def mrna_study():
    return {
        "study": "mrna",
        "threads": 1,
        "precision": "fp32",
        "sources": {
            "mrna": {"table": "mrna.tsv"},
            "genome": {"fasta": "genome.fa"},
            "genes": {"gff": "genes.gff"},
        },
        "datasets": {
            "rna": {
                "target": "scalar",
                "transcripts": {"source": "mrna", "id": "id", "gene": "gene", "junctions": "junctions", "label": "y"},
                "folds": {"scheme": "kfold", "k": 2},
            },
        },
        "models": {
            "linear": {"network": "linear"},
            "saluki": SALUKI,
            "both": {"ensemble": list(MODELS)},
        },
        "training": {"epochs": 2, "batch_size": 8, "learning_rate": 3e-3, "tensorboard": True},
        "runs": {
            "rna": {"models": [*MODELS, "both"], "loo": {"edit": "mask", "examples": 3}, "bootstrap": 100},
        },
        "predict": {"new": {"gff": "genes", "genome": "genome", "dataset": "rna", "models": ["saluki"]}},
    }  # fmt: skip


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    workflow = Workflow(tmp_path_factory.mktemp("mrna"), mrna_study())
    write_data(workflow.folder)
    figures = [f"results/mrna/figures/{name}-rna.png" for name in FIGURES]
    workflow("fold_results", "attributions", "predictions", *figures)
    return workflow.results


def table(path):
    return pd.read_csv(path, sep="\t")


def test_files_of_each_fold(results):
    labels = table(results.parent.parent / "mrna.tsv").set_index("id")["y"]
    tested = []
    for fold in (0, 1):
        for model in (*MODELS, "both"):
            folder = results / "fold_results/rna" / model / f"fold{fold}/seed1"
            found = pd.read_csv(folder / "test_predictions.csv")
            np.testing.assert_allclose(found["label"], labels[found["id"]], rtol=1e-6)
            predicted = pd.read_parquet(results / f"predictions/rna/{model}/fold{fold}/seed1.parquet").set_index("id")
            np.testing.assert_allclose(found["prediction"], predicted.loc[found["id"], "prediction"], rtol=1e-6)
            deltas = pd.read_csv(folder / "rank_deltas.csv").set_index("id")
            expected = rankdata(found["prediction"]) - rankdata(found["label"])
            assert deltas.loc[found["id"], "delta"].tolist() == expected.tolist()
            parts = {
                name: pd.read_json(folder / f"{name}_results.json", typ="series") for name in ("eval", "test", "all")
            }
            r = np.corrcoef(found["prediction"], found["label"])[0, 1]
            assert parts["test"]["test_pearson"] == pytest.approx(r, abs=1e-6)
            assert set(parts["all"].index) >= {*parts["eval"].index, *parts["test"].index}
            train = pd.read_json(folder / "train_results.json", typ="series")
            assert ("train_loss" in train) == (model != "both")
        tested += found["id"].tolist()
    assert sorted(tested) == sorted(labels.index)  # each mRNA once


def test_tensorboard_shows_the_history(results):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    bundle = results / "models/rna/saluki/fold0/seed1"
    events = EventAccumulator(str(bundle / "tensorboard")).Reload()
    history = table(bundle / "history.tsv")
    losses = history.query("part == 'validation' and metric == 'loss'")["value"]
    (tag,) = [tag for tag in events.Tags()["scalars"] if "validation" in tag and "loss" in tag]
    np.testing.assert_allclose([event.value for event in events.Scalars(tag)], losses, rtol=1e-5)


def test_an_ensemble_is_weighted_on_the_validation_part(results):
    for fold in (0, 1):
        tables = [
            pd.read_parquet(results / f"predictions/rna/{m}/fold{fold}/seed1.parquet").set_index("id")
            for m in (*MODELS, "both")
        ]
        X = np.stack([part["prediction"].loc[tables[2].index] for part in tables[:2]] + [np.ones(len(tables[2]))], 1)
        weight, error, *_ = np.linalg.lstsq(X, tables[2]["prediction"], rcond=None)
        np.testing.assert_allclose(X @ weight, tables[2]["prediction"], atol=1e-6)
        assert (weight[:2] > -1e-9).all()


@pytest.mark.parametrize("model", MODELS)
def test_scores_and_what_other_tools_read(results, model):
    scores = pd.read_parquet(results / f"attributions/rna/{model}.parquet")
    assert list(scores) == COLUMNS
    folder = results / "attributions/rna/export" / model
    text = pd.read_csv(folder / "scores.csv", keep_default_na=False)
    assert list(text) == COLUMNS
    np.testing.assert_allclose(text["loo"], scores["loo"], rtol=1e-4)
    examples = pd.read_parquet(results / "datasets/rna/examples.parquet").set_index("id")["sequence"]
    for name, own in scores.groupby("sequence"):
        assert " ".join(own["token"]) == examples[name]
        assert (own["end_offset"] - own["start_offset"] == 1).all()
    explanation = pickle.loads((folder / "explanation.pkl").read_bytes())
    assert isinstance(explanation, shap.Explanation)
    first = scores[scores["sequence"] == scores["sequence"].iloc[0]]
    np.testing.assert_allclose(explanation.values[0], -first["loo"], rtol=1e-5)
    assert explanation.data[0].tolist() == first["token"].tolist()
    one_hot, contributions = (np.load(folder / f"{name}.npz")["arr_0"] for name in ("one_hot", "contributions"))
    longest = scores.groupby("sequence").size().max()
    assert one_hot.shape == contributions.shape == (3, 4, longest)
    codes = ["ACGT".index(token[0].upper()) for token in first["token"]]
    assert one_hot[0, :, : len(codes)].argmax(0).tolist() == codes
    np.testing.assert_allclose(contributions[0, codes, range(len(codes))], -first["loo"], rtol=1e-5)
    assert contributions[0].sum() == pytest.approx(-first["loo"].sum(), rel=1e-3)


def test_means_by_region(results):
    regions = table(results / "tables/datasets/rna/regions.tsv").set_index(["model", "region"])
    for model in MODELS:
        sums = {"5'UTR": [], "CDS": [], "3'UTR": []}
        for _, own in pd.read_parquet(results / f"attributions/rna/{model}.parquet").groupby("sequence"):
            _, (start, end), _ = parse_tokens(" ".join(own["token"]))
            size = own["loo"].abs().to_numpy()
            for region, part in (("5'UTR", size[:start]), ("CDS", size[start:end]), ("3'UTR", size[end:])):
                sums[region] += part.tolist()
        for region, values in sums.items():
            assert regions.loc[(model, region), "mean"] == pytest.approx(np.mean(values), rel=1e-4)
            assert regions.loc[(model, region), "tokens"] == len(values)


def test_figures_show_something(results):
    for name in FIGURES:
        image = imread(results / "figures" / f"{name}-rna.png")[..., :3]
        inked = (np.abs(image - image[0, 0]).max(-1) > 0.1).mean()
        assert inked > 0.01, name
    assert len(table(results / "tables/loo.tsv")) == 0  # nothing is known about which bases matter


def test_new_mrnas_of_an_annotation(results):
    found = pd.read_parquet(results / "predictions/files/new.parquet")
    examples = pd.read_parquet(results / "datasets/rna/examples.parquet").set_index("id")["sequence"]
    assert found["id"].tolist() == [f"t{i}" for i in range(6)]
    folds = [seqlm.load_model(results / f"models/rna/saluki/fold{fold}/seed1") for fold in (0, 1)]
    expected = [predict_targets(model, list(examples[found["id"]]), device="cpu") for model in folds]
    np.testing.assert_allclose(found["prediction"], np.mean(expected, axis=0), rtol=1e-5)
