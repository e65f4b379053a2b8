"""Pretraining: what is read, what is learned, and bits per base on the same bases for every vocabulary."""

import gzip
import json

import numpy as np
import pandas as pd
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

import seqlm
from seqlm.common.errors import InputError
from seqlm.models.language.gpt import GPTConfig, GPTForCausalLM
from seqlm.pretraining.corpus import Corpus, tokenize_corpus
from seqlm.pretraining.heldout import bits_per_base, cut_windows, left_aligned, spelled_bases
from seqlm.pretraining.pretrain import Blocks, MaskedBlocks, pretrain
from seqlm.tokenization import encode_batch, learn_tokenizer, load_tokenizer, save_tokenizer
from seqlm.tokenization.kmer import kmer_tokenizer
from seqlm.training import evaluate
from seqlm.training.objectives import TokenObjective

TINY = {
    "layers": 1, "heads": 2, "width": 32, "block": 32, "dropout": 0.1, "steps": 60, "batch_size": 16,
    "learning_rate": 1e-2, "warmup": 5, "evaluate_every": 30, "evaluate_batches": 2,
}  # fmt: skip


def fasta(folder, n=6000, seed=0):
    """A FASTA of noisy repeats, partly soft-masked, with line ends, N and a header full of A, C, G and T."""
    rng = np.random.default_rng(seed)
    bases = np.array(list("ACGGTCAATGC" * (n // 11)))
    noisy = rng.random(len(bases)) < 0.1
    bases[noisy] = rng.choice(list("ACGT"), noisy.sum())
    low = (np.arange(len(bases)) // 200) % 3 == 0
    bases[low] = np.char.lower(bases[low])
    bases[-300:-290] = "N"
    text = "".join(bases)
    records = [text[: n // 2], text[n // 2 :]]
    lines = [f">CAT{i} TAG\n" + "\n".join(r[j : j + 50] for j in range(0, len(r), 50)) for i, r in enumerate(records)]
    path = folder / "x.fa.gz"
    path.write_bytes(gzip.compress(("\n".join(lines) + "\n").encode()))
    return path


@pytest.fixture(scope="module")
def corpora(tmp_path_factory):
    """Folder with a tokenizer and a corpus for full, vocab4 and 3-mers."""
    folder = tmp_path_factory.mktemp("corpora")
    path = fasta(folder)
    for name, tokenizer in {
        "full": learn_tokenizer("character", [path], alphabet="text"),
        "vocab4": learn_tokenizer("character", alphabet="ACGT"),
        "kmer": kmer_tokenizer(3),
    }.items():
        save_tokenizer(tokenizer, folder / name / "tokenizer")
        tokenize_corpus([path], folder / name / "tokenizer", folder / name / "corpus", validation=0.3)
    return folder


def pretrained(corpora, name, output, **options):
    output.mkdir()
    backbone = {**TINY, **options}
    return pretrain(corpora / name / "corpus", corpora / name / "tokenizer", backbone, output, seed=1, device="cpu",
                    precision="fp32")  # fmt: skip


def test_deleted_bases_are_in_the_results_and_on_the_card(tmp_path):
    line = "ACGTTTGCAC" * 6 + "\n" + "acgttn" * 10 + "\n"
    (tmp_path / "x.fa").write_text(">x\n" + line * 40)
    for case, deleted in (("keep", 2000), ("upper", 0)):
        folder = tmp_path / case
        save_tokenizer(learn_tokenizer("character", alphabet="ACGT", case=case), folder / "tokenizer")
        tokenize_corpus([tmp_path / "x.fa"], folder / "tokenizer", folder / "corpus", validation=0.3)
        report = pretrained(tmp_path, case, folder / "model", steps=0)
        assert report["corpus_letters"] == 40 * 120
        assert (report["soft_masked_deleted"], report["other_letters_deleted"]) == (deleted, 400)
        card = (folder / "model" / "README.md").read_text()
        assert ("2,000 of its 4,800 bases are soft-masked and were deleted" in card) == bool(deleted)


def test_a_language_model_learns_and_its_bundle_loads_with_transformers(corpora, tmp_path):
    report = pretrained(corpora, "full", tmp_path / "full")
    other = pretrained(corpora, "vocab4", tmp_path / "vocab4")
    assert report["bits_per_base"] < 1.9 and other["bits_per_base"] < 1.9
    assert report["bases"] == other["bases"] > 500
    assert report["markov_order"] > 0 and report["markov_bits_per_base"] < 1.5  # the text is a noisy repeat of 11
    assert json.loads((tmp_path / "full" / "bits_per_base.json").read_text()) == report
    history = pd.read_csv(tmp_path / "full" / "history.tsv", sep="\t")
    assert set(history["step"]) == {30, 60} and set(history["part"]) == {"train", "validation"}
    assert set(history["metric"]) == {"loss", "bits_per_base"}
    cost = json.loads((tmp_path / "full" / "cost.json").read_text())
    assert cost["stage"] == "pretrain" and cost["tokens"] == 60 * 16 * 32
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "vocab4")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "vocab4")
    ids = torch.tensor([tokenizer("ACGGTCAATGCACGG")["input_ids"]])
    ours = seqlm.load_model(tmp_path / "vocab4")
    with torch.no_grad():
        assert torch.equal(model.eval()(ids).logits, ours(ids).logits)


def test_the_untrained_control_gets_the_same_report(corpora, tmp_path):
    report = pretrained(corpora, "vocab4", tmp_path / "random", steps=0)
    assert report["bits_per_base"] == pytest.approx(2, abs=0.1)
    assert report["validation_loss"] == pytest.approx(np.log(4), abs=0.1)
    assert json.loads((tmp_path / "random" / "cost.json").read_text())["trainable_parameters"] == 0
    assert (tmp_path / "random" / "model.safetensors").exists()


def test_masked_models_go_through_the_same_door(corpora, tmp_path):
    report = pretrained(corpora, "kmer", tmp_path / "esm", architecture="esm", steps=6, evaluate_every=3)
    assert report["validation_loss"] < 5 and "bits_per_base" not in report


def test_another_architecture_is_an_error(corpora, tmp_path):
    with pytest.raises(InputError, match="architecture lstm is unknown; use gpt or esm"):
        pretrained(corpora, "vocab4", tmp_path / "x", architecture="lstm")


def test_blocks_are_pieces_of_the_text_whatever_the_batches(corpora):
    tokens = Corpus(corpora / "full" / "corpus").train
    blocks = Blocks(tokens, 32, 100, seed=3)
    batch = blocks.__getitems__([4, 5, 6])
    assert torch.equal(batch["input_ids"][:, 1:].long(), batch["targets"][:, :-1])
    text = np.asarray(tokens).tobytes()
    for row, last in zip(batch["input_ids"].numpy(), batch["targets"][:, -1].tolist(), strict=True):
        assert row.tobytes() + bytes([last]) in text
    assert torch.equal(blocks.__getitems__([5])["input_ids"][0], batch["input_ids"][1])
    assert not torch.equal(Blocks(tokens, 32, 100, seed=4).__getitems__([5])["input_ids"], batch["input_ids"][1:2])


def test_blocks_start_everywhere_equally_often():
    starts = Blocks(np.arange(41, dtype=np.uint8), 32, 90_000, seed=0).cut(np.arange(90_000))[:, 0]
    assert np.abs(np.bincount(starts) - 10_000).max() < 500 and len(np.bincount(starts)) == 9
    with pytest.raises(InputError, match="32 tokens are fewer"):
        Blocks(np.zeros(32, np.uint8), 32, 1, 0)


def test_masked_blocks_hide_their_share():
    tokenizer = kmer_tokenizer(3)
    ordinary = [tokenizer.convert_tokens_to_ids(k) for k in ("AAA", "ACG", "TTT")]
    tokens = np.random.default_rng(0).choice(ordinary, 5000).astype(np.uint8)
    batch = MaskedBlocks(tokens, 50, 200, 1, tokenizer, 0.15).__getitems__(range(200))
    hidden = batch["targets"] != -100
    assert hidden.float().mean().item() == pytest.approx(0.15, abs=0.01)
    shown = batch["input_ids"][hidden] == tokenizer.mask_token_id
    assert shown.float().mean().item() == pytest.approx(0.8, abs=0.03)


def test_held_out_windows_score_bases_of_sequence_lines_only():
    text = np.frombuffer(b">CAT TAG\nACGTNacgtACGT\nGGGG\n", np.uint8)
    held_out = cut_windows(text, 8)
    scored = b"".join(bytes(row[mask]) for row, mask in zip(held_out.text, held_out.scored, strict=True))
    assert scored == b"ACGTacgtACGTGGGG"
    whole = cut_windows(text, len(text))
    assert bytes(whole.text[0][whole.scored[0]]) == b"acgtACGTGGGG"
    codes, mask = left_aligned(whole)
    assert "".join("ACGTN"[c] for c in codes[0]).rstrip("N") == "ACGTACGTACGTGGGG"
    assert mask.sum() == whole.bases == 12


def test_bits_per_base_agree_with_a_plain_loop(corpora):
    """Sum the probabilities of both letters of each base, one window and one position at a time."""
    torch.manual_seed(0)
    held_out = cut_windows(np.asarray(Corpus(corpora / "full" / "corpus").text), 20, limit=6)
    for name in ("full", "vocab4"):
        tokenizer = load_tokenizer(corpora / name / "tokenizer")
        alphabet = tokenizer.init_kwargs["seqlm"]["alphabet"]
        config = GPTConfig(vocab_size=len(alphabet), block_size=32, n_layer=1, n_head=2, n_embd=16)
        model = GPTForCausalLM(config).eval()
        torch.nn.init.normal_(model.lm_head.weight, std=0.5)
        bits, count = 0.0, 0
        for text, codes, scored in zip(held_out.text, held_out.codes, held_out.scored, strict=True):
            if name == "vocab4":
                keep = codes < 4
                text, scored = np.frombuffer(b"ACGT", np.uint8)[codes[keep]], scored[keep]
            letters = text.tobytes().decode()
            ids = torch.tensor(encode_batch(tokenizer, [letters]).astype(int))
            with torch.no_grad():
                p = torch.softmax(model(ids).logits[0], -1)
            for i in np.flatnonzero(scored):
                own = [j for j, letter in enumerate(alphabet) if letter.upper() == letters[i].upper()]
                bits -= np.log2(p[i - 1, own].sum().item())
                count += 1
        assert count == held_out.bases
        assert bits_per_base(model, tokenizer, held_out, batch_size=4) == pytest.approx(bits / count, rel=1e-5)


def test_words_of_several_bases_are_scored_by_the_chain_rule(corpora):
    tokenizer = load_tokenizer(corpora / "kmer" / "tokenizer")
    held_out = cut_windows(np.asarray(Corpus(corpora / "full" / "corpus").text), 24, limit=6)
    model = GPTForCausalLM(GPTConfig(vocab_size=len(tokenizer), block_size=32, n_layer=1, n_head=2, n_embd=16))
    torch.nn.init.zeros_(model.lm_head.weight)  # every token is equally likely
    assert bits_per_base(model, tokenizer, held_out) == pytest.approx(np.log2(len(tokenizer)) / 3, rel=0.1)


def test_training_text_is_spelled_without_headers(corpora):
    full, four = (Corpus(corpora / name / "corpus") for name in ("full", "vocab4"))
    bases = spelled_bases(np.asarray(full.train), load_tokenizer(corpora / "full" / "tokenizer"))
    upper = spelled_bases(np.asarray(four.train), load_tokenizer(corpora / "vocab4" / "tokenizer"))
    assert bases.max() == 3 and len(upper) < len(bases)
    with gzip.open(corpora / "x.fa.gz", "rt") as handle:
        lines = [line.strip() for line in handle if not line.startswith(">")]
    codes = np.array(["ACGT".index(c) for c in "".join(lines).upper() if c in "ACGT"])
    assert np.array_equal(bases, codes[: len(bases)])


def test_token_objective_is_nats_per_token():
    logits = torch.zeros(1, 3, 5)

    class Flat(torch.nn.Module):
        def forward(self, input_ids):
            return type("Output", (), {"logits": logits})

    class One(torch.utils.data.Dataset):
        def __len__(self):
            return 1

        def __getitems__(self, _):
            return {"input_ids": torch.zeros(1, 3), "targets": torch.tensor([[1, -100, 2]])}

    assert evaluate(Flat(), One(), TokenObjective())["loss"] == pytest.approx(np.log(5))


@torch.no_grad()
@pytest.mark.parametrize("kind", ["causal", "dnabert2", "character"])
def test_bits_per_base_of_a_published_model(kind, tmp_path):
    """Whatever stands around a sequence counts nothing; a token counts all of its bases."""
    from published import published

    model = published(kind, tmp_path)
    text = np.frombuffer(b"".join(np.random.default_rng(0).choice([b"A", b"C", b"G", b"T"], 120)), np.uint8)
    held_out = cut_windows(text, 40, limit=2)
    found = bits_per_base(model, model.tokenizer, held_out)
    bits = bases = 0
    for row in held_out.text:
        ids = model.tokenizer(row.tobytes().decode())["input_ids"]
        words, at = model.tokenizer.convert_ids_to_tokens(ids), 0
        for t, word in enumerate(words):
            if word[0] in "<[":
                continue
            if at >= 20:
                if kind == "causal":
                    logits = model(input_ids=torch.tensor([ids[:t]])).logits[0, -1]
                else:
                    shown = [*ids[:t], model.tokenizer.mask_token_id, *ids[t + 1 :]]
                    logits = model(input_ids=torch.tensor([shown])).logits[0, t]
                bits -= torch.log_softmax(logits.double(), -1)[ids[t]].item() / np.log(2)
                bases += len(word)
            at += len(word)
    assert found == pytest.approx(bits / bases, abs=1e-5)
