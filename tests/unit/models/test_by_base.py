"""Values per base from the tokens of published families: every one against tokens that are placed by hand."""

import numpy as np
import pytest
import torch
from published import KINDS, dnabert1, published
from transformers import BertConfig, BertModel

from seqlm import InputError, leave_one_out, predict
from seqlm.inference.prediction import predict_targets
from seqlm.models.bundle import load_model, save_bundle
from seqlm.models.language.backbone import BackboneModel
from seqlm.models.language.hub import load_any
from seqlm.sequences import reverse_complement
from seqlm.tokenization import bases
from seqlm.training.data import ArrayData
from seqlm.training.run import fit
from seqlm.training.settings import FitSettings

SEQUENCES = ["ATGGTAGCTACATCATCTGCA", "GATTACAGGT", "CCGGTTAACGATGCANNCATGGAC", "TTGACAATGCATGCCGTAGATTACANT"]


def on(kind, folder, **options):
    model = published(kind, folder)
    return BackboneModel.on(model, model.tokenizer, **({"hidden": 8} | options)).eval()


def random_sequences(n, length, seed=0):
    rng = np.random.default_rng(seed)
    return ["".join(rng.choice(list("ACGT"), length)) for _ in range(n)]


def places(kind, model, sequence):
    """Bases of each token, worked out from the tokens' letters alone."""
    ids = model.tokenizer(sequence)["input_ids"]
    words, at, found = model.tokenizer.convert_ids_to_tokens(ids), 0, []
    for word in words:
        if set(word) <= set("ACGT"):
            found.append(range(at, at + len(word)))
            at += 1 if kind == "overlapping" else len(word)
        else:
            found.append(range(0))
    return torch.tensor([ids]), found


@torch.no_grad()
@pytest.mark.parametrize("kind", KINDS)
def test_the_feature_of_a_base_is_the_mean_of_the_tokens_over_it(kind, tmp_path):
    model = on(kind, tmp_path)
    for sequence in random_sequences(3, 25) + ["GATTACA"]:
        ids, found = places(kind, model, sequence)
        states = model.backbone(ids, attention_mask=torch.ones_like(ids)).last_hidden_state[0]
        expected = [states[[t for t, own in enumerate(found) if base in own]].mean(0) for base in range(len(sequence))]
        features = model.features(model.encode([sequence]))[0]
        torch.testing.assert_close(features, torch.stack(expected), atol=1e-5, rtol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("kind", KINDS)
def test_both_strands_speak_of_the_same_base(kind, tmp_path):
    both, forward = on(kind, tmp_path, context="both_strands"), on(kind, tmp_path)
    for sequence in random_sequences(2, 25):
        other = forward.features(forward.encode([reverse_complement(sequence)]))[0].flip(0)
        expected = torch.cat([forward.features(forward.encode([sequence]))[0], other], 1)
        torch.testing.assert_close(both.features(both.encode([sequence]))[0], expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("context", ["forward", "both_strands"])
def test_one_value_a_base_alone_in_a_batch_and_after_reload(kind, context, tmp_path):
    model = on(kind, tmp_path, context=context, skip="onehot", layers="all")
    alone = [predict(model, [sequence], device="cpu")[0] for sequence in SEQUENCES]
    assert [len(values) for values in alone] == [len(sequence) for sequence in SEQUENCES]
    with torch.no_grad():
        batch = model(model.encode(SEQUENCES))
    reach = model.head.reach
    for own, values in zip(alone, batch, strict=True):
        torch.testing.assert_close(values[: len(own) - reach], own[: len(own) - reach], atol=1e-5, rtol=1e-5)
    for own, values in zip(alone, predict(model, SEQUENCES, device="cpu"), strict=True):
        torch.testing.assert_close(values, own, atol=1e-5, rtol=1e-5)
    save_bundle(model, tmp_path / "bundle")
    again = predict_targets(load_model(tmp_path / "bundle"), SEQUENCES, device="cpu")
    for own, values in zip(predict_targets(model, SEQUENCES, device="cpu"), again, strict=True):
        np.testing.assert_array_equal(own, values)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("edit", ["remove", "mask", "replace"])
@pytest.mark.parametrize("target", ["track", "scalar"])
def test_leave_one_out_in_bases_is_brute_force(kind, edit, target, tmp_path):
    head = {"track": "conv", "scalar": "pooled"}[target]
    model = on(kind, tmp_path, target=target, head=head)
    sequences = random_sequences(2, 14)
    found = leave_one_out(model, sequences, edit, device="cpu")

    def total(text):
        value = predict(model, [text], device="cpu")[0]
        return float(value.double().sum())

    for sequence, scores in zip(sequences, found.scores, strict=True):
        assert len(scores) == len(sequence)
        for base in range(len(sequence)):
            end = "N" if target == "track" else ""
            puts = {"remove": [""], "mask": ["N"], "replace": list("ACGT")}[edit]
            texts = [sequence[:base] + put + sequence[base + 1 :] + (end if edit == "remove" else "") for put in puts]
            expected = [total(text) - total(sequence) for text in texts]
            np.testing.assert_allclose(np.ravel(scores[base]), expected, atol=2e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_a_head_per_base_learns_eight_sequences_by_heart(kind, tmp_path):
    model = on(kind, tmp_path, train="all", hidden=32, dropout=0.0, skip="onehot")
    sequences = random_sequences(8, 24)
    y = np.array([[float(base == "G") for base in sequence] for sequence in sequences], np.float32)
    data = ArrayData(model.encode(sequences), y)
    settings = FitSettings(epochs=60, batch_size=8, learning_rate=3e-3, precision="fp32", device="cpu", patience=0)
    assert fit(model, data, data, settings=settings).best > 0.95
    values = predict(model, sequences, device="cpu")
    assert np.corrcoef(values.ravel(), y.ravel())[0, 1] > 0.95


def test_n_at_the_ends_fill_up_and_are_no_tokens(tmp_path):
    """Windows of unequal length are filled with N for training: what the model then sees is what it is asked later."""
    model = on("nucleotide-transformer", tmp_path)
    plain, filled = model.encode(["GATTACAGG"]), model.encode(["NNGATTACAGGNNN"])
    with torch.no_grad():
        torch.testing.assert_close(model.features(filled)[:, 2:11], model.features(plain))
        assert not model.features(filled)[:, [0, 1, 11, 12, 13]].any()
    assert predict(model, ["NNNN"], device="cpu").isfinite().all()


def test_more_tokens_than_the_backbone_reads_is_one_line(tmp_path):
    model = on("character", tmp_path)
    model.tokenizer.model_max_length = 32
    with pytest.raises(InputError, match="42 tokens, the backbone reads 32"):
        predict(model, ["ACGT" * 10], device="cpu")


@torch.no_grad()
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("pooling", ["mean", "max", "first", "last", "attention"])
def test_pooling_without_special_tokens(kind, pooling, tmp_path):
    options = {"target": "scalar", "head": "pooled", "pooling": pooling, "special_tokens": "left_out"}
    for sequence in random_sequences(2, 25):
        model = on(kind, tmp_path, **options)
        ids, found = places(kind, model, sequence)
        states = model.backbone(ids, attention_mask=torch.ones_like(ids)).last_hidden_state[0]
        own = states[[t for t, bases in enumerate(found) if len(bases)]]
        expected = {"mean": own.mean(0), "attention": own.mean(0), "max": own.amax(0), "first": own[0], "last": own[-1]}
        pooled = model.features(model.encode([sequence]), pooled=True)[0]
        torch.testing.assert_close(pooled, expected[pooling], atol=1e-5, rtol=1e-5)
        if pooling == "attention":  # trained on the features of every token, where special ones are zeros
            torch.nn.init.normal_(model.head.learned.score.weight)
            X = model.encode([sequence])
            torch.testing.assert_close(model(model.features(X)), model(X), atol=1e-5, rtol=1e-5)


def test_the_first_token_of_a_causal_model_has_seen_nothing(tmp_path):
    options = {"target": "scalar", "head": "pooled", "pooling": "first"}
    with pytest.raises(InputError, match="first token has seen nothing") as caught:
        on("causal", tmp_path, **options, train="all")
    assert "\n" not in str(caught.value)
    on("character", tmp_path, **options)  # [CLS] of a bidirectional encoder has seen all
    on("causal", tmp_path, **(options | {"pooling": "last"}))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_backbone_published_in_16_bits_carries_a_head(dtype, tmp_path):
    saved = published("causal", tmp_path)
    saved.to(dtype).save_pretrained(tmp_path / "hub")
    saved.tokenizer.save_pretrained(tmp_path / "hub")
    language = load_any(tmp_path / "hub")
    assert language.dtype == torch.float32  # so that results do not hang on what it was published in
    model = BackboneModel.on(language, language.tokenizer, hidden=8).eval()
    values = predict(model, ["GATTACA"], device="cpu")
    save_bundle(model, tmp_path / "bundle")
    assert torch.equal(predict(load_model(tmp_path / "bundle"), ["GATTACA"], device="cpu"), values)


def words_of(k):
    """As DNABERT-1's users write sequences: overlapping words with spaces between them."""

    def spelled(_, sequences):
        return [" ".join(text[i : i + k] for i in range(len(text) - k + 1)) for text in sequences]

    return spelled


@pytest.mark.parametrize("context", ["forward", "both_strands"])
def test_words_that_the_text_must_hold(context, tmp_path, monkeypatch):
    tokenizer = dnabert1(tmp_path)
    tokenizer.init_kwargs["seqlm"] = {"spelling": {"words": 3, "step": 1}}
    monkeypatch.setattr(bases, "spelled", words_of(3))
    torch.manual_seed(0)
    size = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    core = BertModel(BertConfig(vocab_size=len(tokenizer), pad_token_id=0, **size), add_pooling_layer=False)
    model = BackboneModel.on(core, tokenizer, hidden=8, context=context).eval()
    sequence = random_sequences(1, 20)[0]
    expected = []
    for text in [sequence, reverse_complement(sequence)][: 2 if context == "both_strands" else 1]:
        ids = torch.tensor([tokenizer(words_of(3)(None, [text])[0])["input_ids"]])
        with torch.no_grad():
            states = model.backbone(ids).last_hidden_state[0, 1:-1]
        expected.append(torch.stack([states[max(0, b - 2) : b + 1].mean(0) for b in range(20)]))
    if context == "both_strands":
        expected[1] = expected[1].flip(0)
    found = model.features(model.encode([sequence]))[0]
    torch.testing.assert_close(found, torch.cat(expected, 1), atol=1e-5, rtol=1e-5)
    assert leave_one_out(model, [sequence], "remove", device="cpu").scores.shape == (1, 20)
    # Two bases between N are no word: no token, no error.
    assert predict(model, ["NNNACNNNN", "GATTACANN"], device="cpu").isfinite().all()


def test_a_tokenizer_that_reads_three_bases_at_a_time_keeps_its_frame(tmp_path, monkeypatch):
    """CaLM's: filled with N on its right, a sequence is cut at a codon, not before it."""
    from seqlm.models.language.packed import pack

    tokenizer = dnabert1(tmp_path)
    tokenizer.init_kwargs["seqlm"] = {"spelling": {"words": 0, "step": 3}}
    monkeypatch.setattr(
        bases, "spelled", lambda _, texts: [" ".join(t[i : i + 3] for i in range(0, len(t), 3)) for t in texts]
    )
    short, filled = (pack(tokenizer, [s])[0, 1:5].tolist() for s in ("ATGGAA", "ATGGAANNNNNN"))
    assert short == filled == tokenizer("ATG GAA")["input_ids"]
    assert pack(tokenizer, ["ATGGANNNN"])[0, 1:5].tolist() == tokenizer("ATG GAN")["input_ids"]
