"""What predicts a target from sequences or is read for features: a file per network, and their bundles.

How a model is trained is not known here. `seqlm.models.registry` lists the networks.
"""

from seqlm.models.registry import model_class, model_types

__all__ = ["model_class", "model_types"]
