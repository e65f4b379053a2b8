"""transformers' `pipeline` on bundles: the same results as our own functions, with a sequence or many."""

import numpy as np
import pytest
import torch
from small_models import save, small_model
from transformers import pipeline

import seqlm  # noqa: F401  registers the tasks
from seqlm.common.errors import InputError
from seqlm.inference.embedding import embed
from seqlm.models.bundle import save_bundle
from seqlm.models.language.backbone import BackboneModel
from seqlm.models.networks.cnn import CNN, CNNConfig
from seqlm.models.solved.kmer import KmerConfig, KmerModel

SEQUENCES = ["ATGGTAGCTACATCATCT", "GATTACAGATTACA", "CCGGTTAACGATGCATGCATGC"]
CLASSES = ["human", "mouse", "yeast"]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    torch.manual_seed(0)
    model = small_model("esm")
    folder = tmp_path_factory.mktemp("bundle")
    options = {"head": "pooled", "target": "class", "n_outputs": 3, "classes": CLASSES}
    save_bundle(BackboneModel.on(model, model.tokenizer, **options), folder)
    return folder


def test_embedding_of_a_bundle(bundle):
    pipe = pipeline("sequence-embedding", model=str(bundle))
    np.testing.assert_allclose(np.stack(pipe(SEQUENCES)), embed(bundle, SEQUENCES), atol=1e-6)
    np.testing.assert_allclose(pipe(SEQUENCES[0]), embed(bundle, SEQUENCES[:1])[0], atol=1e-6)
    np.testing.assert_allclose(pipe(SEQUENCES[0], pooling="max", layer=1), embed(bundle, SEQUENCES[:1], "max", 1)[0])


def test_embedding_of_any_folder(tmp_path):
    model = small_model("bert")
    pipe = pipeline("sequence-embedding", model=str(save(model, tmp_path)))
    np.testing.assert_allclose(np.stack(pipe(SEQUENCES)), embed(model, SEQUENCES), atol=1e-6)


def test_classification_of_a_bundle(bundle):
    from seqlm.models.bundle import load_model

    pipe = pipeline("sequence-classification", model=str(bundle))
    model = load_model(bundle)
    expected = torch.softmax(model(model.encode(SEQUENCES)).double(), 1).detach().numpy()
    results = pipe(SEQUENCES)
    for result, p in zip(results, expected, strict=True):
        assert result["label"] == CLASSES[p.argmax()] and result["score"] == pytest.approx(p.max(), abs=1e-6)
        assert list(result["probabilities"]) == CLASSES
        np.testing.assert_allclose(list(result["probabilities"].values()), p, atol=1e-6)
        np.testing.assert_allclose(torch.softmax(torch.tensor(result["logits"]), 0), p, atol=1e-6)
    assert pipe(SEQUENCES[1])["label"] == results[1]["label"]


@pytest.mark.parametrize("model", [CNN, KmerModel])
def test_classification_without_a_backbone(tmp_path, model):
    config = {CNN: CNNConfig, KmerModel: KmerConfig}[model](target="class", n_outputs=3, classes=CLASSES)
    save_bundle(model(config), tmp_path)
    assert pipeline("sequence-classification", model=str(tmp_path))(SEQUENCES[0])["label"] in CLASSES


def test_cleaning(bundle):
    pipe = pipeline("sequence-embedding", model=str(bundle))
    np.testing.assert_allclose(pipe("atggtagcuacaucaucu"), pipe(SEQUENCES[0]), atol=1e-6)
    np.testing.assert_allclose(pipe("ATGGTR"), pipe("ATGGTN"), atol=1e-6)
    dropped = pipe(["ATGGTR", SEQUENCES[0]], cleaning="drop")
    assert dropped[0] is None and dropped[1].shape == (32,)
    with pytest.raises(InputError, match="sequence 1, position 6"):
        pipe("ATGGTR", cleaning="error")


def test_no_class_to_predict(tmp_path):
    pipe = pipeline("sequence-classification", model=str(save(small_model("bert"), tmp_path)))
    with pytest.raises(InputError, match="class target"):
        pipe(SEQUENCES[0])


@pytest.mark.parametrize(
    ("given", "words"),
    [([None], "is a NoneType"), (5, "are a int"), ("", "sequence 1: is empty"), (["A", " "], "2: is em")],
)
def test_what_is_no_sequence_is_one_line(bundle, given, words):
    for task in ("sequence-embedding", "sequence-classification"):
        with pytest.raises(InputError, match=words):
            pipeline(task, model=str(bundle))(given)


def test_batches_of_a_classification_change_nothing(bundle):
    pipe = pipeline("sequence-classification", model=str(bundle))
    for found, expected in zip(pipe(SEQUENCES, batch_size=1), pipe(SEQUENCES), strict=True):
        np.testing.assert_allclose(found["logits"], expected["logits"], atol=1e-5)
    with pytest.raises(InputError, match="cannot be 0"):
        pipe(SEQUENCES, batch_size=0)
