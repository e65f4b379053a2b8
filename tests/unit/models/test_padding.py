"""Encoders that read padding: in a batch, each sequence's states are those it has alone."""

import numpy as np
import pytest
import torch
from published import characters, published
from torch import nn
from transformers import ConvBertConfig, ConvBertForMaskedLM, PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput

from seqlm import embed, predict
from seqlm.models.language.backbone import BackboneModel
from seqlm.streaming.likelihood import log_likelihood

SEQUENCES = ["ATGGTAGCTACATCATCTGCA", "GATTACAGGT", "CCGGTTAACGATGCATTCATGGACG", "GATTACAGGA"]


class ConvolvedConfig(PretrainedConfig):
    model_type = "test-convolved"

    def __init__(self, vocab_size=9, hidden_size=16, pad_token_id=0, **kwargs):
        super().__init__(pad_token_id=pad_token_id, **kwargs)
        self.vocab_size, self.hidden_size = vocab_size, hidden_size


class Convolved(PreTrainedModel):
    """As GPN: dilated convolutions, and an attention mask that is taken and not used."""

    config_class = ConvolvedConfig
    base_model_prefix = "model"

    def __init__(self, config):
        super().__init__(config)
        size = config.hidden_size
        self.embeddings = nn.Embedding(config.vocab_size, size)
        self.blocks = nn.ModuleList(nn.Conv1d(size, size, 5, padding="same", dilation=2**i) for i in range(2))
        self.calls = []
        self.post_init()

    def get_input_embeddings(self):
        return self.embeddings

    def forward(self, input_ids, attention_mask=None, output_hidden_states=False):
        self.calls.append(tuple(input_ids.shape))
        x = self.embeddings(input_ids)
        for block in self.blocks:
            x = x + torch.tanh(block(x.transpose(1, 2)).transpose(1, 2))
        return BaseModelOutput(last_hidden_state=x)


def made(kind):
    torch.manual_seed(0)
    tokenizer = characters()
    if kind == "convolved":
        model = Convolved(ConvolvedConfig())
        model.embeddings.weight.data.normal_()
    else:
        size = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 32}
        model = ConvBertForMaskedLM(ConvBertConfig(vocab_size=9, embedding_size=16, pad_token_id=0, **size))
        for parameter in model.parameters():
            parameter.data.normal_(0, 0.3)
    model.tokenizer = tokenizer
    return model.eval()


@torch.no_grad()
@pytest.mark.parametrize("kind", ["convolved", "convbert"])
def test_the_mask_is_not_heeded(kind):
    """What the tests below are about: without more ado, padding changes what is next to it."""
    model = made(kind).base_model
    ids = torch.tensor(
        model.tokenizer(["GATTACA"])["input_ids"]
        if hasattr(model, "tokenizer")
        else characters()(["GATTACA"])["input_ids"]
    )
    alone = model(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state
    mask = torch.nn.functional.pad(torch.ones_like(ids), (0, 9))
    padded = model(input_ids=torch.nn.functional.pad(ids, (0, 9)), attention_mask=mask).last_hidden_state
    assert (padded[:, : ids.shape[1]] - alone).abs().max() > 1e-2


@pytest.mark.parametrize("kind", ["convolved", "convbert"])
@pytest.mark.parametrize("head", ["conv", "pooled"])
def test_features_alone_and_in_a_batch(kind, head):
    model = made(kind)
    target = "track" if head == "conv" else "scalar"
    model = BackboneModel.on(model, model.tokenizer, head=head, target=target, hidden=8, train="all").eval()
    batch = model(model.encode(SEQUENCES))
    for own, values in zip(SEQUENCES, batch, strict=True):
        alone = model(model.encode([own]))[0]
        n = len(own) - 5 if head == "conv" else None
        torch.testing.assert_close(values[:n] if n else values, alone[:n] if n else alone, atol=1e-5, rtol=1e-5)
    batch.sum().backward()  # groups of one length keep the graph
    assert all(p.grad is not None for p in model.backbone.embeddings.parameters())
    assert [len(np.atleast_1d(y)) for y in predict(model, SEQUENCES, device="cpu")] == (
        [len(s) for s in SEQUENCES] if head == "conv" else [1] * 4
    )


@pytest.mark.parametrize("kind", ["convolved", "convbert"])
@pytest.mark.parametrize("pooling", ["mean", "bases"])
def test_embeddings_alone_and_in_a_batch(kind, pooling):
    model = made(kind)
    together = embed(model, SEQUENCES, pooling=pooling, device="cpu")
    for sequence, found in zip(SEQUENCES, together, strict=True):
        np.testing.assert_allclose(found, embed(model, [sequence], pooling=pooling, device="cpu")[0], atol=1e-5)


def test_likelihoods_alone_and_in_a_batch():
    model = made("convbert")
    together = log_likelihood(model, SEQUENCES, device="cpu")
    np.testing.assert_allclose(together, [log_likelihood(model, [s], device="cpu")[0] for s in SEQUENCES], atol=1e-4)


def test_sequences_of_one_length_stay_together():
    model = BackboneModel.on(made("convolved"), characters(), head="pooled", target="scalar", hidden=8).eval()
    X = model.encode(SEQUENCES)
    model.features(X)  # finds out
    model.backbone.calls.clear()
    model.features(X)
    assert sorted(model.backbone.calls) == [(1, 23), (1, 27), (2, 12)]


@torch.no_grad()
@pytest.mark.parametrize("kind", ["character", "nucleotide-transformer", "dnabert2", "causal"])
def test_encoders_that_heed_the_mask_run_in_one_go(kind, tmp_path, monkeypatch):
    model = published(kind, tmp_path)
    model = BackboneModel.on(model, model.tokenizer, head="pooled", target="scalar", hidden=8).eval()
    X, calls = model.encode(SEQUENCES), []
    model.features(X)
    model.backbone.register_forward_hook(lambda *_: calls.append(1))
    model.features(X)
    assert len(calls) == 1
