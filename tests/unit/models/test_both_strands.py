"""Both strands through the text, where tokens do not line up, and the one-hot skip of the conv head."""

import copy

import pytest
import torch
import torch.nn.functional as F
from small_models import small_model
from transformers import PreTrainedTokenizerFast

from seqlm.common.errors import InputError
from seqlm.models.bundle import load_model, save_bundle
from seqlm.models.language.backbone import BackboneModel
from seqlm.models.language.gpt import GPTConfig, GPTModel
from seqlm.sequences import reverse_complement
from seqlm.tokenization import learn_tokenizer

SEQUENCES = ["ATGGTAGCTACATCATCTG", "GATTACA", "CCGGTTAACGATGCANNCA"]
HUB = ["esm", "bert", "gpt2", "llama"]


def on(kind, **options):
    model = small_model(kind)
    options = {"head": "pooled", "target": "scalar", "hidden": 8, "context": "both_strands"} | options
    return BackboneModel.on(model, model.tokenizer, **options).eval()


def hub_like(tokenizer):
    """The same tokenizer as somebody else would have made it."""
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer.backend_tokenizer, pad_token=None)


@torch.no_grad()
@pytest.mark.parametrize("kind", [*HUB, "seqlm-gpt"])
@pytest.mark.parametrize("layers", ["last", "all"])
@pytest.mark.parametrize("pooling", ["mean", "max", "last"])
def test_strands_change_places_under_the_reverse_complement(kind, layers, pooling):
    model = on(kind, layers=layers, pooling=pooling)
    a = model.features(model.encode(SEQUENCES), pooled=True)
    b = model.features(model.encode(list(map(reverse_complement, SEQUENCES))), pooled=True)
    half = a.shape[1] // 2
    torch.testing.assert_close(a, torch.cat([b[:, half:], b[:, :half]], 1), atol=1e-5, rtol=1e-5)
    model.head.hidden.weight[:, 32:] = model.head.hidden.weight[:, :32]  # a head that is blind to the strand
    predicted = [model(model.encode(s)) for s in (SEQUENCES, list(map(reverse_complement, SEQUENCES)))]
    torch.testing.assert_close(*predicted, atol=1e-5, rtol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("kind", HUB)
def test_the_second_half_is_the_forward_model_on_the_other_strand(kind):
    both, forward = on(kind), on(kind, context="forward")
    other = list(map(reverse_complement, SEQUENCES))
    expected = [forward.features(forward.encode(texts), pooled=True) for texts in (SEQUENCES, other)]
    torch.testing.assert_close(both.features(both.encode(SEQUENCES), pooled=True), torch.cat(expected, 1))


@torch.no_grad()
@pytest.mark.parametrize("kind", HUB)
def test_alone_or_in_a_batch_and_after_reload(kind, tmp_path):
    model = on(kind)
    together = model(model.encode(SEQUENCES))
    alone = torch.cat([model(model.encode([sequence])) for sequence in SEQUENCES])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)
    save_bundle(model, tmp_path)
    again = load_model(tmp_path)
    assert torch.equal(again(again.encode(SEQUENCES)), together)


@torch.no_grad()
@pytest.mark.parametrize("head", ["conv", "pooled"])
@pytest.mark.parametrize("pooling", ["mean", "max", "first", "last"])
def test_texts_and_ids_of_characters_give_the_same(head, pooling):
    options = {"head": head, "target": "track" if head == "conv" else "scalar", "pooling": pooling, "layers": "all"}
    by_ids = on("seqlm-gpt", **options)
    by_text = copy.deepcopy(by_ids)
    by_text.config.complement = "text"
    sequences = [s.replace("N", "") for s in SEQUENCES]
    assert by_text.encode(sequences).shape[1] == 2 * by_ids.encode(sequences).shape[1]
    torch.testing.assert_close(by_text(by_text.encode(sequences)), by_ids(by_ids.encode(sequences)))


@torch.no_grad()
def test_a_track_on_a_character_tokenizer_of_the_hub():
    model = small_model("seqlm-gpt")
    options = {"head": "conv", "target": "track", "context": "both_strands", "hidden": 8}
    torch.manual_seed(1)
    ours = BackboneModel.on(model, model.tokenizer, **options).eval()
    torch.manual_seed(1)
    theirs = BackboneModel.on(model, hub_like(model.tokenizer), **options).eval()
    assert theirs.reads_texts and not ours.reads_texts
    texts = ["ATGGTAGCTACATCATCT", "GATTACAGATTACAGATT"]
    torch.testing.assert_close(theirs(theirs.encode(texts)), ours(ours.encode(texts)))


@torch.no_grad()
def test_pooling_the_last_token_takes_the_one_that_has_seen_all():
    """Of a causal model each strand's last token in its own direction: both depend on both ends of the sequence."""
    model = on("seqlm-gpt", pooling="last")
    plain = model.features(model.encode(["AATTGCAT"]), pooled=True)
    for changed in ("CATTGCAT", "AATTGCAG"):
        new = model.features(model.encode([changed]), pooled=True)
        assert not torch.allclose(plain[:, :32], new[:, :32]) and not torch.allclose(plain[:, 32:], new[:, 32:])


def test_long_texts_are_cut_and_told_once(caplog):
    model = on("gpt2", pooling="mean")  # reads 64 tokens
    ids = model.encode(["ACGTTGCATT" * 40, "GATTACA"])
    assert ids.shape == (2, 128) and "1 of 2 sequences are cut to 64 tokens" in caplog.text
    # Byte pairs were learned on one strand: this one fits in 64 tokens, its reverse complement does not.
    caplog.clear()
    text = "ACGTTGCAGATTACAGATTACACCGGTTAACG" * 4
    tokens = [len(model.tokenizer(t)["input_ids"]) for t in (text, reverse_complement(text))]
    ids = model.encode([text, "GATTACA"])
    assert tokens[0] <= 64 < tokens[1] and "1 of 2 sequences are cut" in caplog.text


def test_tokens_without_a_complement():
    core = GPTModel(GPTConfig(vocab_size=20, n_layer=1, n_head=2, n_embd=8))
    atomic = learn_tokenizer("atomic", text="a c gej t")
    with pytest.raises(InputError, match="context.*complement"):
        BackboneModel.on(core, atomic, context="both_strands", head="pooled", target="scalar")


def test_rna_stays_rna():
    core = GPTModel(GPTConfig(vocab_size=4, n_layer=1, n_head=2, n_embd=8))
    tokenizer = hub_like(learn_tokenizer("character", alphabet="ACGU"))
    model = BackboneModel.on(core, tokenizer, context="both_strands", head="pooled", target="scalar")
    assert model.encode(["AAG"]).tolist() == [[0, 0, 2, 1, 3, 3]]  # CUU, though nothing in AAG says RNA


@torch.no_grad()
@pytest.mark.parametrize("context", ["forward", "both_strands"])
@pytest.mark.parametrize("layers", ["last", [0, 1]])
def test_the_skip_shows_the_bases_to_the_convolution(context, layers):
    core = GPTModel(GPTConfig(vocab_size=9, block_size=40, n_layer=1, n_head=2, n_embd=8))
    tokenizer = learn_tokenizer("character", alphabet="ACGTacgtN")
    model = BackboneModel.on(core, tokenizer, skip="onehot", hidden=6, kernel=5, context=context, layers=layers).eval()
    model.head.conv.weight.zero_()
    texts = ["ACGTNacgtxGATTACA", "ttNNACGTACCCAGGGT"]
    one_hot = torch.stack([torch.stack([torch.tensor([c.upper() == b for c in t]) for b in "ACGT"]) for t in texts])
    hidden = F.conv1d(one_hot.float(), model.head.skip.weight, model.head.conv.bias, padding="same")
    expected = model.head.linear(F.gelu(hidden).transpose(1, 2)).squeeze(-1)
    torch.testing.assert_close(model(model.encode(texts)), expected)
    options = {"head": "pooled", "target": "class", "n_outputs": 2, "pooling": "max", "before_pooling": 1}
    pooled = BackboneModel.on(
        core, tokenizer, skip="onehot", hidden=6, kernel=5, context=context, layers=layers, **options
    ).eval()
    pooled.head.convolutions.load_state_dict(
        {name: value for name, value in model.head.state_dict().items() if not name.startswith("linear")}
    )
    known = torch.tensor([[c != "x" for c in text] for text in texts])
    top = F.gelu(hidden).transpose(1, 2).masked_fill(~known[..., None], -torch.inf).amax(1)
    torch.testing.assert_close(pooled(pooled.encode(texts)), pooled.head.read(top))


@pytest.mark.parametrize(
    ("kind", "options", "match"),
    [
        ("seqlm-gpt", {"skip": "onehot"}, "skip.*pooled"),
        ("gpt2", {"skip": "twohot", "head": "conv", "target": "track"}, "no such skip"),
        ("bert", {"skip": "onehot"}, "skip"),
    ],
)
def test_skips_that_cannot_be(kind, options, match):
    with pytest.raises(InputError, match=match):
        on(kind, **options)
