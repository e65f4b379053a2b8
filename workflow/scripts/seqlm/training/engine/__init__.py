"""The engine that trains every network, on ``transformers.Trainer``."""

from seqlm.training.engine.measuring import autocast, evaluate
from seqlm.training.engine.progress import Progress
from seqlm.training.engine.trainer import Engine

__all__ = ["Engine", "Progress", "autocast", "evaluate"]
