"""Maps of embeddings: what is near stays near, the seed decides, and the page needs nothing from elsewhere."""

import json
import re

import numpy as np
import pandas as pd
import pytest

from seqlm.common.errors import InputError
from seqlm.inference.projection import map_page, maps, principal_components, project, read_embeddings, write_embeddings


@pytest.fixture(scope="module")
def clusters():
    rng = np.random.default_rng(0)
    label = np.repeat([0, 1, 2], 30)
    return rng.normal(size=(90, 80)) + 8 * rng.normal(size=(3, 80))[label], label


def test_principal_components_are_those_of_the_covariance(clusters):
    X, _ = clusters
    values, vectors = np.linalg.eigh(np.cov(X.T))
    expected = (X - X.mean(0)) @ vectors[:, ::-1][:, :3]
    found = principal_components(X, 3)
    np.testing.assert_allclose(np.abs(found), np.abs(expected), atol=1e-6)
    assert principal_components(X[:, :20], 50).shape == (90, 20)


@pytest.mark.slow  # UMAP compiles for half a minute
def test_neighbours_share_a_label_and_the_seed_decides(clusters):
    X, label = clusters
    xy = project(X, seed=3)
    distance = np.linalg.norm(xy[:, None] - xy[None], axis=-1) + np.diag(np.full(len(xy), np.inf))
    assert (label[distance.argmin(1)] == label).all()
    assert np.array_equal(xy, project(X, seed=3))


def test_embeddings_survive_a_file_and_meet_their_examples(tmp_path, monkeypatch):
    X = np.arange(12, dtype=np.float32).reshape(6, 2)
    write_embeddings(tmp_path / "e.npz", list("abcdef"), X)
    ids, again = read_embeddings(tmp_path / "e.npz")
    assert ids.tolist() == list("abcdef") and np.array_equal(again, X)
    monkeypatch.setattr("seqlm.inference.projection.project", lambda X, seed: X)  # the map itself is tested above
    examples = pd.DataFrame({"id": list("fab"), "target": ["fly", "yeast", "fly"]})
    table = maps({"before": (ids, X), "after": (ids, -X)}, examples)
    assert table["panel"].tolist() == ["before"] * 3 + ["after"] * 3
    assert table["label"].tolist() == ["fly", "yeast", "fly"] * 2
    assert table["x"].tolist() == [10, 0, 2, -10, 0, -2]
    with pytest.raises(InputError, match="'z' is not embedded"):
        maps({"before": (ids, X)}, pd.DataFrame({"id": ["z"], "target": ["fly"]}))
    (tmp_path / "broken.npz").write_text("nothing")
    with pytest.raises(InputError, match="embed the sequences again"):
        read_embeddings(tmp_path / "broken.npz")


def test_embeddings_by_base_survive_a_file(tmp_path):
    """All bases one after the other; a map has the mean of each sequence."""
    by_base = [np.arange(6, dtype=np.float32).reshape(3, 2), np.ones((1, 2), np.float32), 4 * np.ones((2, 2))]
    write_embeddings(tmp_path / "e.npz", list("abc"), by_base)
    arrays = np.load(tmp_path / "e.npz")
    for part, own in zip(np.split(arrays["embedding"], arrays["length"].cumsum()[:-1]), by_base, strict=True):
        np.testing.assert_array_equal(part, own)
    ids, means = read_embeddings(tmp_path / "e.npz")
    assert ids.tolist() == list("abc") and means.tolist() == [[2, 3], [1, 1], [4, 4]]


def test_too_few_points():
    with pytest.raises(InputError, match="at least 4"):
        project(np.zeros((3, 5)))


def test_page_holds_the_data_and_asks_for_nothing():
    table = pd.DataFrame(
        {
            "id": ["gene</script>", "b", "c"],
            "label": ["yeast", "fly", "fly"],
            "x": [0.0, 1.0, 2.0],
            "y": [3.0, 4.0, 5.5],
            "panel": ["pretrained", "fine-tuned", "fine-tuned"],
        }
    )
    table.loc[1, "id"] = "{title}"
    page = map_page(table, "Species & {data} more", ["#111111", "#222222"])
    assert "src=" not in page and "http" not in page and "Species &amp; {data} more" in page
    embedded = re.search(r'<script id="data" type="application/json">(.*?)</script>', page, re.S).group(1)
    data = json.loads(embedded)
    assert data["id"] == ["gene</script>", "{title}", "c"] and data["labels"] == ["fly", "yeast"]
    assert data["label"] == [1, 0, 0] and data["panel"] == [0, 1, 1] and data["y"] == [3.0, 4.0, 5.5]


def test_a_page_of_many_labels_has_a_button_for_the_frequent_ones():
    labels = [f"class {i:03}" for i in range(300) for _ in range(3 if i >= 280 else 1)]
    table = pd.DataFrame({"id": map(str, range(len(labels))), "label": labels, "x": 0.0, "y": 0.0})
    page = map_page(table, "many", ["#111111", "#222222"])
    data = json.loads(re.search(r'<script id="data" type="application/json">(.*?)</script>', page, re.S).group(1))
    assert [entry["name"] for entry in data["legend"]] == [*(f"class {i}" for i in range(280, 300)), "280 others"]
    assert sorted(k for entry in data["legend"] for k in entry["labels"]) == list(range(300))
    assert [data["labels"][k] for k in data["label"]] == labels  # shown beside the pointer, whatever the button
    assert {data["colours"][k] for k in data["legend"][-1]["labels"]} == {"#C8C8C8"}
