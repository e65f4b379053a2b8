"""The linear model on named features: each feature counted by hand, and the fit against scikit-learn."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge

from seqlm.common.errors import InputError
from seqlm.models.bundle import load_model, save_bundle
from seqlm.models.solved.linear import ALL_FEATURES, LinearConfig, LinearTokens, fit_linear, model_features
from seqlm.sequences.transcripts.transcript import Transcript


def random_mrna(rng, i):
    n = int(rng.integers(30, 120))
    start = int(rng.integers(0, n - 12))
    cds = (start, start + 3 * int(rng.integers(2, (n - start) // 3 + 1)))
    junctions = tuple(sorted(rng.choice(np.arange(1, n), 2, replace=False).tolist()))
    return Transcript(str(i), "g", "".join(rng.choice(list("ACGT"), n)), cds, junctions)


def by_hand(transcript):
    """Features by name."""
    s, (a, b) = transcript.sequence, transcript.cds
    regions = {"utr5": (0, a), "cds": (a, b), "utr3": (b, len(s))}
    values = {}
    for name, (start, end) in regions.items():
        part = s[start:end]
        within = sum(start <= j < end for j in transcript.junctions)
        values[f"ln length {name}"] = np.log(1 + len(part))
        values[f"G+C {name}"] = (part.count("G") + part.count("C")) / max(1, len(part))
        values[f"ln junctions {name}"] = np.log(1 + within)
        if name == "cds":
            values["junctions/kb cds"] = 1000 * within / len(part)
    values["junctions/kb mRNA"] = 1000 * len(transcript.junctions) / len(s)
    codons = [s[i : i + 3] for i in range(a, b, 3)]
    values["G+C codon position 3"] = sum(c[2] in "GC" for c in codons) / len(codons)
    utr3 = s[b:]
    words = [utr3[i : i + 2] for i in range(len(utr3) - 1)]
    for x in "ACGT":
        for y in "ACGT":
            values[f"utr3 {x}{y}"] = words.count(x + y) / max(1, len(words))
            for z in "ACGT":
                values[f"codon {x}{y}{z}"] = codons.count(x + y + z) / len(codons)
    return values


def test_features_are_what_they_are_called():
    rng = np.random.default_rng(0)
    transcripts = [random_mrna(rng, i) for i in range(30)]
    model = LinearTokens(LinearConfig(features=ALL_FEATURES, k=2))
    X = model_features(model, [t.tokens() for t in transcripts], at_once=7)
    expected = [by_hand(t) for t in transcripts]
    assert set(model.names) == set(expected[0])
    for j, name in enumerate(model.names):
        np.testing.assert_allclose(X[:, j], [values[name] for values in expected], rtol=1e-5, atol=1e-6, err_msg=name)


def test_without_codons_all_is_3utr():
    model = LinearTokens(LinearConfig(features=["lengths", "codons"]))
    X = model.features(model.encode(["a c gej t"]))
    assert X[0, :3].tolist() == [0, 0, pytest.approx(np.log(5))]
    assert X[0, 3:].sum() == 0


def test_fit_is_a_ridge_regression(tmp_path):
    rng = np.random.default_rng(1)
    sequences = [random_mrna(rng, i).tokens() for i in range(120)]
    scaling = {"kind": "standard", "offset": 1.0, "scale": 2.0}
    y = np.array([s.count("G") for s in sequences], float)
    model = fit_linear(sequences, y, groups=[i // 2 for i in range(120)], label_scaling=scaling)
    X = (model_features(model, sequences) - model.center.numpy()) / model.scale.numpy()
    expected = Ridge(model.config.strength).fit(X, y).predict(X)
    save_bundle(model, tmp_path / "bundle")
    again = load_model(tmp_path / "bundle")
    with torch.no_grad():
        found = again(again.encode(sequences)).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-3)
    assert again.config.label_scaling == scaling
    assert np.corrcoef(found, y)[0, 1] > 0.8
    names = [name for name, _ in again.coefficients()]
    assert sorted(names) == sorted(model.names)


def test_classes():
    rng = np.random.default_rng(2)
    transcripts = [random_mrna(rng, i) for i in range(80)]
    y = np.array([int(len(t.sequence) > 75) for t in transcripts])
    sequences = [t.tokens() for t in transcripts]
    model = fit_linear(sequences, y, target="class", classes=["short", "long"])
    with torch.no_grad():
        assert (model(model.encode(sequences)).argmax(1).numpy() == y).mean() > 0.9


def test_what_it_refuses():
    with pytest.raises(InputError, match="unknown"):
        LinearTokens(LinearConfig(features=["codon"]))
    with pytest.raises(InputError, match="mRNA tokens"):
        LinearTokens(LinearConfig(layout={"encoding": "bases"}))
