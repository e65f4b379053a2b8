"""Embeddings against a plain forward pass per sequence, for every kind of encoder."""

import numpy as np
import pytest
import torch
from small_models import KINDS, save, small_model

from seqlm.common.errors import InputError
from seqlm.inference.embedding import embed, length_batches
from seqlm.models.language.backbone import BackboneModel

rng = np.random.default_rng(0)
SEQUENCES = ["".join(rng.choice(list("ACGT"), size=n)) for n in (60, 18, 60, 7, 33, 60, 18, 46, 3, 60)]


def one_by_one(model, sequences, pooling="mean", layer=-1):
    """What the documentation of transformers would have one write."""
    vectors = []
    for sequence in sequences:
        ids = torch.tensor([model.tokenizer(sequence)["input_ids"]])
        with torch.no_grad():
            states = model.base_model(input_ids=ids, output_hidden_states=True).hidden_states[layer][0]
        pooled = {"mean": states.mean(0), "max": states.max(0).values, "first": states[0], "last": states[-1]}
        vectors.append(pooled[pooling].numpy())
    return np.stack(vectors)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "seqlm-gpt"])
def test_equals_one_forward_pass_per_sequence(kind):
    model = small_model(kind)
    np.testing.assert_allclose(embed(model, SEQUENCES), one_by_one(model, SEQUENCES), atol=1e-5)
    np.testing.assert_allclose(embed(model, SEQUENCES, batch_tokens=1), one_by_one(model, SEQUENCES), atol=1e-5)


@pytest.mark.parametrize("pooling", ["mean", "max", "first", "last"])
@pytest.mark.parametrize("layer", [0, 1, 2, 3, -2])
def test_poolings_and_layers(pooling, layer):
    model = small_model("esm")
    expected = one_by_one(model, SEQUENCES, pooling, layer)
    np.testing.assert_allclose(embed(model, SEQUENCES, pooling, layer), expected, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_independent_of_batch_and_padding(kind):
    model = small_model(kind)
    together = embed(model, SEQUENCES)
    alone = np.concatenate([embed(model, [sequence]) for sequence in SEQUENCES])
    reversed_ = embed(model, SEQUENCES[::-1], batch_tokens=70)[::-1]
    np.testing.assert_allclose(together, alone, atol=1e-5)
    np.testing.assert_allclose(together, reversed_, atol=1e-5)


def test_bases_that_a_vocabulary_lacks_are_no_tokens():
    model = small_model("seqlm-gpt")
    states = model.base_model(torch.tensor([[0, 1, 255, 3]])).last_hidden_state[0]
    expected = states[[0, 1, 3]].mean(0).detach().numpy()
    np.testing.assert_allclose(embed(model, ["ACNT"])[0], expected, atol=1e-5)


def test_bf16_is_close_and_leaves_the_model_alone():
    model = small_model("esm").train()
    exact, rough = embed(model, SEQUENCES), embed(model, SEQUENCES, precision="bf16")
    cosine = (exact * rough).sum(1) / np.linalg.norm(exact, axis=1) / np.linalg.norm(rough, axis=1)
    assert cosine.min() > 0.999 and not np.array_equal(exact, rough)
    assert rough.dtype == np.float32 and model.dtype == torch.float32 and model.training


def test_a_bundle_and_a_model_on_a_backbone(tmp_path):
    model = small_model("esm")
    classifier = BackboneModel.on(model, model.tokenizer, head="pooled", target="class", n_outputs=2)
    from seqlm.models.bundle import save_bundle

    save_bundle(classifier, tmp_path)
    np.testing.assert_allclose(embed(tmp_path, SEQUENCES), embed(model, SEQUENCES), atol=1e-6)


def test_a_folder_of_transformers(tmp_path):
    model = small_model("gpt2")
    np.testing.assert_allclose(embed(save(model, tmp_path), SEQUENCES), embed(model, SEQUENCES), atol=1e-6)


def test_long_sequences_are_cut_and_said_so(caplog):
    model = small_model("bert")
    model.config.max_position_embeddings = 8
    vectors = embed(model, SEQUENCES)
    assert "sequences are cut to 8 tokens" in caplog.text
    tokens = model.tokenizer(SEQUENCES[0])["input_ids"][:8]
    with torch.no_grad():
        expected = model(torch.tensor([tokens])).last_hidden_state[0].mean(0)
    np.testing.assert_allclose(vectors[0], expected, atol=1e-5)


def test_batches_hold_every_row_once_within_the_budget():
    lengths = np.random.default_rng(1).integers(1, 200, 1000)
    batches = list(length_batches(lengths, 500))
    assert sorted(np.concatenate(batches)) == list(range(1000))
    assert all(len(batch) == 1 or lengths[batch].max() * len(batch) <= 500 for batch in batches)


@pytest.mark.parametrize(
    ("options", "message"), [({"pooling": "sum"}, "mean"), ({"layer": 9}, "3 layers"), ({"precision": "fp8"}, "bf16")]
)
def test_mistakes(options, message):
    with pytest.raises(InputError, match=message):
        embed(small_model("esm"), SEQUENCES, **options)


def test_nothing_to_embed():
    model = small_model("esm")
    with pytest.raises(InputError, match="none to embed"):
        embed(model, [])
    model.tokenizer = None
    with pytest.raises(InputError, match="no tokenizer"):
        embed(model, SEQUENCES)


@pytest.mark.parametrize("layer", [-1, 1])
def test_a_vector_for_each_base(layer, tmp_path):
    """That of a base's token; the mean of all vectors is the pooled one where no token is special."""
    from published import KINDS, published

    sequences = ["ATGGTAGCTACATCATCTGCA", "GATTACA"]
    for kind in KINDS:
        model = published(kind, tmp_path)
        found = embed(model, sequences, pooling="bases", layer=layer, device="cpu")
        assert [len(vectors) for vectors in found] == [21, 7]
        for sequence, vectors in zip(sequences, found, strict=True):
            ids = model.tokenizer(sequence)["input_ids"]
            with torch.no_grad():
                states = model.base_model(torch.tensor([ids]), output_hidden_states=True).hidden_states[layer][0]
            words, at = model.tokenizer.convert_ids_to_tokens(ids), 0
            over = [[] for _ in sequence]
            for t, word in enumerate(words):
                if word[0] not in "<[":
                    for base in range(at, at + len(word)):
                        over[base].append(t)
                    at += 1 if kind == "overlapping" else len(word)
            expected = np.stack([states[own].mean(0).numpy() for own in over])
            np.testing.assert_allclose(vectors, expected, atol=1e-5)


def test_the_first_token_of_a_causal_model_is_no_embedding(tmp_path):
    from published import published

    with pytest.raises(InputError, match="pooling: first"):
        embed(published("causal", tmp_path), ["GATTACA", "ACGT"], pooling="first", device="cpu")
