"""Language models from folders and the hub: what loads, and what the user is told when it does not."""

import json

import pytest
import torch
from small_models import KINDS, save, small_model

from seqlm.common.errors import InputError
from seqlm.models.bundle import load_model, save_bundle
from seqlm.models.language.backbone import BackboneModel
from seqlm.models.language.hub import load_encoder, load_language_model

SEQUENCES = ["ATGGTAGCTACATCATCT", "GATTACAGATTACA", "CCGGTTAACGATGCATGCATGC"]


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


@pytest.mark.parametrize("kind", KINDS)
def test_loads_from_a_folder_and_carries_a_head(kind, tmp_path):
    model = small_model(kind)
    encoder = load_encoder(save(model, tmp_path / "saved"))
    assert encoder.tokenizer(SEQUENCES)["input_ids"] == model.tokenizer(SEQUENCES)["input_ids"]
    ids = torch.tensor(model.tokenizer(SEQUENCES[:1])["input_ids"])
    torch.testing.assert_close(encoder(ids).last_hidden_state, model.base_model(ids).last_hidden_state)
    classifier = BackboneModel.on(encoder, encoder.tokenizer, head="pooled", target="class", n_outputs=3).eval()
    together = classifier(classifier.encode(SEQUENCES))
    assert together.shape == (3, 3)
    alone = torch.cat([classifier(classifier.encode([sequence])) for sequence in SEQUENCES])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)
    save_bundle(classifier, tmp_path / "bundle")
    again = load_model(tmp_path / "bundle")
    assert torch.equal(again(again.encode(SEQUENCES)), together)


def test_published_gated_weights_load_by_their_own_names(tmp_path):
    """The published config says model_type esm with code of its own; ours reads it without running any."""
    model = small_model("gated-esm")
    save(model, tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config |= {"model_type": "esm", "auto_map": {"AutoModelForMaskedLM": "modeling_esm.EsmForMaskedLM"}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    again = load_language_model(tmp_path)
    ids = torch.tensor(model.tokenizer(SEQUENCES[:1])["input_ids"])
    assert torch.equal(again(ids).logits, model(ids).logits)
    assert {"esm.encoder.layer.0.intermediate.dense.weight", "lm_head.dense.weight"} <= set(again.state_dict())


def expect(error, source, **options):
    with pytest.raises(InputError, match=error) as caught:
        load_language_model(source, **options)
    assert "\n" not in str(caught.value)


def test_hub_not_reached():
    expect("hub cannot be reached.*HF_HOME", "InstaDeepAI/nucleotide-transformer-v2-50m-multi-species")


def test_remote_code_needs_a_commit():
    expect("pinned commit", "someone/something", trust_remote_code=True)
    expect("pinned commit", "someone/something", trust_remote_code=True, revision="main")


def test_folder_that_is_not_there(tmp_path):
    expect("no such folder", tmp_path / "nothing")


def test_unknown_class(tmp_path):
    save(small_model("bert"), tmp_path)
    config = json.loads((tmp_path / "config.json").read_text()) | {"model_type": "not-a-model", "architectures": None}
    (tmp_path / "config.json").write_text(json.dumps(config))
    expect("knows no class", tmp_path)


def test_code_of_its_own_is_not_run_unasked(tmp_path):
    save(small_model("bert"), tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config |= {"model_type": "its-own", "auto_map": {"AutoConfig": "its_own.Config", "AutoModel": "its_own.Model"}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "its_own.py").write_text("raise SystemExit('remote code ran')")
    expect("brings its own code.*trust_remote_code", tmp_path)


def test_tokenizer_missing_or_elsewhere(tmp_path):
    model = small_model("esm")
    model.save_pretrained(tmp_path / "model")
    model.tokenizer.save_pretrained(tmp_path / "tokenizer")
    expect("tokenizer", tmp_path / "model")
    loaded = load_language_model(tmp_path / "model", tokenizer=tmp_path / "tokenizer")
    assert loaded.tokenizer(SEQUENCES)["input_ids"] == model.tokenizer(SEQUENCES)["input_ids"]


def test_tokenizer_of_another_model(tmp_path):
    small_model("esm").save_pretrained(tmp_path / "model")
    small_model("gpt2").tokenizer.save_pretrained(tmp_path / "tokenizer")
    expect("tokens, the model", tmp_path / "model", tokenizer=tmp_path / "tokenizer")


def test_damaged_weights(tmp_path):
    save(small_model("esm"), tmp_path)
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    expect("cannot be read", tmp_path)
