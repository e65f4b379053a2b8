"""Backbones whose tokens are many, or are not single bases: training, prediction and leave-one-out."""

import numpy as np
import pytest
import torch
from tokenizers import Regex, Tokenizer, models, pre_tokenizers, processors
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from seqlm import leave_one_out, predict
from seqlm.inference.prediction import predict_targets
from seqlm.models.language.backbone import BackboneModel
from seqlm.models.language.gpt import GPTConfig, GPTModel
from seqlm.tokenization import learn_tokenizer
from seqlm.training.data import ArrayData
from seqlm.training.run import fit
from seqlm.training.settings import FitSettings

BLOCK = 32


@pytest.fixture(scope="module")
def pairs():
    """300 byte pairs: more ids than 8 bits hold."""
    text = "".join(np.random.default_rng(0).choice(list("ACGT"), 20_000))
    tokenizer = learn_tokenizer("bpe", text=text, size=300)
    assert len(tokenizer) == 300
    return tokenizer


def on_gpt(tokenizer, **options):
    torch.manual_seed(0)
    size = {"block_size": BLOCK, "n_layer": 1, "n_head": 2, "n_embd": 16}
    core = GPTModel(GPTConfig(vocab_size=len(tokenizer), pad_token_id=tokenizer.pad_token_id, **size))
    return BackboneModel.on(core, tokenizer, **({"head": "pooled", "target": "scalar", "hidden": 8} | options)).eval()


def sequences(n, length=150):
    rng = np.random.default_rng(1)
    return ["".join(rng.choice(list("ACGT"), length)) for _ in range(n)]


@pytest.mark.parametrize("train", ["head", "all"])
def test_more_than_255_tokens_longer_than_the_block(pairs, train):
    model, rows = on_gpt(pairs, train=train), sequences(6)
    ids = [pairs(row)["input_ids"] for row in rows]
    assert min(map(len, ids)) > BLOCK and max(map(max, ids)) > 255
    X = model.encode(rows)
    assert X.tolist() == [row[:BLOCK] for row in ids]
    y = np.linspace(-1, 1, 6).astype(np.float32)
    settings = FitSettings(epochs=1, batch_size=4, precision="fp32", device="cpu")
    result = fit(model, ArrayData(X[:4], y[:4]), ArrayData(X[4:], y[4:]), settings=settings)
    assert np.isfinite(result.best)
    expected = torch.cat([model(torch.tensor([row[:BLOCK]])) for row in ids]).detach()
    torch.testing.assert_close(predict(model, rows), expected)
    scored = leave_one_out(model, rows[:1], "mask")
    edited = pairs("N" + rows[0][1:])["input_ids"][:BLOCK]
    assert scored.scores[0, 0] == pytest.approx(float(model(torch.tensor([edited])).detach() - expected[0]), abs=1e-5)


def character_tokenizer(special):
    """As anyone would save it: a token per base, with or without [CLS] and [SEP] around a sequence."""
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *"ACGTN"]
    core = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="[UNK]"))
    core.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")
    if special:
        core.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
        )
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    return PreTrainedTokenizerFast(tokenizer_object=core, **names)


def on_bert(tokenizer):
    torch.manual_seed(0)
    size = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    core = BertModel(BertConfig(vocab_size=len(tokenizer), pad_token_id=0, **size), add_pooling_layer=False)
    return BackboneModel.on(core, tokenizer, hidden=8).eval()


@pytest.mark.parametrize("kind", ["special", "pairs", "kmer", "2-mers"])
def test_a_track_has_a_value_for_each_base(kind, pairs):
    """Of 2-mers in steps of one and a token before them there are as many as bases, but they are not the bases."""
    track = {"head": "conv", "target": "track"}
    model = {
        "special": lambda: on_bert(character_tokenizer(special=True)),
        "pairs": lambda: on_gpt(pairs, **track),
        "kmer": lambda: on_gpt(learn_tokenizer("kmer", k=3), **track),
        "2-mers": lambda: on_gpt(learn_tokenizer("kmer", k=2, overlapping=True), **track),
    }[kind]()
    rows = sequences(2, 20)
    assert predict(model, rows).shape == (2, 20)
    assert [len(values) for values in predict_targets(model, rows)] == [20, 20]
    assert leave_one_out(model, rows).scores.shape[:2] == (2, 20)


def test_a_track_of_a_hub_model_with_a_token_for_each_base():
    model = on_bert(character_tokenizer(special=False))
    rows = sequences(2, 20)
    y = predict(model, rows)
    assert y.shape == (2, 20)
    ids = torch.tensor([[4 + "ACGT".index(base) for base in row] for row in rows])
    torch.testing.assert_close(y, model.head(model.backbone(ids).last_hidden_state).detach())
