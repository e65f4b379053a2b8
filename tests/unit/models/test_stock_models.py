"""Every class of transformers that people publish models in: read, kept, and the same alone as in a batch."""

import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from small_models import save
from stock_models import STOCK, letters_tokenizer, stock_model

import seqlm
from seqlm.common.errors import InputError
from seqlm.models.bundle import load_model, save_bundle
from seqlm.models.language.backbone import BackboneModel
from seqlm.models.language.encoders import layers_of, longest_input
from seqlm.models.language.hub import load_any, load_language_model
from seqlm.models.language.tuning import finish, tuned

SEQUENCES = ["ATGGTAGCTACATCATCT", "GATTACAGATTACA", "CCGGTTAACGATGCATGCATGC", "AC"]


@pytest.mark.parametrize("name", STOCK)
def test_each_class(tmp_path, name):
    """The tokenizer's padding is not the config's, which is the id of a letter or of another special token."""
    original = stock_model(name)
    model = load_language_model(save(original, tmp_path / "published"))
    encoder = original.encoder if name == "t5" else original.base_model
    rows = [original.tokenizer(sequence)["input_ids"] for sequence in SEQUENCES]
    with torch.no_grad():
        expected = torch.stack([encoder(torch.tensor([row])).last_hidden_state[0].mean(0) for row in rows])
    save_bundle(model, tmp_path / "backbone")
    backbone = load_any(tmp_path / "backbone")
    np.testing.assert_allclose(seqlm.embed(backbone, SEQUENCES), expected, atol=1e-5)
    options = {"head": "pooled", "target": "class", "n_outputs": 3, "layers": "all"}
    classifier = BackboneModel.on(backbone, backbone.tokenizer, **options).eval()
    together = classifier(classifier.encode(SEQUENCES))
    alone = torch.cat([classifier(classifier.encode([sequence])) for sequence in SEQUENCES])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)
    save_bundle(classifier, tmp_path / "bundle")
    again = load_model(tmp_path / "bundle")
    assert torch.equal(again(again.encode(SEQUENCES)), together)
    assert not (classifier.encode(SEQUENCES) == again.tokenizer.unk_token_id).any()


@pytest.mark.parametrize("name", ["bert", "gpt2", "llama", "t5", "modernbert", "mamba", "mamba2"])
def test_inner_layers(name):
    """Layer k is what goes into block k, layer n what comes out at the end: for vectors of sequences and for heads.

    Heads read the tokens' embeddings as layer 0, without their places.
    """
    model = stock_model(name)
    encoder = model.encoder if name == "t5" else model.base_model
    row = torch.tensor([model.tokenizer(SEQUENCES[0])["input_ids"]])
    entering = []

    def keep(_, args, kwargs):
        entering.append(args[0] if args else kwargs["hidden_states"])

    handles = [block.register_forward_pre_hook(keep, with_kwargs=True) for block in layers_of(encoder)]
    with torch.no_grad():
        final = encoder(row).last_hidden_state
    for handle in handles:
        handle.remove()
    for layer, expected in enumerate([*entering, final]):
        head = BackboneModel.on(encoder, model.tokenizer, head="linear", target="scalar", layers=[layer]).eval()
        features = head.features(head.encode(SEQUENCES[:1]))
        read = expected if layer else encoder.get_input_embeddings()(row)
        torch.testing.assert_close(features, F.layer_norm(read, read.shape[-1:], eps=1e-6))
        vector = seqlm.embed(encoder, SEQUENCES[:1], layer=layer, tokenizer=model.tokenizer)
        torch.testing.assert_close(torch.from_numpy(vector), expected.mean(1))


def test_a_letter_that_the_config_calls_padding_is_read(tmp_path):
    """A Mamba whose A has id 0 and a tokenizer without padding: no A is lost, and id 255 is no token."""
    model = stock_model("mamba", vocab_size=300, pad_token_id=0)
    model.tokenizer = letters_tokenizer("ACGTN", special=False, names=False)
    assert model.tokenizer("A")["input_ids"] == [0]
    loaded = load_language_model(save(model, tmp_path / "published"))
    head = BackboneModel.on(loaded, loaded.tokenizer, head="pooled", target="scalar").eval()
    with torch.no_grad():
        one, two = head(head.encode(["CAAG"])), head(head.encode(["CG"]))
        assert not torch.isclose(one, two)
        alone, beside = head.features(head.encode(["AC"])), head.features(head.encode(["AC", "ACGTACGTACGT"]))
    torch.testing.assert_close(alone[0], beside[0, :2], atol=1e-6, rtol=1e-6)
    assert not beside[0, 2:].any()


@pytest.mark.parametrize("name", ["longformer", "roberta"])
def test_longest_input_of_models_that_count_positions_after_padding(name):
    """66 positions of which two come before the first token."""
    model = stock_model(name)
    assert longest_input(model.base_model, model.tokenizer) == 64
    assert seqlm.embed(model, ["ACGT" * 40]).shape == (1, 32)


def test_a_vocabulary_of_exact_size_beside_a_token_that_nobody_writes(tmp_path):
    """Transformers adds a padding token to Qwen2's tokenizer, after the last id that the model has."""
    model = stock_model("qwen2", vocab_size=10)
    model.tokenizer = letters_tokenizer()
    model.tokenizer.add_special_tokens({"pad_token": "<|endoftext|>"})
    assert model.tokenizer.pad_token_id == 10
    loaded = load_language_model(save(model, tmp_path / "published"))
    together = seqlm.embed(loaded, SEQUENCES)
    np.testing.assert_allclose(together, np.concatenate([seqlm.embed(loaded, [one]) for one in SEQUENCES]), atol=1e-5)


def test_a_model_with_a_decoder_other_than_t5_is_refused(tmp_path):
    from transformers import BartConfig, BartForConditionalGeneration

    size = {"d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_ffn_dim": 16, "decoder_ffn_dim": 16}
    model = BartForConditionalGeneration(BartConfig(vocab_size=12, **size))
    model.tokenizer = letters_tokenizer()
    with pytest.raises(InputError, match="a bart has a decoder.*encoder cannot be had alone"):
        load_language_model(save(model, tmp_path / "published"))


@pytest.mark.parametrize("name", ["mamba", "mamba2"])
def test_lora_beside_a_mamba(tmp_path, name):
    """All of its linear maps but the ones that its kernels read the weights of."""
    model = stock_model(name)
    network = tuned(model, model.tokenizer, train="lora", head="pooled", target="scalar")
    optimizer = torch.optim.SGD([p for p in network.backbone.parameters() if p.requires_grad], 1.0)
    before = network(network.encode(SEQUENCES)).detach()
    for _ in range(2):
        network(network.encode(SEQUENCES)).sum().backward()
        optimizer.step()
    network = finish(network.eval())
    after = network(network.encode(SEQUENCES)).detach()
    assert not torch.allclose(after, before)
    save_bundle(network, tmp_path / "bundle")
    again = load_model(tmp_path / "bundle")
    torch.testing.assert_close(again(again.encode(SEQUENCES)), after)


def test_infinity_in_a_config_survives(tmp_path):
    model = stock_model("mamba2")
    head = BackboneModel.on(model, model.tokenizer, head="pooled", target="scalar")
    assert head.backbone.config.time_step_limit[1] == float("inf")
    save_bundle(head, tmp_path)
    json.loads((tmp_path / "config.json").read_text(), parse_constant=pytest.fail)  # Infinity is no word of JSON
    assert load_model(tmp_path).backbone.config.time_step_limit[1] == float("inf")
