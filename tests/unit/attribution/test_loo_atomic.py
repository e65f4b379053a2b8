"""Leave-one-out on atomic tokens against loops written from the definition: edit the text, predict, subtract."""

import numpy as np
import pandas as pd
import pytest
import torch

from seqlm.attribution import leave_one_out
from seqlm.attribution.atomic import tokens_alike
from seqlm.common.errors import InputError
from seqlm.models.networks.cnn import CNN, CNNConfig
from seqlm.models.networks.saluki import Saluki, SalukiConfig
from seqlm.models.solved.linear import LinearConfig, LinearTokens
from seqlm.tokenization.atomic import AtomicLayout

WORDS = ("a", "c", "g", "A", "gej")
DECORATED = {"encoding": "one_hot", "tokens": WORDS, "separator": " ", "specifier_separator": "#", "specifiers": 2}
REPLACEMENTS = {"a": ["c", "g"], "A": ["a", "c#9"], "gej": ["a"]}
CLASSES = ["x", "y", "z"]
SEQUENCES = ["a#0.7 c A#1#-2 gej a g#0.1 c", "A", "gej#5 a a c g A a c#3 a gej A#2 c a g a c#1"]
CUTS = {"right": {}, "left": {"left_tailing": True}, "centre": {"center_token": "A"}}


def saluki(target="scalar", length=12, **layout):
    torch.manual_seed(1)
    classes = {"n_outputs": 3, "classes": CLASSES} if target == "class" else {}
    config = SalukiConfig(target=target, layout=DECORATED | layout, length=length, filters=6, blocks=1, **classes)
    model = Saluki(config).eval()
    for norm in (model.head.norm_1, model.head.norm_2):
        norm.running_mean.normal_()
    if target == "class" and model.layout.specifiers:  # sequences of different classes
        with torch.no_grad():
            model.head.dense_2.bias -= model(model.encode(SEQUENCES)).mean(0)
    return model


def predict(model, tokens):
    """Outputs for a list of tokens; None is a column of zeros."""
    X = model.encode([" ".join(token or "a" for token in tokens)])
    dense = model.dense(X) if isinstance(model, Saluki) else X
    for position, token in enumerate(tokens):
        if token is None:
            dense[0, ..., position] = 0 if isinstance(model, Saluki) else model.layout.size
    with torch.no_grad():
        return model(dense)[0]


def read_tokens(model, sequence):
    tokens = sequence.split()
    start, end = model.layout.span(tokens, model.config.length or len(tokens))
    return tokens[start:end], (start, end)


def replaced(token, name):
    _, *values = token.split("#")
    return name if "#" in name else "#".join([name, *values])


def brute_force(model, sequence, edit, replacements=None):
    """{(place in the whole sequence, replacement text): loo of every class}, and the outputs, from the definition."""
    tokens, (first, _) = read_tokens(model, sequence)
    original = predict(model, tokens)
    edits = {}
    for i, token in enumerate(tokens):
        if edit == "remove":
            edits[i, ""] = tokens[:i] + tokens[i + 1 :]
        elif edit == "mask":
            edits[i, ""] = [*tokens[:i], None, *tokens[i + 1 :]]
        else:
            texts = [replaced(token, name) for name in replacements.get(token.split("#")[0], ())]
            if edit == "replacespecifier" and "#" in token:
                texts.append(token.split("#")[0])
            edits |= {(i, text): [*tokens[:i], text, *tokens[i + 1 :]] for text in texts}
    return {(first + i, text): predict(model, copy) - original for (i, text), copy in edits.items()}, original


def check(model, sequences, edit, replacements=None, class_index="predicted"):
    result = leave_one_out(model, sequences, edit, replacements, class_index=class_index)
    table = result.to_table(range(len(sequences)), [0.0] * len(sequences))
    for n, sequence in enumerate(sequences):
        scores, outputs = brute_force(model, sequence, edit, replacements)
        predicted = chosen = int(outputs.argmax()) if outputs.ndim else ()
        if class_index != "predicted":
            chosen = CLASSES.index(class_index) if isinstance(class_index, str) else class_index
        rows = table[table["sequence"].astype(str) == str(n)]
        found = {(r.start_offset, r.replacement): r.loo for r in rows.itertuples()}
        assert found.keys() == scores.keys()
        expected = [score[chosen].item() for score in scores.values()]
        np.testing.assert_allclose([found[k] for k in scores], expected, rtol=0, atol=1e-5)
        assert result.prediction[n] == pytest.approx(outputs[chosen].item(), abs=1e-5)
        tokens = sequence.split()
        assert all(r.token == tokens[r.start_offset] and r.end_offset == r.start_offset + 1 for r in rows.itertuples())
        if result.predicted:
            assert (rows["pred"] == CLASSES[predicted]).all()
    return result


@pytest.mark.parametrize("target", ["scalar", "class"])
@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("edit", ["remove", "mask", "replace", "replacespecifier"])
def test_every_mode_equals_its_definition(target, cut, edit):
    result = check(saluki(target, **CUTS[cut]), SEQUENCES, edit, REPLACEMENTS if edit.startswith("replace") else None)
    assert target == "scalar" or len(set(result.predicted)) > 1  # not always one class


@pytest.mark.parametrize("class_index", [0, 2, "y"])
@pytest.mark.parametrize("edit", ["remove", "replacespecifier"])
def test_a_chosen_class(edit, class_index):
    replacements = REPLACEMENTS if edit == "replacespecifier" else None
    check(saluki("class"), SEQUENCES, edit, replacements, class_index)


@pytest.mark.parametrize("edit", ["mask", "replacespecifier"])
def test_all_classes_have_a_row_each(edit):
    model = saluki("class")
    result = leave_one_out(model, SEQUENCES, edit, class_index="all")
    table = result.to_table()
    assert list(table) == [
        "sequence",
        "token",
        "replacement",
        "label",
        "pred",
        "start_offset",
        "end_offset",
        "loo",
        "class",
    ]
    for name in CLASSES:
        alone = leave_one_out(model, SEQUENCES, edit, class_index=name)
        own = table[table["class"] == name].drop(columns="class").reset_index(drop=True)
        pd.testing.assert_frame_equal(own, alone.to_table(), atol=1e-5)
    predicted = leave_one_out(model, SEQUENCES, edit)
    np.testing.assert_allclose(result.of_predicted().scores, predicted.scores, atol=1e-5)
    np.testing.assert_allclose(result.of_predicted().prediction, predicted.prediction, atol=1e-5)


def test_without_a_list_every_other_token_and_none_of_the_specifiers():
    table = leave_one_out(saluki(), ["a#1 c"], "replacespecifier").to_table()
    put = table.groupby("start_offset")["replacement"].agg(set)
    assert put.tolist() == [{"a", "c#1", "g#1", "A#1", "gej#1"}, {"a", "g", "A", "gej"}]


@pytest.mark.parametrize(
    ("target", "options", "words"),
    [
        ("class", {"class_index": "w"}, "no class 'w'.*x, y, z"),
        ("class", {"class_index": 3}, "no class 3"),
        ("scalar", {"class_index": "all"}, "target is scalar"),
        ("scalar", {"edit": "swap"}, "no such edit"),
        ("scalar", {"edit": "mask", "replacements": ["a"]}, "replacements"),
    ],
)
def test_options_that_mean_nothing_are_refused(target, options, words):
    with pytest.raises(InputError, match=words):
        leave_one_out(saluki(target), ["a c"], **options)


def test_only_models_that_read_specifiers_can_do_without():
    mrna = saluki(encoding="mrna", specifier_separator=None, specifiers=0)
    for model, sequence in ((mrna, "a c"), (CNN(CNNConfig(target="scalar")).eval(), "AC")):
        with pytest.raises(InputError, match="no specifiers"):
            leave_one_out(model, [sequence], "replacespecifier")
    with pytest.raises(InputError, match="'CG' is not one base"):
        leave_one_out(CNN(CNNConfig(target="scalar")).eval(), ["AC"], "replace", {"A": ["CG"]})


@pytest.mark.parametrize("edit", ["remove", "mask", "replace"])
def test_mrna_tokens_keep_frame_and_junction(edit):
    model = saluki(encoding="mrna", specifier_separator=None, specifiers=0, length=20)
    alike = tokens_alike(model.layout)
    assert alike["AEJ"] == ["CEJ", "GEJ", "TEJ"]
    assert alike["n"] == ["a", "c", "g", "t"]
    sequence = "a c A t g Gej c t a aej n"
    check(model, [sequence], edit, alike if edit == "replace" else None)
    if edit == "replace":
        named, default = (leave_one_out(model, [sequence], edit, r) for r in (alike, None))
        np.testing.assert_array_equal(named.scores, default.scores)


@pytest.mark.parametrize("edit", ["remove", "mask", "replace"])
def test_linear_model(edit):
    torch.manual_seed(0)
    model = LinearTokens(LinearConfig()).eval()
    check(model, ["a c A t g Gej c t a aej n t"], edit, {"A": ["C"], "a": ["t"]} if edit == "replace" else None)


def test_a_token_in_its_own_place_scores_zero():
    result = leave_one_out(saluki(), ["a#1 c"], "replace", ["a", "g"])
    assert result.scores[0, 0, 0] == 0
    assert (result.scores[0, 1] != 0).all()


def test_scores_are_in_the_units_of_the_labels():
    model = saluki()
    plain = leave_one_out(model, SEQUENCES, "mask")
    model.config.label_scaling = {"kind": "standard", "offset": 5.0, "scale": 3.0}
    scaled = leave_one_out(model, SEQUENCES, "mask")
    np.testing.assert_allclose(scaled.scores, 3 * plain.scores, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(scaled.prediction, 3 * plain.prediction + 5, rtol=1e-5)


def test_replacements_must_be_in_the_vocabulary():
    with pytest.raises(InputError, match="'T' is not in the vocabulary"):
        leave_one_out(saluki(), ["a"], "replace", {"a": ["T"]})


def test_other_tokens_are_alike_without_a_notation():
    assert tokens_alike(AtomicLayout("one_hot", ("x", "y", "z")))["y"] == ["x", "z"]


@pytest.mark.parametrize("method", ["auto", "reference"])
def test_a_backbone_of_atomic_tokens_is_edited_token_by_token(method):
    """Not character by character, separators and the "ej" of a junction among them."""
    from seqlm import predict
    from seqlm.models.language.backbone import BackboneModel
    from seqlm.models.language.gpt import GPTConfig, GPTModel
    from seqlm.tokenization import learn_tokenizer

    torch.manual_seed(0)
    tokenizer = learn_tokenizer("atomic", text="a c Gej t g\nA c g t a")
    size = {"block_size": 16, "n_layer": 1, "n_head": 2, "n_embd": 16}
    core = GPTModel(GPTConfig(vocab_size=len(tokenizer), pad_token_id=tokenizer.pad_token_id, **size))
    model = BackboneModel.on(core, tokenizer, head="pooled", target="scalar", hidden=8).eval()
    tokens = ["a", "c", "Gej", "t", "g"]
    original = predict(model, [" ".join(tokens)]).numpy()

    def by_hand(texts):
        return predict(model, texts).numpy() - original

    removed = leave_one_out(model, [" ".join(tokens)], "remove", method=method)
    assert removed.tokens == [tokens]
    expected = by_hand([" ".join(tokens[:i] + tokens[i + 1 :]) for i in range(5)])
    np.testing.assert_allclose(removed.scores[0], expected, atol=1e-6)
    masked = leave_one_out(model, [" ".join(tokens)], "mask", method=method).scores[0]
    np.testing.assert_allclose(
        masked, by_hand([" ".join([*tokens[:i], "?", *tokens[i + 1 :]]) for i in range(5)]), atol=1e-6
    )
    replaced = leave_one_out(model, [" ".join(tokens)], "replace", {"c": ["g"], "Gej": ["A"]}, method=method).to_table()
    assert replaced[["token", "replacement"]].values.tolist() == [["c", "g"], ["Gej", "A"]]
    np.testing.assert_allclose(replaced["loo"], by_hand(["a g Gej t g", "a c A t g"]), atol=1e-6)
    long = leave_one_out(model, [" ".join(tokens * 4)], "mask", method=method)
    assert long.scores.shape == (1, 16)
    with pytest.raises(InputError, match="no specifiers"):
        leave_one_out(model, ["a c"], "replacespecifier", method=method)
