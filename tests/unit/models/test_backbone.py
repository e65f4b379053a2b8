"""Backbones with a head: sizes, both strands, what is trained, foreign encoders."""

import pytest
import torch
from transformers import EsmConfig, EsmModel

from seqlm.common.errors import InputError
from seqlm.models.language.backbone import BackboneModel
from seqlm.models.language.backbone_config import BackboneConfig
from seqlm.models.language.gpt import GPTConfig, GPTForCausalLM
from seqlm.tokenization import learn_tokenizer

SEQUENCES = ["ACGTTGCATTGACCAGTNAC", "TTGACNNA", "GATTACA"]


@pytest.fixture(scope="module")
def tokenizer():
    return learn_tokenizer("character", alphabet="ACGT")


def tiny(tokenizer, seed=0, **options):
    torch.manual_seed(seed)
    language = GPTForCausalLM(GPTConfig(vocab_size=4, block_size=32, n_layer=3, n_head=2, n_embd=16))
    return BackboneModel.on(language, tokenizer, **({"hidden": 8} | options)).eval()


def esm():
    torch.manual_seed(0)
    config = EsmConfig(
        vocab_size=10, hidden_size=16, num_hidden_layers=3, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=40, pad_token_id=9, mask_token_id=8, position_embedding_type="rotary",
    )  # fmt: skip
    return EsmModel(config, add_pooling_layer=False)


@pytest.mark.parametrize(("vocabulary", "total"), [(40, 7_753_601), (4, 7_739_777)])
def test_parameter_count(vocabulary, total):
    with torch.device("meta"):
        model = BackboneModel(BackboneConfig(backbone_config=GPTConfig(vocab_size=vocabulary).to_dict()))
    assert sum(p.numel() for p in model.parameters()) == total
    assert sum(p.numel() for p in model.parameters() if p.requires_grad) == 541_697


def test_head_on_features_is_the_model(tokenizer):
    model = tiny(tokenizer)
    X = model.encode(SEQUENCES)
    assert X.shape == (3, 20)
    features = model.features(X)
    assert features.shape == (3, 20, 16)
    assert torch.equal(model(features), model(X))
    pooled = tiny(tokenizer, head="pooled", target="class", n_outputs=3)
    assert pooled(X).shape == (3, 3)
    assert torch.equal(pooled(pooled.features(X, pooled=True)), pooled(X))


@pytest.mark.parametrize("context", ["forward", "both_strands"])
@pytest.mark.parametrize("pooling", ["mean", "last"])
def test_padding_changes_nothing(tokenizer, context, pooling):
    model = tiny(tokenizer, head="pooled", target="scalar", context=context, pooling=pooling)
    together = model(model.encode(SEQUENCES))
    alone = torch.cat([model(model.encode([s])) for s in SEQUENCES])
    torch.testing.assert_close(together, alone)


def test_both_strands_swap_under_the_reverse_complement(tokenizer):
    model = tiny(tokenizer, context="both_strands")
    other = [s.translate(str.maketrans("ACGT", "TGCA"))[::-1] for s in SEQUENCES]
    for forward, reverse in zip(SEQUENCES, other, strict=True):
        a, b = model.features(model.encode([forward]))[0], model.features(model.encode([reverse]))[0]
        torch.testing.assert_close(a, torch.cat([b[:, 16:], b[:, :16]], 1).flip(0))
    padded = model.features(model.encode(SEQUENCES))
    torch.testing.assert_close(padded[2, :7], model.features(model.encode(SEQUENCES[2:]))[0])


def test_both_strands_let_a_base_see_its_right(tokenizer):
    one, two = "ACGTTGCATTGACCAG", "ACGTTGCATTGACCAT"
    for context, seen in (("forward", False), ("both_strands", True)):
        model = tiny(tokenizer, context=context)
        a, b = (model.features(model.encode([s]))[0, 0] for s in (one, two))
        assert torch.equal(a, b) is not seen


def test_a_frozen_backbone_neither_learns_nor_drops_out(tokenizer):
    model = tiny(tokenizer)
    X = model.encode(SEQUENCES)
    expected = model.features(X)
    model.train()
    assert model.head.training
    assert torch.equal(model.features(X), expected)
    model(X).sum().backward()
    assert all(p.grad is None for p in model.backbone.parameters())
    assert all(p.grad is not None for p in model.head.parameters())


@pytest.mark.parametrize("how", [1, 2, "all"])
def test_partly_trained_backbones(tokenizer, how):
    model = tiny(tokenizer, train=how)
    model.train()
    model(model.encode(SEQUENCES)).square().sum().backward()
    got = {name for name, p in model.backbone.named_parameters() if p.grad is not None}
    names = [name for name, _ in model.backbone.named_parameters()]
    wanted = (
        names
        if how == "all"
        else [
            n for n in names if n == "norm.weight" or n.startswith(tuple(f"blocks.{3 - i}" for i in range(1, how + 1)))
        ]
    )
    assert got == set(wanted)
    assert [block.dropout.training for block in model.backbone.blocks] == [
        how == "all" or 3 - i <= how for i in range(3)
    ]
    assert model.backbone.dropout.training == (how == "all")


def test_a_foreign_encoder(tokenizer):
    model = BackboneModel.on(esm(), tokenizer, target="scalar", head="pooled", hidden=8).eval()
    together = model(model.encode(SEQUENCES))  # id 255 becomes the encoder's own padding
    alone = torch.cat([model(model.encode([s])) for s in SEQUENCES])
    torch.testing.assert_close(together, alone)
    again = BackboneModel(model.config)
    again.load_state_dict(model.state_dict())
    assert torch.equal(again.eval()(model.encode(SEQUENCES)), together)
    last = BackboneModel.on(esm(), tokenizer, target="scalar", head="pooled", train=1)
    trained = {n for n, p in last.backbone.named_parameters() if p.requires_grad}
    assert any(n.startswith("encoder.layer.2") for n in trained)
    assert not any(n.startswith(("encoder.layer.1", "embeddings")) for n in trained)


def test_learns_one_batch_by_heart(tokenizer):
    model = tiny(tokenizer, train="all", dropout=0.0, hidden=32).train()
    X = torch.randint(0, 4, (4, 30), generator=torch.Generator().manual_seed(0))
    target = (X == 2).float()
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=3e-3)
    for _ in range(150):
        optimizer.zero_grad()
        loss = ((model(X) - target) ** 2).mean()
        loss.backward()
        optimizer.step()
    assert loss < 0.02


@pytest.mark.parametrize(
    "options",
    [
        {"head": "deep"},
        {"head": "pooled"},
        {"target": "scalar"},
        {"context": "sideways"},
        {"train": "some"},
        {"train": 0},
        {"train": 9},
    ],
)
def test_settings_that_do_not_go_together(tokenizer, options):
    with pytest.raises(InputError):
        tiny(tokenizer, **options)


def test_what_is_longer_than_the_encoder_reads_is_cut_and_told_or_an_error(tokenizer, caplog):
    long = "ACGTTGCATTGACCAGTTAC" * 2
    model = tiny(tokenizer, head="pooled", target="scalar")
    cut = model.encode([long, "ACGT"])
    assert cut.shape == (2, 32) and "1 of 2 sequences are cut to 32 tokens" in caplog.text
    torch.testing.assert_close(model(cut), model(model.encode([long[:32], "ACGT"])))
    with pytest.raises(InputError, match="has 40 tokens, the backbone reads 32"):
        tiny(tokenizer).encode([long])
