"""Zero-shot scores of variants against sums of log probabilities written out token by token."""

import numpy as np
import pytest
import torch
from small_models import byte_level_tokenizer, save, small_model
from transformers import BertConfig, BertForMaskedLM, EsmForMaskedLM, GPT2Config, GPT2LMHeadModel

from seqlm.common.errors import InputError
from seqlm.models.language.backbone import BackboneModel
from seqlm.models.language.families.esm import esm_config
from seqlm.models.language.gpt import GPTConfig, GPTForCausalLM
from seqlm.sequences import Genome, reverse_complement
from seqlm.streaming.command import variant_command
from seqlm.streaming.likelihood import log_likelihood
from seqlm.streaming.variants import score_variants
from seqlm.tokenization import learn_tokenizer

LENGTH = 24
SIZE = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}


@pytest.fixture(scope="module")
def genome(tmp_path_factory):
    rng = np.random.default_rng(1)
    path = tmp_path_factory.mktemp("genome") / "genome.fa"
    path.write_text(f">chr1\n{''.join(rng.choice(list('ACGT'), 200))}\n")
    return path


@pytest.fixture(scope="module")
def vcf(genome, tmp_path_factory):
    """A substitution, an insertion, a deletion, and one at the very start, where the window begins with N."""
    text = Genome(genome).fetch("chr1", 0, 200)
    other = {"A": "C", "C": "A", "G": "A", "T": "A"}
    variants = [(51, text[50], other[text[50]]), (101, text[100], text[100] + "GG"), (121, text[120:123], text[120])]
    variants.append((3, text[2], other[text[2]]))
    path = tmp_path_factory.mktemp("vcf") / "v.vcf"
    path.write_text("##fileformat=VCFv4.2\n" + "".join(f"chr1\t{p}\tv{p}\t{r}\t{a}\n" for p, r, a in variants))
    return path


def windows(genome):
    """Both alleles of the variants of `vcf`, by hand."""
    text = Genome(genome).fetch("chr1", 0, 200)
    other = {"A": "C", "C": "A", "G": "A", "T": "A"}
    return [
        (text[38:62], text[38:50] + other[text[50]] + text[51:62]),
        (text[88:112], text[88:101] + "GG" + text[101:110]),
        (text[108:132], text[108:121] + text[123:134]),
        ("N" * 10 + text[:14], "N" * 10 + text[:2] + other[text[2]] + text[3:14]),
    ]


def made(kind):
    """A causal or masked model with random weights and its tokenizer."""
    torch.manual_seed(0)
    text = "ACGTTGCAGATTACAGATTACACCGGTTAACG" * 4
    tokenizer = {
        "kmer": lambda: learn_tokenizer("kmer", k=3),
        "overlapping": lambda: learn_tokenizer("kmer", k=3, overlapping=True),
        "bpe": lambda: learn_tokenizer("bpe", text=text, size=40),
        "bytes": byte_level_tokenizer,
    }[kind.split("-")[1]]()
    model = {
        "gpt": lambda: GPTForCausalLM(
            GPTConfig(vocab_size=len(tokenizer), block_size=64, n_layer=2, n_head=4, n_embd=32)
        ),
        "gpt2": lambda: GPT2LMHeadModel(
            GPT2Config(vocab_size=len(tokenizer), n_embd=32, n_layer=2, n_head=4, n_positions=64)
        ),
        "esm": lambda: EsmForMaskedLM(esm_config(tokenizer, 2, 4, 32)),
        "bert": lambda: BertForMaskedLM(BertConfig(vocab_size=len(tokenizer), pad_token_id=1, **SIZE)),
    }[kind.split("-")[0]]()
    model.tokenizer = tokenizer
    return model.eval()


def causal(model, text):
    """Sum of log p(token | tokens before it), one sequence by itself."""
    ids = torch.tensor([model.tokenizer(text)["input_ids"]])
    logp = torch.log_softmax(model(input_ids=ids).logits[0].double(), -1)
    return sum(logp[t - 1, ids[0, t]].item() for t in range(1, ids.shape[1]))


def masked(model, text, reach=0):
    """Sum of log p(token | all others), each masked in a pass of its own."""
    tokenizer = model.tokenizer
    ids, special = tokenizer(text)["input_ids"], set(tokenizer.all_special_ids)
    total = 0.0
    for t, token in enumerate(ids):
        if token in special:
            continue
        hidden = [
            tokenizer.mask_token_id if abs(s - t) <= reach and other not in special else other
            for s, other in enumerate(ids)
        ]
        logits = model(input_ids=torch.tensor([hidden]), attention_mask=torch.ones(1, len(ids)).long()).logits
        total += torch.log_softmax(logits[0, t].double(), -1)[token].item()
    return total


CAUSAL = ("gpt-kmer", "gpt-bpe", "gpt2-bytes", "gpt2-bpe")
MASKED = {"esm-kmer": 0, "esm-overlapping": 2, "bert-bpe": 0, "bert-kmer": 0}


@pytest.mark.parametrize("kind", [*CAUSAL, *MASKED])
@torch.no_grad()
def test_scores_are_the_difference_of_log_likelihood_on_both_strands(kind, genome, vcf, tmp_path):
    model = made(kind)

    def one(text):
        return masked(model, text, MASKED[kind]) if kind in MASKED else causal(model, text)

    pairs = windows(genome)
    forward = [one(alternative) - one(reference) for reference, alternative in pairs]
    backward = [one(reverse_complement(b)) - one(reverse_complement(a)) for a, b in pairs]
    found = score_variants(model, vcf, genome, LENGTH, both_strands=False, device="cpu", batch_size=3)
    np.testing.assert_allclose(found["score"], forward, atol=1e-4)
    found = score_variants(model, vcf, genome, LENGTH, device="cpu", chunk_size=3)
    np.testing.assert_allclose(found["score"], np.mean([forward, backward], axis=0), atol=1e-4)
    assert found["id"].tolist() == ["v51", "v101", "v121", "v3"]
    # As anyone saved it, by the command, in two shards.
    folder = save(model, tmp_path / "model")
    arguments = ["--model", folder, "--input", vcf, "--genome", genome, "--length", LENGTH, "--device", "cpu"]
    for k in (1, 2):
        part = tmp_path / f"{k}.parquet"
        variant_command([*map(str, arguments), "--shard", f"{k}/2", "--chunk-size", "2", "--output", str(part)])
    parts = [str(tmp_path / f"{k}.parquet") for k in (1, 2)]
    variant_command(["--gather", *parts, "--output", str(tmp_path / "v.csv")])
    lines = [line.split(",") for line in (tmp_path / "v.csv").read_text().splitlines()]
    assert lines[0] == ["id", "chrom", "start", "ref", "alt", "score"]
    np.testing.assert_allclose([float(line[-1]) for line in lines[1:]], found["score"], atol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("kind", ["bert-bpe", "esm-kmer", "esm-overlapping", "gpt2-bytes"])
@pytest.mark.parametrize("target", ["track", "scalar"])
def test_tokens_of_several_bases_are_read_anew_for_each_allele(kind, target, genome, vcf):
    language = made(kind)
    head = "conv" if target == "track" else "pooled"
    model = BackboneModel.on(language, language.tokenizer, head=head, target=target, hidden=8).eval()

    def one(text):
        return model(model.encode([text])).double().sum().item()

    expected = [one(alternative) - one(reference) for reference, alternative in windows(genome)]
    found = score_variants(model, vcf, genome, LENGTH, device="cpu")
    np.testing.assert_allclose(found["score"], expected, atol=1e-4)


def test_a_model_without_likelihood_is_refused(genome, vcf):
    encoder = small_model("bert")
    with pytest.raises(InputError, match="no likelihood"):
        score_variants(encoder, vcf, genome, LENGTH, device="cpu")
    model = made("esm-kmer")
    model.tokenizer.mask_token = None
    with pytest.raises(InputError, match="no token for masked"):
        log_likelihood(model, ["ACGT"])


@pytest.mark.parametrize("kind", ["gpt-bpe", "gpt2-bytes", "bert-bpe"])
def test_windows_beyond_the_positions_of_the_model_are_scored(kind, genome, vcf):
    model = made(kind)
    if kind.startswith("bert"):
        model.config.max_position_embeddings = 64
    assert len(model.tokenizer("ACGTTGCAGT" * 40)["input_ids"]) > 64
    assert np.isfinite(score_variants(model, vcf, genome, 400, device="cpu")["score"]).all()
