"""Families whose classes come from multimolecule (AGPL: never a dependency; `make extras` installs it)."""

import numpy as np
import pytest
import torch

import seqlm
from seqlm.common.errors import InputError
from seqlm.models.bundle import load_model, save_bundle
from seqlm.models.language.backbone import BackboneModel
from seqlm.models.language.hub import load_any, load_language_model
from seqlm.models.language.tuning import tuned
from seqlm.tokenization.bpe import bpe_tokenizer

multimolecule = pytest.importorskip("multimolecule")

TWELVES = ["ATGGTAGCTACATCATCTACATCA", "GATTACAGATTA", "CCGGTTAACGATGCATGCATGCTTACTGCAGGATCC"]
ENCODER = {"hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
RNA, DNA = "RnaTokenizer", "DnaTokenizer"
# Stem of the class names, tokenizer and its settings, further settings of the config, bases that are read at a time.
FAMILIES = {
    "rnafm": ("RnaFm", RNA, {}, {}, 1),
    "rnabert": ("RnaBert", RNA, {}, {}, 1),
    "rnamsm": ("RnaMsm", RNA, {}, {}, 1),
    "rinalmo": ("RiNALMo", RNA, {}, {}, 1),
    "ernierna": ("ErnieRna", RNA, {}, {}, 1),
    "rnaernie": ("RnaErnie", RNA, {}, {}, 1),
    "splicebert": ("SpliceBert", RNA, {}, {}, 1),
    "utrlm": ("UtrLm", RNA, {}, {}, 1),
    "utrbert-3mer": ("UtrBert", RNA, {"nmers": 3}, {"nmers": 3}, 1),
    "dnabert-6mer": ("DnaBert", DNA, {"nmers": 6, "alphabet": "nucleobase"}, {"nmers": 6}, 1),
    "dnabert2": ("DnaBert2", None, {}, {}, 1),
    "hyenadna": ("HyenaDna", DNA, {}, {"hidden_size": 16}, 1),
    "calm": ("CaLm", DNA, {"codon": True}, {"codon": True}, 3),
}


def published(folder, name):
    stem, tokenizer, settings, more, _ = FAMILIES[name]
    if tokenizer:
        tokenizer = getattr(multimolecule, tokenizer)(**settings)
    else:
        tokenizer = bpe_tokenizer(["ACGTTGCAGATTACAGATTACACCGGTTAACG" * 4, "TTGACAATGCATGCCGTAGATTACA" * 4], 40)
    config = getattr(multimolecule, f"{stem}Config")
    options = {"num_hidden_layers": 2} if name == "hyenadna" else ENCODER
    torch.manual_seed(0)
    task = "ForCausalLM" if name == "hyenadna" else "ForMaskedLM"
    model = getattr(multimolecule, f"{stem}{task}")(config(vocab_size=len(tokenizer), **(options | more))).eval()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return model, tokenizer


@pytest.mark.parametrize("name", FAMILIES)
def test_each_family(tmp_path, name):
    original, tokenizer = published(tmp_path / "published", name)
    model = load_language_model(tmp_path / "published", classes="multimolecule")
    rows = [tokenizer(sequence)["input_ids"] for sequence in TWELVES]
    assert not any(tokenizer.unk_token_id in row for row in rows)
    with torch.no_grad():
        ids = [torch.tensor([row]) for row in rows]
        states = [original.base_model(x, torch.ones_like(x), output_hidden_states=True) for x in ids]
    expected = torch.stack([state.last_hidden_state[0].mean(0) for state in states])
    found = seqlm.embed(model, [sequence.lower() for sequence in TWELVES])
    np.testing.assert_allclose(found, expected, atol=1e-5)
    inner = torch.stack([state.hidden_states[1].reshape(-1, found.shape[1]).mean(0) for state in states])
    np.testing.assert_allclose(seqlm.embed(model, TWELVES, layer=1), inner, atol=1e-5)
    head = BackboneModel.on(model, model.tokenizer, head="pooled", target="class", n_outputs=3, layers="all").eval()
    together = head(head.encode(TWELVES))
    alone = torch.cat([head(head.encode([sequence])) for sequence in TWELVES])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)
    save_bundle(model, tmp_path / "backbone")
    save_bundle(head, tmp_path / "bundle")
    again = load_model(tmp_path / "bundle")
    assert torch.equal(again(again.encode(TWELVES)), together)
    np.testing.assert_array_equal(seqlm.embed(load_any(tmp_path / "backbone"), TWELVES), found)


@pytest.mark.parametrize("name", ["rnafm", "hyenadna"])
def test_all_of_it_and_low_ranks_are_trained(tmp_path, name):
    published(tmp_path, name)
    model = load_language_model(tmp_path, classes="multimolecule")
    for train in ("all", "lora"):
        network = tuned(model, model.tokenizer, train=train, head="pooled", target="scalar").train()
        network(network.encode(TWELVES)).sum().backward()
        assert any(p.grad is not None and p.grad.any() for p in network.backbone.parameters())


def test_a_codon_model_refuses_what_is_no_codon(tmp_path):
    published(tmp_path, "calm")
    model = load_language_model(tmp_path, classes="multimolecule")
    with pytest.raises(InputError, match="16 bases.*reads 3 at a time.*multiple of 3"):
        seqlm.embed(model, ["ACGTACGTACGTACGT"])
