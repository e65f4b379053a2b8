"""What each model of a study is, and which family it stands in."""

import made_up

from seqlm.evaluation.words import CONTROL, LANGUAGE
from seqlm.study import model_kinds


def test_model_kinds_tell_language_models_controls_and_their_twins():
    kinds = model_kinds(made_up.CONFIG)
    assert kinds["cnn"] == {"kind": "CNN", "family": "networks from scratch", "backbone": None, "twin": None}
    assert kinds["gpt-full"]["kind"] == LANGUAGE
    # The control stands on the vocabulary of gpt-vocab4, so that one is its twin.
    assert kinds["gpt-random"]["kind"] == CONTROL
    assert kinds["gpt-random"]["twin"] == "gpt-vocab4"


def test_families_are_what_a_model_is_made_of():
    more = {
        "probe": {"backbone": "gpt-full", "head": "linear"}, "kmer": {"network": "kmer"},
        "linear": {"network": "linear"}, "saluki": {"network": "saluki"}, "both": {"ensemble": ["kmer", "saluki"]},
    }  # fmt: skip
    kinds = model_kinds(made_up.CONFIG | {"models": made_up.CONFIG["models"] | more})
    families = {name: own["family"] for name, own in kinds.items()}
    assert families == {
        "cnn": "networks from scratch", "saluki": "networks from scratch",
        "kmer": "linear models", "linear": "linear models",
        # A probe is a language model that is read linearly: it competes with no other family than the head does.
        "gpt-full": "language models", "gpt-vocab4": "language models", "probe": "language models",
        "gpt-random": "untrained controls", "both": "ensembles",
    }  # fmt: skip
