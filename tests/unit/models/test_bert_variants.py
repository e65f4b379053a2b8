"""DNABERT-2 and GENA-LM by their published names of weights, against other implementations of the same papers."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from small_models import _TEXT
from transformers import RobertaPreLayerNormConfig, RobertaPreLayerNormForMaskedLM

import seqlm
from seqlm.common.errors import InputError
from seqlm.models.language.encoders import longest_input
from seqlm.models.language.families.bert import VariantConfig, VariantForMaskedLM, VariantModel
from seqlm.models.language.hub import fetch_bundle, load_any, load_language_model
from seqlm.tokenization.bpe import bpe_tokenizer

SEQUENCES = ["ATGGTAGCTACATCATCTACATCA", "GATTACAGATTA", "CCGGTTAACGATGCATGCATGCTTACTGCAGGATCC"]
SIZE = {"hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 6, "intermediate_size": 64}


def weights(names, seed=0):
    """Random weights of a published file: name -> shape."""
    rng = torch.Generator().manual_seed(seed)
    return {name: torch.randn(shape, generator=rng) * 0.3 for name, shape in names.items()}


def dnabert_2(vocabulary, E=48, I=64, layers=2):
    names = {
        "bert.embeddings.word_embeddings.weight": (vocabulary, E),
        "bert.embeddings.token_type_embeddings.weight": (2, E),
        "bert.embeddings.LayerNorm.weight": (E,), "bert.embeddings.LayerNorm.bias": (E,),
        "bert.pooler.dense.weight": (E, E), "bert.pooler.dense.bias": (E,),
        "cls.predictions.transform.dense.weight": (E, E), "cls.predictions.transform.dense.bias": (E,),
        "cls.predictions.transform.LayerNorm.weight": (E,), "cls.predictions.transform.LayerNorm.bias": (E,),
        "cls.predictions.decoder.bias": (vocabulary,),
    }  # fmt: skip
    for k in range(layers):
        at = f"bert.encoder.layer.{k}"
        names |= {
            f"{at}.attention.self.Wqkv.weight": (3 * E, E), f"{at}.attention.self.Wqkv.bias": (3 * E,),
            f"{at}.attention.output.dense.weight": (E, E), f"{at}.attention.output.dense.bias": (E,),
            f"{at}.attention.output.LayerNorm.weight": (E,), f"{at}.attention.output.LayerNorm.bias": (E,),
            f"{at}.mlp.gated_layers.weight": (2 * I, E), f"{at}.mlp.wo.weight": (E, I), f"{at}.mlp.wo.bias": (E,),
            f"{at}.mlp.layernorm.weight": (E,), f"{at}.mlp.layernorm.bias": (E,),
        }  # fmt: skip
    return weights(names)


def publish(folder, state, **config):
    folder.mkdir(exist_ok=True)
    tokenizer = bpe_tokenizer(_TEXT, 40)
    tokenizer.save_pretrained(folder)
    save_file(state, folder / "model.safetensors", {"format": "pt"})
    code = {"AutoConfig": "configuration_bert.BertConfig", "AutoModelForMaskedLM": "bert_layers.BertForMaskedLM"}
    said = {"architectures": ["BertForMaskedLM"], "auto_map": code, "model_type": "bert", "vocab_size": len(tokenizer)}
    said |= {"layer_norm_eps": 1e-12, "max_position_embeddings": 64, "type_vocab_size": 2, "hidden_act": "gelu"}
    (folder / "config.json").write_text(json.dumps(said | SIZE | config))
    return tokenizer


def by_hand(state, ids, heads=6):
    """The last state of DNABERT-2 for one sequence, word by word from the papers, in float64."""
    state = {name: value.double() for name, value in state.items()}

    def norm(x, name):
        x = x - x.mean(-1, keepdim=True)
        x = x / (x.square().mean(-1, keepdim=True) + 1e-12).sqrt()
        return x * state[f"{name}.weight"] + state[f"{name}.bias"]

    def linear(x, name):
        return x @ state[f"{name}.weight"].T + state.get(f"{name}.bias", 0)

    def gelu(x):
        return x * (1 + torch.erf(x / 2**0.5)) / 2

    # Press et al. 2022 for 6 heads: those of 4, then every other of 8.
    slope = [2.0**-2, 2.0**-4, 2.0**-6, 2.0**-8, 2.0**-1, 2.0**-3]
    x = state["bert.embeddings.word_embeddings.weight"][ids] + state["bert.embeddings.token_type_embeddings.weight"][0]
    x = norm(x, "bert.embeddings.LayerNorm")
    T, E = x.shape
    for k in range(2):
        at = f"bert.encoder.layer.{k}"
        q, k_, v = linear(x, f"{at}.attention.self.Wqkv").view(T, 3, heads, E // heads).unbind(1)
        out = torch.zeros(T, heads, E // heads, dtype=torch.double)
        for h in range(heads):
            for i in range(T):
                logits = torch.stack(
                    [q[i, h] @ k_[j, h] / (E // heads) ** 0.5 - slope[h] * abs(i - j) for j in range(T)]
                )
                out[i, h] = logits.softmax(0) @ v[:, h]
        x = norm(x + linear(out.reshape(T, E), f"{at}.attention.output.dense"), f"{at}.attention.output.LayerNorm")
        both = linear(x, f"{at}.mlp.gated_layers")
        hidden = gelu(both[:, :64]) * both[:, 64:]
        x = norm(x + linear(hidden, f"{at}.mlp.wo"), f"{at}.mlp.layernorm")
    return x


def test_dnabert_2_is_what_its_papers_say(tmp_path):
    state = dnabert_2(len(bpe_tokenizer(_TEXT, 40)))
    tokenizer = publish(tmp_path / "published", state, alibi_starting_size=512, pad_token_id=0)
    model = load_language_model(tmp_path / "published")
    expected = torch.stack([by_hand(state, tokenizer(sequence)["input_ids"]).mean(0) for sequence in SEQUENCES])
    np.testing.assert_allclose(seqlm.embed(model, SEQUENCES), expected, atol=1e-5)
    assert model.cls.predictions.decoder.bias.equal(state["cls.predictions.decoder.bias"])
    fetch_bundle(tmp_path / "bundle", "dnabert-2", tmp_path / "published")
    np.testing.assert_array_equal(seqlm.embed(load_any(tmp_path / "bundle"), SEQUENCES), seqlm.embed(model, SEQUENCES))
    assert longest_input(model, tokenizer) is None  # 64 positions are said, which distances have no need of
    ids = torch.tensor([tokenizer(SEQUENCES[0])["input_ids"]])
    assert load_any(tmp_path / "bundle")(ids).logits.equal(model(ids).logits)


def test_dnabert_2_is_that_of_multimolecule(tmp_path):
    """Its own reading of the published names, and its own class."""
    multimolecule = pytest.importorskip("multimolecule")
    from multimolecule.models.dnabert2.convert_checkpoint import _convert_checkpoint

    state = dnabert_2(len(bpe_tokenizer(_TEXT, 40)))
    state["cls.predictions.decoder.weight"] = state["bert.embeddings.word_embeddings.weight"].clone()
    tokenizer = publish(tmp_path, state, alibi_starting_size=512)
    model = load_language_model(tmp_path)
    config = multimolecule.DnaBert2Config(vocab_size=len(tokenizer), **SIZE)
    other = multimolecule.DnaBert2ForPreTraining(config).eval()
    other.load_state_dict(_convert_checkpoint(config, state), strict=False)
    for sequence in SEQUENCES:
        ids = torch.tensor([tokenizer(sequence)["input_ids"]])
        with torch.no_grad():
            torch.testing.assert_close(model(ids).logits, other(ids).logits, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("heads", [1, 4, 8, 12])
def test_slopes_are_those_of_bloom(heads):
    """Transformers' BLOOM builds the same biases for one side."""
    from transformers.models.bloom.modeling_bloom import build_alibi_tensor

    from seqlm.models.language.families.bert import slopes

    expected = build_alibi_tensor(torch.ones(1, 2), heads, torch.float32)[:, 0, 1]
    torch.testing.assert_close(slopes(heads), expected)


def gena(model):
    """Weights of a RoBERTa that normalises before its layers (transformers' own class) under GENA-LM's names."""
    names = {
        "roberta_prelayernorm.": "bert.",
        "attention.LayerNorm.": "pre_attention_ln.",
        "intermediate.LayerNorm.": "post_attention_ln.",
        "bert.LayerNorm.": "bert.encoder.last_layer_ln.",
        "lm_head.dense.": "cls.predictions.transform.dense.",
        "lm_head.layer_norm.": "cls.predictions.transform.LayerNorm.",
        "lm_head.decoder.": "cls.predictions.decoder.",
        "lm_head.bias": "cls.predictions.bias",
    }
    state = {}
    for name, value in model.state_dict().items():
        for old, new in names.items():
            name = name.replace(old, new)
        # RoBERTa's positions begin after its padding id.
        state[name] = (value[2:] if name.endswith("position_embeddings.weight") else value).clone()
    return state


@pytest.mark.parametrize("last", [True, False])
def test_gena_lm_is_a_bert_with_norms_before_its_layers(tmp_path, last):
    """Some of the family have one more norm at the end, which their weights tell."""
    torch.manual_seed(0)
    config = RobertaPreLayerNormConfig(vocab_size=40, pad_token_id=1, max_position_embeddings=66, layer_norm_eps=1e-12,
                                       type_vocab_size=2, tie_word_embeddings=False, **SIZE)  # fmt: skip
    original = RobertaPreLayerNormForMaskedLM(config).eval()
    with torch.no_grad():
        for parameter in original.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    state = gena(original)
    if not last:
        original.roberta_prelayernorm.LayerNorm = torch.nn.Identity()
        state = {name: value for name, value in state.items() if "last_layer_ln" not in name}
    tokenizer = publish(tmp_path, state, pre_layer_norm=True, tie_word_embeddings=False)
    model = load_language_model(tmp_path)
    assert isinstance(model, VariantForMaskedLM)
    for sequence in SEQUENCES:
        ids = torch.tensor([tokenizer(sequence)["input_ids"]])
        assert config.pad_token_id not in ids
        with torch.no_grad():
            torch.testing.assert_close(model(ids).logits, original(ids).logits, atol=1e-4, rtol=1e-4)
    expected = np.concatenate([seqlm.embed(model, [sequence]) for sequence in SEQUENCES])
    np.testing.assert_allclose(seqlm.embed(model, SEQUENCES), expected, atol=1e-5)


@pytest.mark.parametrize("more", [{"position_embedding_type": "rotary"}, {"sparse_config_cls": "some.Config"}])
def test_a_gena_lm_of_another_kind_is_told(tmp_path, more):
    publish(tmp_path, dnabert_2(40), pre_layer_norm=True, **more)
    with pytest.raises(InputError, match="GENA-LM with"):
        load_language_model(tmp_path)


def test_weights_without_the_norms_are_not_made_up(tmp_path):
    publish(tmp_path, dnabert_2(len(bpe_tokenizer(_TEXT, 40))), pre_layer_norm=True)
    with pytest.raises(InputError, match="not those of the class"):
        load_language_model(tmp_path)


def test_gradients_and_positions():
    """All weights of the encoder learn; a model with ALiBi reads more tokens than the config's positions."""
    model = VariantModel(VariantConfig(alibi=True, gated=True, vocab_size=20, max_position_embeddings=8, **SIZE))
    model(torch.randint(0, 20, (2, 30)), torch.ones(2, 30)).last_hidden_state.square().sum().backward()
    assert all(p.grad is not None for name, p in model.named_parameters())
