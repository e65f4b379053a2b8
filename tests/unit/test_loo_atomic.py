"""Leave-one-out on atomic tokens against loops written from the definition: edit the text, predict, subtract."""

import numpy as np
import pytest
import torch

from seqlm.attribution import leave_one_out
from seqlm.attribution.atomic import BARE, tokens_alike, without_specifiers
from seqlm.errors import InputError
from seqlm.models.linear import LinearConfig, LinearTokens
from seqlm.models.saluki import Saluki, SalukiConfig
from seqlm.tokenization.atomic import AtomicLayout

WORDS = ("a", "c", "g", "A", "gej")
DECORATED = {"encoding": "one_hot", "tokens": WORDS, "separator": " ", "specifier_separator": "#", "specifiers": 2}
REPLACEMENTS = {"a": ["c", "g"], "A": ["a", "c#9"], "gej": ["a"]}
SEQUENCES = ["a#0.7 c A#1#-2 gej a g#0.1 c", "A", "gej#5 a a c g A a c#3 a gej A#2 c a g a c#1"]
CUTS = {"right": {}, "left": {"left_tailing": True}, "centre": {"center_token": "A"}}


def saluki(target="scalar", length=12, **layout):
    torch.manual_seed(1)
    classes = {"n_outputs": 3, "classes": ["x", "y", "z"]} if target == "class" else {}
    config = SalukiConfig(target=target, layout=DECORATED | layout, length=length, filters=6, blocks=1, **classes)
    model = Saluki(config).eval()
    for norm in (model.head.norm_1, model.head.norm_2):
        norm.running_mean.normal_()
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
    return tokens[start:end]


def replaced(token, name):
    bare, *values = token.split("#")
    if name == BARE:
        return bare
    return name if "#" in name else "#".join([name, *values])


def brute_force(model, sequence, edit, replacements=None):
    """{(position, replacement text): loo}, and the prediction, from the definition."""
    tokens = read_tokens(model, sequence)
    original = predict(model, tokens)
    chosen = int(original.argmax()) if original.ndim else ()
    edits = {}
    for i, token in enumerate(tokens):
        if edit == "remove":
            edits[i, ""] = tokens[:i] + tokens[i + 1 :]
        elif edit == "mask":
            edits[i, ""] = [*tokens[:i], None, *tokens[i + 1 :]]
        else:
            for name in replacements.get(token.split("#")[0], ()):
                if name != BARE or "#" in token:
                    text = replaced(token, name)
                    edits[i, text] = [*tokens[:i], text, *tokens[i + 1 :]]
    scores = {where: (predict(model, copy) - original)[chosen].item() for where, copy in edits.items()}
    return scores, original[chosen].item(), chosen


def check(model, sequences, edit, replacements=None):
    result = leave_one_out(model, sequences, edit, replacements)
    table = result.to_table(range(len(sequences)), [0.0] * len(sequences))
    for n, sequence in enumerate(sequences):
        scores, prediction, chosen = brute_force(model, sequence, edit, replacements)
        rows = table[table["sequence"].astype(str) == str(n)]
        found = {(r.start_offset, r.replacement): r.loo for r in rows.itertuples()}
        assert found.keys() == scores.keys()
        np.testing.assert_allclose([found[k] for k in scores], list(scores.values()), rtol=0, atol=1e-5)
        assert result.prediction[n] == pytest.approx(prediction, abs=1e-5)
        tokens = read_tokens(model, sequence)
        assert all(r.token == tokens[r.start_offset] and r.end_offset == r.start_offset + 1 for r in rows.itertuples())
        if result.predicted:
            assert result.predicted[n] == ["x", "y", "z"][chosen]


@pytest.mark.parametrize("target", ["scalar", "class"])
@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("edit", ["remove", "mask", "replace", "replace and drop specifiers"])
def test_every_mode_equals_its_definition(target, cut, edit):
    model = saluki(target, **CUTS[cut])
    replacements = REPLACEMENTS if edit.startswith("replace") else None
    if edit == "replace and drop specifiers":
        replacements = without_specifiers(REPLACEMENTS)
    check(model, SEQUENCES, edit.split()[0], replacements)


def test_a_chosen_class_and_all_classes():
    model = saluki("class")
    each = [leave_one_out(model, SEQUENCES, "mask", class_index=k).scores for k in range(3)]
    together = leave_one_out(model, SEQUENCES, "mask", class_index="all").scores
    np.testing.assert_allclose(together, np.stack(each, -1), atol=1e-6)


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
