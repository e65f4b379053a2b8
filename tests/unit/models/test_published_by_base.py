"""Published models from their files to values per base: how bases are spelled and which of them a token stands for."""

import numpy as np
import pytest
import torch
from hub_layouts import FAMILIES

from seqlm import InputError, embed, leave_one_out, predict
from seqlm.inference.prediction import predict_targets
from seqlm.models.bundle import load_model, save_bundle
from seqlm.models.language.backbone import BackboneModel
from seqlm.models.language.hub import load_language_model
from seqlm.streaming.likelihood import log_likelihood, log_likelihood_by_base

# Of multiples of 6 bases, for tokenizers that know no rest; with N in every 6-mer, too.
SEQUENCES = ["ATGGTAGCTACATCATCTGCAACT", "ACGTNGATTNCATTNACGATNNNA", "GATTACAGGTCA", "NNGATTACAGATTACAGGNNNNNN"]


def language(family, folder):
    known = FAMILIES[family](folder)
    return load_language_model(folder, **known.needs), known


def on(model, **options):
    torch.manual_seed(0)
    return BackboneModel.on(model, model.tokenizer, **({"hidden": 8} | options)).eval()


@pytest.mark.parametrize("family", FAMILIES)
def test_values_per_base(family, tmp_path):
    (tmp_path / "published").mkdir()
    model, known = language(family, tmp_path / "published")
    for vectors, sequence in zip(embed(model, SEQUENCES, pooling="bases"), SEQUENCES, strict=True):
        assert len(vectors) == len(sequence) and np.isfinite(vectors).all()
    if model.get_output_embeddings() is not None:
        by_base, whole = (score(model, SEQUENCES, device="cpu") for score in (log_likelihood_by_base, log_likelihood))
        assert [len(values) for values in by_base] == [len(sequence) for sequence in SEQUENCES]
        np.testing.assert_allclose([values.sum() for values in by_base], whole, rtol=1e-6)
    track = on(model, context="both_strands", skip="onehot")
    save_bundle(track, tmp_path / "bundle")
    again = load_model(tmp_path / "bundle", **known.needs)
    together = predict_targets(again, SEQUENCES, device="cpu")
    for sequence, values in zip(SEQUENCES, together, strict=True):
        assert len(values) == len(sequence)
        alone = predict_targets(track, [sequence.lower().replace("t", "u")], device="cpu")[0]
        np.testing.assert_allclose(alone, values, atol=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_leave_one_out_in_bases_is_brute_force(family, tmp_path):
    model, _ = language(family, tmp_path)
    model, sequence = on(model, target="scalar", head="pooled"), "ATGGTAGCTACATCATCT"
    edited = [f"{sequence[:i]}N{sequence[i + 1 :]}" for i in range(len(sequence))]
    whole, *values = predict(model, [sequence, *edited], device="cpu").double().ravel()
    found = leave_one_out(model, [sequence], "mask", device="cpu").scores[0]
    np.testing.assert_allclose(found, [float(value - whole) for value in values], atol=2e-5)


@pytest.mark.parametrize("context", ["forward", "both_strands"])
@pytest.mark.parametrize("sequence", ["A", "N", "ACG", "NACGN"])
def test_a_batch_that_is_shorter_than_a_word(context, sequence, tmp_path):
    model, _ = language("nucleotide-transformer-v2", tmp_path)
    model = on(model, target="scalar", head="pooled", context=context)
    ids = model.tokenizer(sequence)["input_ids"]
    assert model.encode([sequence])[0, : len(ids)].tolist() == ids
    beside = predict(model, [sequence, "ATGGTAGCTACATCATCTGCA"], device="cpu")[0]
    torch.testing.assert_close(predict(model, [sequence], device="cpu")[0], beside, atol=1e-5, rtol=1e-5)
    assert np.isfinite(leave_one_out(model, [sequence], "replace", device="cpu").scores).all()


def test_unknown_words_of_a_tokenizer_without_rests_stand_on_their_bases(tmp_path):
    """Each with an N: nothing but their number tells how many bases they hold."""
    model, _ = language("plant-dnagpt-6mer", tmp_path)
    sequence = "ACGTNGATTNCATTNACGATNNNA"
    vectors = embed(model, [sequence], pooling="bases")[0].reshape(4, 6, -1)
    assert (vectors == vectors[:, :1]).all()  # the bases of a token have its vector
    assert (np.abs(np.diff(vectors[:, 0], axis=0)).max(1) > 1e-3).all()


def test_a_base_cannot_be_removed_where_no_rest_is_read(tmp_path):
    model, _ = language("plant-dnagpt-6mer", tmp_path)
    scalar = on(model, target="scalar", head="pooled")
    with pytest.raises(InputError, match="edit remove: .*6 bases at a time.*use edit: mask or replace") as caught:
        leave_one_out(scalar, ["GATTACAGGTCA"], "remove", device="cpu")
    assert "\n" not in str(caught.value)
    assert leave_one_out(scalar, ["GATTACAGGTCA"], "mask", device="cpu").scores.shape == (1, 12)
    assert leave_one_out(on(model), ["GATTACAGGTCA"], "remove", device="cpu").scores.shape == (1, 12)


def test_of_one_word_no_base_can_be_spared(tmp_path):
    """As many scores as for any other sequence, but none of a removal; the others are scored."""
    model, _ = language("dnabert-1", tmp_path)
    model = on(model, target="scalar", head="pooled")
    found = leave_one_out(model, ["GATTAC", "GATTACA"], "remove", device="cpu")
    short, longer = found.scores
    assert np.isnan(short[:6]).all() and np.isfinite(longer).all()
