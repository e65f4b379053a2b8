"""Shared by all tests: where the repository is, and a workflow on a small study."""

import pytest
from studies import ROOT, Workflow, small_study


@pytest.fixture(scope="session")
def root():
    return ROOT


@pytest.fixture
def workflow(tmp_path):
    return Workflow(tmp_path, small_study())
