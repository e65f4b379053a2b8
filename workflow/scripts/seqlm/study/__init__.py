"""A study: its config, checked and filled in, and the grid of jobs it asks for. Nothing heavy is imported here."""

from seqlm.study.devices import backbone_devices, model_devices, nodes_of
from seqlm.study.figures import figure_names
from seqlm.study.kinds import model_kinds
from seqlm.study.readings import model_readings
from seqlm.study.study import Job, Study, check_config, load_schema, number_of_folds

__all__ = [
    "Job",
    "Study",
    "backbone_devices",
    "check_config",
    "figure_names",
    "load_schema",
    "model_devices",
    "model_kinds",
    "model_readings",
    "nodes_of",
    "number_of_folds",
]
