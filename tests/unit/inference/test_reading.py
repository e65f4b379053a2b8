"""However a sequence is spelled when it comes from Python, it has one prediction; what is no sequence is one line."""

import numpy as np
import pytest
import torch
from small_models import small_model

from seqlm import InputError, embed, leave_one_out, predict, predict_cross
from seqlm.inference.prediction import predict_targets
from seqlm.models.language.backbone import BackboneModel
from seqlm.models.language.gpt import GPTConfig, GPTModel
from seqlm.models.networks.cnn import CNN, CNNConfig
from seqlm.models.networks.saluki import Saluki, SalukiConfig
from seqlm.streaming.likelihood import log_likelihood
from seqlm.tokenization import learn_tokenizer

SEQUENCE = "ACGTTGCATTGACCAGTNAC"
SPELLINGS = ["acgttgcattgaccagtnac", "ACGUUGCAUUGACCAGUNAC", "acguugcaYugaccagu-ac", " ACGTTGCATT\nGACCAGTNAC\n"]
PLAIN = ["ACGTTGCATTGACCAGTNAC", "ACGTTGCATTGACCAGTNAC", "ACGTTGCANTGACCAGTNAC", "ACGTTGCATTGACCAGTNAC"]


def on_gpt(target="scalar", **learning):
    torch.manual_seed(0)
    tokenizer = learn_tokenizer(**learning)
    size = {"block_size": 64, "n_layer": 2, "n_head": 2, "n_embd": 16}
    core = GPTModel(GPTConfig(vocab_size=len(tokenizer), pad_token_id=tokenizer.pad_token_id, **size))
    head = {"head": "conv"} if target == "track" else {"head": "pooled"}
    return BackboneModel.on(core, tokenizer, target=target, hidden=8, **head).eval()


def on_hub(kind):
    model = small_model(kind)
    return BackboneModel.on(model, model.tokenizer, target="scalar", head="pooled", hidden=8).eval()


MODELS = {
    "ACGT": lambda: on_gpt(kind="character", alphabet="ACGT"),
    "track": lambda: on_gpt("track", kind="character", alphabet="ACGT"),
    "every letter": lambda: on_gpt(kind="character", alphabet="ACGTNUYacgtnuy>\n"),
    "kmer": lambda: on_gpt(kind="kmer", k=3),
    "bpe": lambda: on_gpt(kind="bpe", text="ACGTTGCAGATTACAGATTACACCGGTTAACG" * 4, size=40),
    "gpt2": lambda: on_hub("gpt2"),
    "esm": lambda: on_hub("esm"),
    "cnn": lambda: CNN(CNNConfig(target="scalar", filters=8, hidden=8, kernel=5)).eval(),
    "saluki": lambda: Saluki(SalukiConfig(length=40, filters=8, blocks=2)).eval(),
}


@pytest.mark.parametrize("kind", MODELS)
def test_case_and_u_and_white_space_change_nothing(kind):
    model = MODELS[kind]()
    expected = torch.cat([model(model.encode([plain])).detach() for plain in PLAIN])
    torch.testing.assert_close(predict(model, SPELLINGS), expected)
    np.testing.assert_array_equal(np.stack(predict_targets(model, SPELLINGS)), np.stack(predict_targets(model, PLAIN)))
    scored, plain = leave_one_out(model, SPELLINGS, "mask"), leave_one_out(model, PLAIN, "mask")
    assert scored.tokens == [list(plain) for plain in PLAIN]
    np.testing.assert_allclose(scored.scores, plain.scores, atol=1e-6)
    assert np.abs(scored.scores).max() > 0
    if hasattr(model, "backbone"):
        np.testing.assert_allclose(embed(model, SPELLINGS), embed(model, PLAIN), atol=1e-6)


@pytest.mark.parametrize("kind", ["gpt2", "esm", "seqlm-gpt"])
def test_likelihood_and_embedding_of_a_language_model(kind):
    model = small_model(kind)
    np.testing.assert_allclose(log_likelihood(model, SPELLINGS), log_likelihood(model, PLAIN), atol=1e-6)
    np.testing.assert_allclose(embed(model, SPELLINGS), embed(model, PLAIN), atol=1e-6)


def test_a_tokenizer_of_rna_gets_u():
    model = on_gpt(kind="character", alphabet="ACGU")
    ids = torch.tensor([["ACGU".find(base) if base != "N" else 255 for base in SEQUENCE.replace("T", "U")]])
    expected = model(ids).detach()
    for spelling in (SEQUENCE, *SPELLINGS[:2]):
        torch.testing.assert_close(predict(model, [spelling]), expected)
    torch.testing.assert_close(model(model.encode([SEQUENCE])), model(ids))  # as training does
    states = model.backbone(ids).last_hidden_state[0, ids[0] < 4].mean(0).detach().numpy()
    np.testing.assert_allclose(embed(model, [SEQUENCE])[0], states, atol=1e-5)


def test_atomic_tokens_are_words_of_their_own():
    """Case says where a codon begins."""
    layout = {"encoding": "mrna", "separator": " "}
    model = Saluki(SalukiConfig(length=40, filters=8, blocks=2, layout=layout)).eval()
    upper, lower = predict(model, ["A c g U a c", "a c g u a c"])
    assert upper != lower
    torch.testing.assert_close(upper, model(model.encode(["A c g U a c"]))[0].detach())


@pytest.mark.parametrize(
    ("sequences", "words"),
    [
        ("ACGT", "one text"),
        (["ACGT", None], "sequence 2: is a NoneType"),
        (["ACGT", " "], "sequence 2: is empty"),
        (np.zeros((2, 4, 10)), "sequence 1: is a ndarray"),
    ],
)
def test_what_is_no_list_of_sequences_is_one_line(sequences, words):
    model = MODELS["ACGT"]()
    language = small_model("seqlm-gpt")
    for function in (
        lambda: predict(model, sequences),
        lambda: predict_cross(model, sequences, [torch.ones(1, 1)]),
        lambda: predict_targets(model, sequences),
        lambda: embed(model, sequences),
        lambda: log_likelihood(language, sequences),
    ):
        with pytest.raises(InputError, match=words) as caught:
            function()
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("size", [0, -1, 1.5, "3", True])
def test_a_batch_of_nothing_is_one_line(size):
    model, sequences = MODELS["ACGT"](), ["ACGT"]
    for function in (
        lambda: predict(model, sequences, batch_size=size),
        lambda: predict(model, model.encode(sequences), batch_size=size),
        lambda: predict_cross(model, sequences, [torch.ones(1, 1)], batch_size=size),
        lambda: leave_one_out(model, sequences, batch_size=size),
        lambda: embed(model, sequences, batch_tokens=size),
        lambda: embed(model, sequences, max_length=size),
        lambda: log_likelihood(small_model("seqlm-gpt"), sequences, batch_size=size),
    ):
        with pytest.raises(ValueError, match=f"cannot be {size!r}"):
            function()
