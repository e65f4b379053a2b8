"""Likelihoods under language models in the layouts of published families, against plain loops over tokens."""

import numpy as np
import pytest
import torch
from published import KINDS, published

from seqlm.streaming.likelihood import log_likelihood, log_likelihood_by_base

SEQUENCES = ["ATGGTAGCTACATCATCTGCA", "GATTACAGGT", "CCGGTTAACGATGCATTCATGGACGATTACAGATTACA"]
SPECIAL = ("[", "<")


def bases_of(words, overlapping):
    """Bases under each token, from its letters; none for special tokens."""
    at, found = 0, []
    for word in words:
        if word.startswith(SPECIAL):
            found.append(range(0))
            continue
        found.append(range(at, at + len(word)))
        at += 1 if overlapping else len(word)
    return found


@torch.no_grad()
def by_hand(model, sequence, overlapping, window=None):
    """Log probability of each token that stands for bases, one pass each, and the bases under it."""
    tokenizer = model.tokenizer
    ids = tokenizer(sequence)["input_ids"]
    places = bases_of(tokenizer.convert_ids_to_tokens(ids), overlapping)
    scores = {}
    for t, own in enumerate(places):
        if not own:
            continue
        if "Masked" in type(model).__name__:
            shown = [
                tokenizer.mask_token_id if set(other) & set(own) else i for i, other in zip(ids, places, strict=True)
            ]
            logits = model(input_ids=torch.tensor([shown])).logits[0, t]
        elif t:
            logits = model(input_ids=torch.tensor([ids[:t]])).logits[0, -1]
        scores[t] = torch.log_softmax(logits.double(), -1)[ids[t]].item()
    return scores, places


@pytest.mark.parametrize("kind", KINDS)
def test_special_tokens_count_nothing_and_neighbours_tell_nothing(kind, tmp_path):
    model = published(kind, tmp_path)
    total, found = (
        log_likelihood(model, SEQUENCES, device="cpu"),
        log_likelihood_by_base(model, SEQUENCES, device="cpu"),
    )
    for sequence, sum_, values in zip(SEQUENCES, total, found, strict=True):
        scores, places = by_hand(model, sequence, kind == "overlapping")
        assert sum_ == pytest.approx(sum(scores.values()), abs=1e-4)
        expected = np.zeros(len(sequence))
        for t, score in scores.items():
            expected[places[t]] += score / len(places[t])
        assert len(values) == len(sequence)
        np.testing.assert_allclose(values, expected, atol=1e-5)
    alone = [log_likelihood(model, [sequence], device="cpu")[0] for sequence in SEQUENCES]
    np.testing.assert_allclose(total, alone, atol=1e-4)


def test_an_unknown_base_is_not_scored(tmp_path):
    for kind in ("character", "nucleotide-transformer", "dnabert2", "causal"):
        values = log_likelihood_by_base(published(kind, tmp_path), ["GATTACANNGATTACA"], device="cpu")[0]
        assert len(values) == 16 and (kind == "nucleotide-transformer" or not values[7:9].any())
        assert (values[9:] < 0).all()


@torch.no_grad()
def test_a_causal_model_reads_what_is_too_long_in_windows(tmp_path):
    model = published("causal", tmp_path)
    tokenizer = model.tokenizer
    sequence = "".join(np.random.default_rng(0).choice(list("ACGT"), 200))
    whole = log_likelihood_by_base(model, [sequence], device="cpu")[0]
    tokenizer.model_max_length = 21  # <s> and 20 more
    own = tokenizer(sequence)["input_ids"][1:-1]
    assert len(own) > 60
    expected, done = 0.0, 0
    for start in range(0, len(own), 10):
        ids = [tokenizer.bos_token_id, *own[start : start + 20]]
        logp = torch.log_softmax(model(input_ids=torch.tensor([ids])).logits[0].double(), -1)
        for t in range(max(done, start), min(start + 20, len(own))):
            expected += logp[t - start, own[t]].item()
        done = start + 20
        if done >= len(own):
            break
    assert log_likelihood(model, [sequence], device="cpu")[0] == pytest.approx(expected, abs=1e-4)
    found = log_likelihood_by_base(model, [sequence], device="cpu")[0]
    first = sum(len(word) for word in tokenizer.convert_ids_to_tokens(own[:20]))
    np.testing.assert_allclose(found[:first], whole[:first], atol=1e-5)


@torch.no_grad()
def test_a_masked_model_reads_what_is_too_long_around_each_token(tmp_path):
    model = published("character", tmp_path)
    sequence = "".join(np.random.default_rng(0).choice(list("ACGT"), 50))
    model.tokenizer.model_max_length = 12  # 10 bases between [CLS] and [SEP]
    found = log_likelihood_by_base(model, [sequence], device="cpu")[0]
    for base in (0, 3, 20, 44, 49):
        start = min(max(base - 5, 0), 40)
        model.tokenizer.model_max_length = 512
        ids = model.tokenizer(sequence[start : start + 10])["input_ids"]
        own, ids[1 + base - start] = ids[1 + base - start], model.tokenizer.mask_token_id
        logits = model(input_ids=torch.tensor([ids])).logits[0, 1 + base - start]
        assert found[base] == pytest.approx(torch.log_softmax(logits.double(), -1)[own].item(), abs=1e-5)
