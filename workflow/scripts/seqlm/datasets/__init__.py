"""Prepared examples of a task, which of them are trained, validated and tested on, and how their labels are scaled.

No model enters here: every model of a study is given the same examples and folds.
"""

from seqlm.datasets.build import build_dataset
from seqlm.datasets.storage import Dataset, load_dataset, write_dataset, write_folds

__all__ = ["Dataset", "build_dataset", "load_dataset", "write_dataset", "write_folds"]
