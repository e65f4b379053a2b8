"""Linear probes and the k-mer baseline: against scikit-learn, brute-force counts and planted truths."""

from itertools import product

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from seqlm import leave_one_out
from seqlm.common.errors import InputError
from seqlm.inference.embedding import embed
from seqlm.models.bundle import load_model, save_bundle
from seqlm.models.language.backbone import BackboneModel
from seqlm.models.solved.kmer import KmerConfig, KmerModel, fit_kmer
from seqlm.models.solved.onehot import fit_onehot
from seqlm.models.solved.probe import fit_head, fit_logistic, fit_ridge


@pytest.fixture(scope="module")
def blobs():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 300)
    return rng.normal(size=(300, 5)) * [1, 10, 0.1, 1, 1] + y[:, None] * [1, 5, 0, 0, 0], y


def test_logistic_is_scikit_learns_on_standardised_features(blobs):
    X, y = blobs
    fit = fit_logistic(X, y, 3, strengths=(0.5,))
    reference = make_pipeline(StandardScaler(), LogisticRegression(C=0.5)).fit(X, y)
    assert fit.converged
    np.testing.assert_allclose(fit.probabilities(X), reference.predict_proba(X), atol=1e-3)


def test_two_classes_and_classes_never_seen(blobs):
    X, y = blobs
    X, y = X[y < 2], y[y < 2]
    fit = fit_logistic(X, y, 4, strengths=(0.5,))
    reference = make_pipeline(StandardScaler(), LogisticRegression(C=0.5)).fit(X, y)
    np.testing.assert_allclose(fit.probabilities(X)[:, :2], reference.predict_proba(X), atol=1e-3)
    assert fit.probabilities(X)[:, 2:].max() < 1e-6
    assert (fit_logistic(X, np.zeros(len(y), int), 2).probabilities(X)[:, 0] > 0.99).all()


def test_ridge_is_scikit_learns(blobs):
    X, y = blobs
    fit = fit_ridge(X, y.astype(float), strengths=(3.0,))
    reference = make_pipeline(StandardScaler(), Ridge(alpha=3.0)).fit(X, y)
    np.testing.assert_allclose(fit.predict(X)[:, 0], reference.predict(X), atol=1e-8)


def test_groups_are_held_out_whole():
    """Features that only tell groups apart (and labels that belong to groups) help on known groups alone: with groups
    held out the strongest regularisation is best, without them the weakest."""
    rng = np.random.default_rng(1)
    groups = np.repeat(np.arange(40), 10)
    y = rng.integers(0, 2, 40)[groups]
    X = np.eye(40)[groups] + 0.1 * rng.normal(size=(400, 40))
    strengths = (1e-4, 1e-2, 1.0)
    assert fit_logistic(X, y, 2, groups, strengths=strengths).strength == 1e-4
    assert fit_logistic(X, y, 2, strengths=strengths).strength == 1.0
    table = fit_logistic(X, y, 2, groups, strengths=strengths).cross_validation
    assert len(table) == 3 * 5 and {row["fold"] for row in table} == set(range(5))


def test_weights_count_as_copies(blobs):
    X, y = blobs
    weight = np.where(y == 0, 3.0, 1.0)
    weighted = fit_logistic(X, y, 3, weight=weight, strengths=(0.1,))
    rows = np.repeat(np.arange(len(y)), weight.astype(int))
    copied = fit_logistic(X[rows], y[rows], 3, strengths=(0.1,))
    np.testing.assert_allclose(weighted.probabilities(X), copied.probabilities(X), atol=1e-3)


@pytest.mark.parametrize("phases", [1, 3])
@pytest.mark.parametrize("count", ["number", "frequency"])
def test_kmer_features_against_a_count_by_hand(phases, count):
    model = KmerModel(KmerConfig(kmers=[1, 3], phases=phases, count=count, n_outputs=2))
    sequences = ["ACGTNACGTTTGA", "AC", "GATTACAGATTACA"]
    features = model.features(model.encode(sequences)).numpy()
    for sequence, row in zip(sequences, features, strict=True):
        expected = []
        for k in (1, 3):
            at = range(len(sequence) - k + 1)
            words = [(i % phases, sequence[i : i + k]) for i in at if "N" not in sequence[i : i + k]]
            total = max(1, len(words)) if count == "frequency" else 1
            expected += [
                words.count((phase, "".join(word))) / total
                for phase in range(phases)
                for word in product("ACGT", repeat=k)
            ]
        np.testing.assert_allclose(row, expected, atol=1e-6)
    one_hot = torch.nn.functional.one_hot(model.encode(sequences).long(), 5)[..., :4].transpose(1, 2).float()
    np.testing.assert_allclose(model.features(one_hot).numpy(), features)


@pytest.fixture(scope="module")
def species():
    """Three "species" that differ in composition, in genes of ten windows."""
    rng = np.random.default_rng(2)
    y = np.repeat([0, 1, 2], 100)
    letters = [[0.4, 0.1, 0.1, 0.4], [0.1, 0.4, 0.4, 0.1], [0.25, 0.25, 0.25, 0.25]]
    sequences = ["".join(rng.choice(list("ACGT"), size=60, p=letters[label])) for label in y]
    return sequences, y, np.arange(300) // 10


def test_kmer_baseline_learns_and_reloads(species, tmp_path):
    sequences, y, groups = species
    model = fit_kmer(sequences, y, groups, classes=["at", "gc", "even"], max_k=4)
    logits = model(model.encode(sequences))
    assert (logits.argmax(1).numpy() == y).mean() > 0.9
    assert model.config.n_features == 4 + 16 + 64 + 256 and model.config.strength > 0
    save_bundle(model, tmp_path)
    again = load_model(tmp_path)
    assert torch.equal(again(again.encode(sequences)), logits)
    assert again.config.classes == ["at", "gc", "even"]


def test_kmer_baseline_of_a_scalar(species):
    sequences, _, groups = species
    y = np.array([s.count("GC") + 0.5 * s.count("A") for s in sequences])
    model = fit_kmer(sequences, (y - y.mean()) / y.std(), groups, target="scalar")
    predicted = model(model.encode(sequences))
    assert predicted.shape == (300,) and np.corrcoef(predicted.detach(), y)[0, 1] > 0.95


def test_linear_head_is_the_probe_of_the_embeddings(species, tmp_path):
    from small_models import small_model

    sequences, y, groups = species
    encoder = small_model("esm")
    options = {"head": "linear", "target": "class", "n_outputs": 3, "classes": ["at", "gc", "even"]}
    model = BackboneModel.on(encoder, encoder.tokenizer, **options)
    fit = fit_head(model, sequences, y, groups)
    logits = model(model.encode(sequences))
    np.testing.assert_allclose(logits.detach(), fit.predict(embed(encoder, sequences)), atol=1e-3)
    assert (logits.argmax(1).numpy() == y).mean() > 0.8
    save_bundle(model, tmp_path)
    again = load_model(tmp_path)
    assert torch.equal(again(again.encode(sequences)), logits)


def test_kmer_baseline_predicts_no_track():
    with pytest.raises(InputError, match="cnn"):
        KmerModel(KmerConfig(target="track"))


def test_sparse_features_give_the_same_models():
    rng = np.random.default_rng(3)
    X = rng.poisson(0.3, (300, 30)) * rng.random((300, 30)) + np.eye(30)[0]
    y, weight = (X[:, 1] + X[:, 2] + rng.normal(0, 0.2, 300) > 0.2).astype(int), rng.random(300) + 0.5
    held_out = rng.poisson(0.3, (50, 30)).astype(float)
    for fit in (
        lambda X: fit_logistic(X, y, 2, weight=weight, strengths=(0.01, 0.1)),
        lambda X: fit_logistic(X, y + 2 * (X[:, [5]] > 0).astype(int).reshape(-1), 4, strengths=(0.01, 0.1)),
        lambda X: fit_ridge(X, y + 0.5, weight=weight, strengths=(3.0, 30.0)),
    ):
        dense, sparse = fit(X), fit(csr_array(X))
        assert dense.strength == sparse.strength
        np.testing.assert_allclose(sparse.predict(csr_array(held_out)), dense.predict(held_out), rtol=0, atol=3e-2)


def planted(word, n=400, length=60, seed=0):
    """Random sequences, half of them with a word somewhere; the others have the same letters elsewhere."""
    rng = np.random.default_rng(seed)
    sequences, y = [], rng.integers(0, 2, n)
    for label in y:
        letters = list(word) if label else list(rng.permutation(list(word)))
        place = rng.integers(0, length - len(word))
        text = "".join("ACGT"[i] for i in rng.integers(0, 4, length))
        sequences.append(text[:place] + "".join(letters) + text[place + len(word) :])
    return sequences, y


def test_words_are_as_long_as_it_takes():
    sequences, y = planted("TTAGCATA" * 3)
    long = fit_kmer(sequences, y, classes=["no", "yes"])
    assert [row["longest"] for row in long.config.word_choice][:2] == [4, 5]
    assert fit_kmer(sequences, y, classes=["no", "yes"], max_k=4).config.kmers == [1, 2, 3, 4]
    assert fit_kmer(sequences, y, classes=["no", "yes"], kmers=[2]).config.kmers == [2]
    y = np.array([text.count("G") for text in sequences]) > 14
    short = fit_kmer(sequences, y.astype(int), classes=["no", "yes"])
    assert short.config.kmers == [1, 2, 3, 4]


def test_six_mers_predict_as_they_were_fitted(tmp_path):
    sequences, y = planted("TTAGCA", n=200)
    model = fit_kmer(sequences, y, classes=["no", "yes"], kmers=[1, 6], strengths=(1e-2,))
    X = np.array([[text[i : i + 6] == "TTAGCA" for i in range(55)] for text in sequences]).sum(1)
    with torch.no_grad():
        logits = model(model.encode(sequences)).numpy()
    assert np.corrcoef(logits[:, 1] - logits[:, 0], X)[0, 1] > 0.3
    save_bundle(model, tmp_path)
    loaded = load_model(tmp_path)
    assert loaded(loaded.encode(sequences[:3])).equal(model(model.encode(sequences[:3])))


@pytest.mark.parametrize("target", ["class", "scalar"])
def test_one_hot_positions(target, tmp_path):
    rng = np.random.default_rng(0)
    sequences = ["".join("ACGT"[i] for i in row) for row in rng.integers(0, 4, (600, 20))]
    y = np.array([text[4] == "G" for text in sequences]).astype(int)
    options = {"classes": ["no", "yes"]} if target == "class" else {"target": "scalar"}
    model = fit_onehot(sequences[:400], y[:400], **options)
    with torch.no_grad():
        out = model(model.encode(sequences[400:])).numpy()
    score = out[:, 1] - out[:, 0] if target == "class" else out
    assert score[y[400:] == 1].min() > score[y[400:] == 0].max()
    save_bundle(model, tmp_path)
    assert (model.config.bases, load_model(tmp_path).config.bases) == (20, 20)
    scores = leave_one_out(model, sequences[:1], edit="mask").scores[0]
    assert np.abs(scores).argmax() == 4
    with pytest.raises(InputError, match="21 bases"):
        leave_one_out(model, [sequences[0] + "A"])
    with pytest.raises(InputError, match="one length.*19 to 20"):
        fit_onehot([*sequences[:9], sequences[9][:-1]], y[:10], **options)
