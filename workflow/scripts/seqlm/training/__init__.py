"""How every network is trained: the engine, what it minimises, its checkpoints, a model of a study fitted to a fold.

Language modelling is in `seqlm.pretraining`.
"""

from seqlm.training.data import ArrayData, SeededOrder
from seqlm.training.engine import autocast, evaluate
from seqlm.training.run import FitResult, fit, write_history
from seqlm.training.settings import FitSettings

__all__ = ["ArrayData", "FitResult", "FitSettings", "SeededOrder", "autocast", "evaluate", "fit", "write_history"]
