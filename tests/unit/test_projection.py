"""Maps of embeddings: what is near stays near, the seed decides, and the page needs nothing from elsewhere."""

import json
import re

import numpy as np
import pandas as pd
import pytest

from seqlm.errors import InputError
from seqlm.projection import map_page, principal_components, project


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
    page = map_page(table, "Species & more", ["#111111", "#222222"])
    assert "src=" not in page and "http" not in page and "Species &amp; more" in page
    embedded = re.search(r'<script id="data" type="application/json">(.*?)</script>', page, re.S).group(1)
    data = json.loads(embedded)
    assert data["id"] == ["gene</script>", "b", "c"] and data["labels"] == ["fly", "yeast"]
    assert data["label"] == [1, 0, 0] and data["panel"] == [0, 1, 1] and data["y"] == [3.0, 4.0, 5.5]
