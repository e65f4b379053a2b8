"""How a model gathers positions is decided from its data, kept in the bundle, and told."""

import json

import numpy as np
import pandas as pd
import pytest
from test_fitting import TRAINING, backbone, dataset, run  # noqa: F401  a fixture among them

import seqlm
from seqlm.common.errors import InputError
from seqlm.datasets import Dataset
from seqlm.datasets.build import build_dataset
from seqlm.evaluation.contest.sums import Sums, group_sums
from seqlm.study.kinds import pooling_is_chosen
from seqlm.tokenization import learn_tokenizer
from seqlm.training.places import _best, choose_pooling
from seqlm.training.pooling import pooling_fields


def aligned(data, yes=True):
    data.summary |= {"aligned": yes, "aligned_said": True}
    return data


@pytest.mark.parametrize("network", ["cnn", "dilated"])
def test_a_network_keeps_positions_of_aligned_inputs(tmp_path, network):
    output, _, _ = run(tmp_path, aligned(dataset("class")), {"network": network, "filters": 8})
    model = seqlm.load_model(output)
    assert (model.config.pooling, model.config.bases, model.config.length) == ("positions", 32, 32)
    assert "| pooling | positions |" in (output / "README.md").read_text()
    assert seqlm.predict(model, ["ACGT" * 8]).shape == (1, 2)
    for ask in (seqlm.predict, seqlm.leave_one_out):
        with pytest.raises(InputError, match="36 bases.*reads exactly 32"):
            ask(model, ["ACGT" * 9])


def test_else_mean_and_maximum(tmp_path):
    output, _, _ = run(tmp_path, aligned(dataset("scalar"), False), {"network": "cnn", "filters": 8})
    assert seqlm.load_model(output).config.pooling == "mean_max"


@pytest.mark.parametrize("pooling", [None, "attention"])
@pytest.mark.parametrize("cache", [True, False])
def test_a_backbone_keeps_positions_too(tmp_path, backbone, cache, pooling):  # noqa: F811
    entry = {"backbone": "b", "train": "head"} | ({"pooling": pooling} if pooling else {})
    training = {**TRAINING, "cache": cache}
    folder = tmp_path / "cache" if cache else None
    output, network, _ = run(tmp_path, aligned(dataset("class")), entry, backbone, training, cache=folder)
    loaded = seqlm.load_model(output)
    assert loaded.config.pooling == (pooling or "positions")
    same = seqlm.predict(loaded, ["ACGT" * 8]), seqlm.predict(network, ["ACGT" * 8])
    assert same[0].equal(same[1])


def test_cached_features_train_the_same_head(tmp_path, backbone):  # noqa: F811
    entry, out = {"backbone": "b", "train": "head", "pooling": "attention"}, []
    for cache in (None, tmp_path / "cache"):
        training = {**TRAINING, "cache": bool(cache)}
        _, network, _ = run(tmp_path, dataset("class"), entry, backbone, training, name=f"o{bool(cache)}", cache=cache)
        out.append(seqlm.predict(network, ["ACGTT" * 6 + "NN"]))
    assert out[0].allclose(out[1], atol=1e-5)


def test_byte_pairs_have_no_fixed_places(tmp_path):
    sequences = ["ACGTACGTAACC", "AAAAAAAAAAAA", "ACACACACACAC"]
    (tmp_path / "text.fa").write_text("".join(f">{i}\n{s}\n" for i, s in enumerate(sequences * 20)))
    pairs = learn_tokenizer("bpe", [tmp_path / "text.fa"], size=12)
    kept = {"pooling": "positions", "otherwise": "mean"}
    assert pooling_fields("auto", sequences, kept, pairs) == {"pooling": "mean"}
    with pytest.raises(InputError, match="numbers of tokens"):
        pooling_fields("positions", sequences, kept, pairs)
    with pytest.raises(InputError, match="lengths"):
        pooling_fields("positions", ["ACG", "AC"], kept)
    characters = learn_tokenizer("character", alphabet="ACGT")
    assert pooling_fields("auto", sequences, kept, characters)["length"] == 12


@pytest.mark.parametrize(
    ("sequences", "said", "expected"),
    [
        (["ACGT", "TTGA"], None, True), (["ACGT", "TTG"], None, False), (["ACGT", "TTGA"], False, False),
        (["ACGT", "TTG"], True, "3 to 4 bases"),
    ],
)  # fmt: skip
def test_tables_of_one_length_are_aligned(tmp_path, sequences, said, expected):
    pd.DataFrame({"sequence": sequences * 2, "label": [0, 1] * 2}).to_csv(tmp_path / "t.tsv", sep="\t", index=False)
    config = {"target": "class", "table": {"source": "t"}} | ({} if said is None else {"aligned": said})
    if isinstance(expected, str):
        with pytest.raises(InputError, match=expected):
            build_dataset("d", config, {"t": tmp_path / "t.tsv"})
    else:
        assert build_dataset("d", config, {"t": tmp_path / "t.tsv"})[1]["aligned"] is expected


def test_windows_at_any_place_are_not_aligned(tmp_path):
    for name in "ab":
        (tmp_path / f"{name}.fa").write_text(f">{name}\n" + "ACGTTGCA" * 30 + "\n")
    config = {"target": "class", "windows": {"sources": {"a": "a", "b": "b"}, "length": 24}}
    paths = {name: tmp_path / f"{name}.fa" for name in "ab"}
    assert build_dataset("d", config, paths)[1]["aligned"] is False


def with_site(places, n=400, length=60, seed=3):
    """Half of the sequences with TGACGTCA: at one of `places`."""
    rng = np.random.default_rng(seed)
    codes, label = rng.integers(0, 4, (n, length)), np.arange(n) % 2
    for row in codes[label == 1]:
        start = rng.choice(places)
        row[start : start + 8] = ["ACGT".index(base) for base in "TGACGTCA"]
    texts = ["".join("ACGT"[code] for code in row) for row in codes]
    ids = [f"e{i}" for i in range(n)]
    table = pd.DataFrame({"id": ids, "sequence": texts, "target": np.where(label, "site", "none"), "weight": 1.0})
    table["group"] = table["id"]
    part = np.where(np.arange(n) < 0.7 * n, "train", np.where(np.arange(n) < 0.85 * n, "validation", "test"))
    summary = {"target": "class", "classes": ["none", "site"], "aligned": True, "aligned_said": False}
    return Dataset(table, pd.DataFrame({"id": ids, "fold": 0, "part": part}), summary)


def test_one_length_alone_does_not_keep_positions_where_a_site_stands_anywhere(tmp_path):
    data = with_site(np.arange(52))
    places = choose_pooling(data, 0, device="cpu", precision="fp32")
    assert places["pooling"] != "positions"
    entry = {"network": "cnn", "filters": 16}
    output, _, _ = run(tmp_path, data, entry, training={"epochs": 2}, places=places)
    assert seqlm.load_model(output).config.pooling == places["pooling"]
    assert (
        "the CNN's validation log loss: mean_max 0."
        in json.loads((output / "config.json").read_text())["trained_with"]["pooling_chosen_by"]
    )


def test_one_length_keeps_positions_where_the_place_tells(tmp_path):
    data = with_site([0])
    # Both classes have a G or an A somewhere: only where it stands differs.
    data.examples["target"] = np.where(data.examples["sequence"].str[30].isin(list("GA")), "site", "none")
    assert choose_pooling(data, 0, device="cpu", precision="fp32")["pooling"] == "positions"


def measured(loss):
    """Sums of a log loss (examples,)."""
    return Sums("log_loss", np.stack([np.ones(len(loss)), loss], axis=1))


def test_another_way_must_be_clearly_better_than_mean_and_maximum():
    rng = np.random.default_rng(1)
    loss, gain = rng.exponential(size=100), rng.normal(size=100)
    gain = (gain - gain.mean()) / gain.std(ddof=1)  # the mean's standard error is 0.1
    by_chance, clear = measured(loss - gain - 0.09), measured(loss - gain - 0.11)
    assert _best({"mean_max": measured(loss), "mean": by_chance}, ["mean_max", "mean"]) == "mean_max"
    assert _best({"mean_max": measured(loss), "mean": clear}, ["mean_max", "mean"]) == "mean"
    positions = measured(loss - gain - 0.2)
    found = {"mean_max": measured(loss), "mean": clear, "positions": positions}
    assert _best(found, ["mean_max", "mean", "positions"]) == "positions"


def test_a_way_that_predicts_a_constant_is_not_taken():
    rng = np.random.default_rng(2)
    y, p, each = rng.normal(size=50), rng.normal(size=50), np.arange(50)
    constant, some = (Sums("pearson", group_sums("pearson", "scalar", y, own, each, 50)) for own in (0 * p, p + y))
    assert _best({"mean_max": constant, "mean": some}, ["mean_max", "mean"]) == "mean"
    assert _best({"mean_max": some, "mean": constant}, ["mean_max", "mean"]) == "mean_max"


def test_clusters_are_left_out_whole_and_labels_without_a_logarithm_are_not_validated_on(monkeypatch):
    data, seen = dataset("scalar", n=48, folds=1), {}
    data.summary |= {"aligned": False}
    data.examples.loc[[1, 5, 9], "target"] = -1.0  # of the validation part
    data.folds["cluster"] = [f"c{i // 8}" for i in range(48)]
    monkeypatch.setattr("seqlm.training.places._best", lambda found, ways: seen.update(found) or ways[0])
    places = choose_pooling(data, 0, {"label_scaling": "log"}, device="cpu", precision="fp32")
    assert places["metric"] == "pearson" and seen["mean"].sums.shape == (5, 6)  # one is left without labels
    assert seen["mean"].sums[:, 0].sum() == 12 - 3


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"target": "class", "windows": {}}, True), ({"target": "scalar", "table": {}, "aligned": False}, True),
        ({"target": "scalar", "records": {}, "aligned": True}, False), ({"target": "track", "windows": {}}, False),
        ({"target": "scalar", "transcripts": {}}, False), ({"target": "class", "table": {"tokens": " "}}, False),
    ],
)  # fmt: skip
def test_for_which_datasets_validation_decides(entry, expected):
    assert pooling_is_chosen(entry, [{"network": "kmer"}, {"backbone": "gpt"}]) is expected
    assert not pooling_is_chosen(entry, [{"network": "kmer"}, {"network": "cnn", "pooling": "max"}])


def test_the_same_way_is_taken_for_sequences_of_several_lengths(tmp_path):
    data = with_site(np.arange(30), n=120)
    data.examples["sequence"] = [text[: 40 + i % 21] for i, text in enumerate(data.examples["sequence"])]
    data.summary["aligned"] = False
    places = choose_pooling(data, 0, device="cpu", precision="fp32")
    assert set(places["validation"]) == {"mean", "mean_max"} and places["pooling"] == places["otherwise"]
    for way in ("mean", "mean_max"):
        entry, found = {"network": "cnn", "filters": 8}, {"pooling": way}
        output, _, _ = run(tmp_path, data, entry, training={"epochs": 1}, name=way, places=found)
        assert seqlm.load_model(output).config.pooling == way


def test_what_was_found_is_taken_and_what_is_said_comes_before(tmp_path):
    data, entry = with_site(np.arange(52)), {"network": "cnn", "filters": 8}
    output, _, _ = run(tmp_path, data, entry, training={"epochs": 1}, places={"pooling": "positions"})
    assert seqlm.load_model(output).config.pooling == "positions"
    found = {"pooling": "positions"}
    output, _, _ = run(tmp_path, data, entry | {"pooling": "max"}, training={"epochs": 1}, name="said", places=found)
    assert seqlm.load_model(output).config.pooling == "max"
    assert "pooling_chosen_by" not in json.loads((output / "config.json").read_text())["trained_with"]
