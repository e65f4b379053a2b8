"""From a dataset and a model entry to a bundle that predicts what it predicted before."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.utils.class_weight import compute_sample_weight

import seqlm
from seqlm.common.errors import InputError
from seqlm.datasets import Dataset
from seqlm.inference.prediction import predict_targets
from seqlm.models.bundle import save_bundle
from seqlm.models.language.gpt import GPTConfig, GPTForCausalLM
from seqlm.tokenization import learn_tokenizer
from seqlm.training.examples import Examples
from seqlm.training.fitting import fit_dataset_model

TRAINING = {"epochs": 2, "batch_size": 8, "learning_rate": 1e-2, "copies": 2, "max_shift": 3}


def dataset(target="track", n=40, length=32, folds=2, seed=0):
    rng = np.random.default_rng(seed)
    sequences = ["".join("ACGT"[i] for i in row) for row in rng.integers(0, 4, (n, length))]
    y = {
        "track": [rng.random(length).astype("float32") for _ in range(n)],
        "scalar": [s.count("G") + 5.0 for s in sequences],
        "class": ["rich" if s.count("G") > 8 else "poor" for s in sequences],
    }[target]
    examples = pd.DataFrame({"id": [f"e{i}" for i in range(n)], "sequence": sequences, "target": y})
    examples = examples.assign(group=examples["id"], weight=1.0)
    parts = [("test", "validation", "train", "train"), ("train", "test", "validation", "train")]
    rows = [(f"e{i}", fold, parts[fold][i % 4]) for fold in range(folds) for i in range(n)]
    classes = ["poor", "rich"] if target == "class" else None
    return Dataset(examples, pd.DataFrame(rows, columns=["id", "fold", "part"]), {"target": target, "classes": classes})


@pytest.fixture
def backbone(tmp_path):
    torch.manual_seed(0)
    tokenizer = learn_tokenizer("character", alphabet="ACGT")
    model = GPTForCausalLM(GPTConfig(vocab_size=4, block_size=40, n_layer=1, n_head=2, n_embd=16))
    save_bundle(model, tmp_path / "backbone", tokenizer)
    return tmp_path / "backbone"


def run(tmp_path, data, model, backbone=None, training=TRAINING, name="out", **options):
    output = tmp_path / name
    output.mkdir()
    network, history = fit_dataset_model(
        data, 0, model, training, 1, output, backbone=backbone, device="cpu", precision="fp32", **options
    )
    return output, network, history


def same_after_reload(output, network, data):
    sequences = data.examples["sequence"].tolist()[:5]
    loaded = seqlm.load_model(output)
    with torch.no_grad():
        return torch.equal(loaded(loaded.encode(sequences)), network.eval()(network.encode(sequences)))


@pytest.mark.parametrize("target", ["track", "scalar", "class"])
def test_a_cnn_for_every_target(tmp_path, target):
    data = dataset(target)
    output, network, history = run(tmp_path, data, {"network": "cnn", "train": "head", "pooling": "max"})
    assert same_after_reload(output, network, data)
    assert set(history["part"]) == {"train", "validation"} and (output / "history.tsv").exists()
    assert json.loads((output / "cost.json").read_text())["stage"] == "fit"
    assert "fold 0" in (output / "README.md").read_text()


@pytest.mark.parametrize("network", ["kmer"])
@pytest.mark.parametrize("target", ["scalar", "class"])
def test_solved_baselines(tmp_path, network, target):
    data = dataset(target, n=80)
    output, model, history = run(tmp_path, data, {"network": network, "train": "head"}, training={})
    assert same_after_reload(output, model, data)
    best = history.query("part == 'validation'").set_index("metric")["value"]
    assert best.get("pearson", best.get("accuracy")) > 0.8  # the label is a count of one base


def test_options_of_the_kmer_baseline(tmp_path):
    entry = {"network": "kmer", "phases": 3, "kmers": [1, 2]}
    _, model, _ = run(tmp_path, dataset("class", n=80), entry, training={})
    assert model.config.n_features == 3 * (4 + 16)


def test_a_linear_probe(tmp_path, backbone):
    data = dataset("class", n=80)
    output, model, history = run(tmp_path, data, {"backbone": "b", "head": "linear", "train": "head"}, backbone, {})
    assert same_after_reload(output, model, data)
    assert history.query("part == 'train'").set_index("metric")["value"]["accuracy"] > 0.7


@pytest.mark.parametrize("target", ["track", "scalar"])
@pytest.mark.parametrize("cache", [True, False])
def test_a_head_on_a_backbone(tmp_path, backbone, target, cache):
    data = dataset(target)
    entry = {"backbone": "b", "train": "head", "context": "both_strands"}
    output, network, _ = run(tmp_path, data, entry, backbone, {**TRAINING, "cache": cache}, cache=tmp_path / "cache")
    assert same_after_reload(output, network, data)
    costs = json.loads((output / "cost.json").read_text())
    stages = costs if isinstance(costs, list) else [costs]
    assert [s["stage"] for s in stages] == (["features", "fit"] if cache else ["fit"])
    assert (tmp_path / "cache").exists() == cache


@pytest.mark.parametrize("target", ["track", "scalar", "class"])
@pytest.mark.parametrize("train", ["head", "all", "lora", {"freeze": 1}])
def test_layers_and_strands_are_read_whatever_is_trained(tmp_path, backbone, target, train):
    data = dataset(target)
    entry = {"backbone": "b", "train": train, "layers": "all", "context": "both_strands"}
    entry |= {"skip": "onehot"} if target == "track" else {}
    output, network, history = run(tmp_path, data, entry, backbone, cache=tmp_path / "cache")
    assert same_after_reload(output, network, data)
    assert network.layers == [0, 1] and "share of each layer" in (output / "README.md").read_text()
    # All of the backbone's one layer frozen is a frozen backbone, whose features are cached.
    assert (tmp_path / "cache").exists() == (train in ("head", {"freeze": 1}))
    sequences = data.examples["sequence"].tolist()[:7]
    alone = [predict_targets(network, [sequence], device="cpu")[0] for sequence in sequences]
    np.testing.assert_allclose(np.stack(predict_targets(network, sequences, device="cpu")), alone, atol=1e-5)


@pytest.mark.parametrize("context", ["forward", "both_strands"])
@pytest.mark.parametrize("cache", [True, False])
def test_tracks_on_a_backbone_of_byte_pairs(tmp_path, context, cache):
    """From unequal windows and their shifted copies to a bundle that gives a value for each base."""
    torch.manual_seed(0)
    data = dataset()
    data.examples.loc[3, "sequence"] = data.examples.loc[3, "sequence"][:25]
    data.examples.at[3, "target"] = data.examples.loc[3, "target"][:25]
    tokenizer = learn_tokenizer("bpe", text="".join(data.examples["sequence"]), size=40)
    size = {"block_size": 40, "n_layer": 1, "n_head": 2, "n_embd": 16}
    save_bundle(GPTForCausalLM(GPTConfig(vocab_size=40, pad_token_id=1, **size)), tmp_path / "pairs", tokenizer)
    entry = {"backbone": "b", "train": "head", "context": context, "layers": "all", "skip": "onehot"}
    training = {**TRAINING, "cache": cache}
    output, network, _ = run(tmp_path, data, entry, tmp_path / "pairs", training, cache=tmp_path / "cache")
    assert same_after_reload(output, network, data)
    found = predict_targets(output, data.examples["sequence"].tolist(), device="cpu")
    assert [len(track) for track in found] == [25 if i == 3 else 32 for i in range(40)]


def test_layers_are_scaled_on_the_training_part_alone(tmp_path, backbone):
    scaled = []
    for change in (False, True):
        data = dataset("scalar")
        held_out = data.folds.query("fold == 0 and part != 'train'")["id"]
        if change:
            data.examples.loc[data.examples["id"].isin(held_out), "sequence"] = "A" * 32
        _, network, _ = run(tmp_path, data, {"backbone": "b"}, backbone, name=f"changed {change}")
        scaled.append(network.mix.mean)
    assert torch.equal(*scaled) and scaled[0].abs().max() > 0


@pytest.mark.parametrize(
    ("entry", "layers"),
    [({}, [0, 1]), ({"train": {"freeze": 1}}, [0, 1]), ({"train": "lora"}, [0, 1]), ({"train": "all"}, [0, 1]),
     ({"head": "linear"}, None), ({"layers": "last"}, None), ({"layers": [0], "train": "all"}, [0])],
)  # fmt: skip
def test_backbones_are_read_at_all_layers_unless_told(tmp_path, backbone, entry, layers):
    _, network, _ = run(tmp_path, dataset("class"), {"backbone": "b", **entry}, backbone)
    assert network.layers == layers


def test_cached_features_are_shared_between_seeds_and_change_nothing(tmp_path, backbone):
    data = dataset("track")
    entry = {"backbone": "b", "train": "head"}
    _, _, first = run(tmp_path, data, entry, backbone, cache=tmp_path / "cache")
    stamp = next((tmp_path / "cache").glob("*.bin")).stat().st_mtime_ns
    for fold, seed in ((0, 2), (1, 1)):
        (tmp_path / f"{fold}{seed}").mkdir()
        fit_dataset_model(data, fold, entry, TRAINING, seed, tmp_path / f"{fold}{seed}", backbone=backbone,
                          device="cpu", precision="fp32", cache=tmp_path / "cache")  # fmt: skip
    assert next((tmp_path / "cache").glob("*.bin")).stat().st_mtime_ns == stamp
    _, _, direct = run(tmp_path, data, entry, backbone, name="direct")
    assert np.allclose(first["value"], direct["value"], atol=1e-3)


def test_tuning_a_backbone_changes_it_and_runs_it_in_every_step(tmp_path, backbone):
    data = dataset("track")
    output, network, _ = run(tmp_path, data, {"backbone": "b", "train": "all"}, backbone, cache=tmp_path / "cache")
    before = seqlm.load_model(backbone).network.wte.weight
    assert not torch.equal(before, network.backbone.wte.weight) and not (tmp_path / "cache").exists()
    assert same_after_reload(output, network, data)


def test_labels_are_scaled_on_the_training_part_alone(tmp_path):
    data = dataset("scalar")
    test = data.folds.query("fold == 0 and part != 'train'")["id"]
    data.examples.loc[data.examples["id"].isin(test), "target"] += 1000
    _, network, _ = run(tmp_path, data, {"network": "cnn"})
    train = data.part(0, "train")["target"]
    assert network.config.label_scaling["offset"] == pytest.approx(train.mean())
    assert network.config.label_scaling["scale"] == pytest.approx(train.std(ddof=0))


def test_classes_are_weighted_by_the_training_part():
    data = dataset("class")
    plain = Examples(data, 0, "standard")
    y, names = plain.y, np.array(plain.classes)
    balanced = Examples(data, 0, "standard", "balanced").weight
    expected = compute_sample_weight("balanced", y[plain.train])
    np.testing.assert_allclose(balanced[plain.train], expected, rtol=1e-6)
    for name in names:
        assert balanced[plain.train][names[y[plain.train]] == name].sum() == pytest.approx(
            len(plain.train) / len(names)
        )
    named = Examples(data, 0, "standard", {names[0]: 3.0}).weight
    assert named.tolist() == np.where(y == 0, 3.0, 1.0).tolist()
    with pytest.raises(InputError, match="'w'"):
        Examples(data, 0, "standard", {"w": 2.0})


def test_weights_of_classes_that_yaml_reads_as_numbers():
    data = dataset("class")
    data.examples["target"] = data.examples["target"].map({"poor": "0", "rich": "1"})
    data.summary["classes"] = ["0", "1"]
    weight = Examples(data, 0, "standard", {0: 3.0}).weight
    assert weight.tolist() == np.where(data.examples["target"] == "0", 3.0, 1.0).tolist()
    with pytest.raises(InputError, match="no class '2'.*quote names"):
        Examples(data, 0, "standard", {2: 3.0})


def test_one_example_without_a_group_does_not_undo_the_groups(tmp_path):
    """The penalty is chosen by groups; copies of a sequence on both sides would choose another."""
    data = dataset("scalar", n=80)
    copies = data.examples["sequence"].iloc[np.arange(80) // 8 * 8].tolist()
    noise = np.random.default_rng(1).normal(size=10)[np.arange(80) // 8]
    grouped = data.examples.assign(sequence=copies, target=noise, group=[f"g{i // 8}" for i in range(80)])
    predicted = {}
    for name, lone in (("missing", None), ("named", "lone"), ("none", ...)):
        group = grouped["group"].astype(object)
        group = group.where(group.index != 79, lone) if lone is not ... else pd.Series([None] * 80, dtype=object)
        given = Dataset(grouped.assign(group=group), data.folds, data.summary)
        _, network, _ = run(tmp_path, given, {"network": "kmer", "k": 2}, name=name)
        predicted[name] = predict_targets(network, copies[::8], device="cpu")
    np.testing.assert_array_equal(predicted["missing"], predicted["named"])
    assert not np.allclose(predicted["missing"], predicted["none"])


def test_weights_multiply_and_change_what_is_learned(tmp_path):
    data = dataset("class")
    data.examples["weight"] = np.linspace(0.5, 2, len(data.examples))
    both = Examples(data, 0, "standard", {data.classes[1]: 4.0})
    expected = both.table["weight"] * np.where(both.y == 1, 4.0, 1.0)
    np.testing.assert_allclose(both.weight, expected, rtol=1e-6)
    shares = []
    for name, weights in (("plain", None), ("heavy", {"rich": 1000.0})):
        training = TRAINING | {"class_weights": weights, "metric": "loss"}
        _, network, _ = run(tmp_path, data, {"network": "cnn"}, training=training, name=name)
        predicted = predict_targets(network, list(data.examples["sequence"]), device="cpu").argmax(1)
        shares.append((predicted == 1).mean())
    assert shares[1] == 1 > shares[0]


def test_test_examples_are_never_touched():
    data = dataset("track", folds=1)
    examples = Examples(data, 0, "standard")
    test = set(data.part(0, "test")["id"])
    assert not test & set(examples.table["id"])
    assert not set(examples.train) & set(examples.validation)
    assert set(examples.table["id"].iloc[examples.train]) == set(data.part(0, "train")["id"])


def test_unlabelled_examples_are_left_out():
    data = dataset("scalar")
    data.examples.loc[[2, 3], "target"] = np.nan
    assert len(Examples(data, 0, "standard").train) == 18
    data.examples["target"] = np.nan
    with pytest.raises(InputError, match="no labelled example"):
        Examples(data, 0, "standard")


@pytest.mark.parametrize(
    "entry, target, match",
    [
        ({"network": "perceptron"}, "track", "network perceptron is unknown"),
        ({"network": "kmer"}, "track", "cnn"),
    ],
)
def test_entries_that_cannot_work(tmp_path, entry, target, match):
    with pytest.raises(InputError, match=match):
        run(tmp_path, dataset(target), entry)


def test_a_fold_that_is_not_there(tmp_path):
    (tmp_path / "o").mkdir()
    with pytest.raises(InputError, match="no fold 7"):
        fit_dataset_model(dataset(), 7, {"network": "cnn"}, TRAINING, 1, tmp_path / "o")
