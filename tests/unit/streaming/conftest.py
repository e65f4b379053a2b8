"""Small models and files of sequences."""

import numpy as np
import pytest
import torch

from seqlm.models.bundle import save_bundle
from seqlm.models.networks.cnn import CNN, CNNConfig

SIZE = {"filters": 4, "hidden": 4, "kernel": 5}


@pytest.fixture(scope="module")
def bundles(tmp_path_factory):
    """Bundles: two tracks, two scalars with scaled labels, two of three classes."""
    folder = tmp_path_factory.mktemp("bundles")
    settings = {
        "track": {},
        "scalar": {"label_scaling": {"kind": "standard", "scale": 2.0, "offset": 3.0}},
        "class": {"n_outputs": 3, "classes": ["a", "b", "c"]},
    }
    for target, more in settings.items():
        for seed in range(2):
            torch.manual_seed(seed)
            save_bundle(CNN(CNNConfig(target=target, **SIZE, **more)), folder / f"{target}{seed}")
    return folder


@pytest.fixture(scope="module")
def sequences():
    rng = np.random.default_rng(0)
    return ["".join(rng.choice(list("ACGT"), 40)) for _ in range(23)]


@pytest.fixture
def fasta(tmp_path, sequences):
    path = tmp_path / "x.fa"
    path.write_text("".join(f">s{i} some\n{s[:25]}\n{s[25:].lower()}\n" for i, s in enumerate(sequences)))
    return path


@pytest.fixture
def genome(tmp_path):
    rng = np.random.default_rng(1)
    path = tmp_path / "genome.fa"
    path.write_text("".join(f">{name}\n{''.join(rng.choice(list('ACGT'), 200))}\n" for name in ("chr2", "chr1")))
    return path


@pytest.fixture(scope="module")
def fixed(tmp_path_factory):
    """A model that reads 50 bases."""
    return save_fixed(tmp_path_factory.mktemp("fixed") / "bundle")


def save_fixed(folder):
    torch.manual_seed(0)
    save_bundle(CNN(CNNConfig(target="track", length=50, **SIZE)), folder)
    return folder
