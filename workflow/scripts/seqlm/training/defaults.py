"""Training settings that work without tuning, from the model and the number of examples.

Networks trained from scratch learn at 1e-3 after a warm-up and along a cosine, in batches that grow with the data, and
for as many epochs as make some 1,500 steps; training ends early when the validation part stops improving. Heads
on backbones keep what `FitSettings` says, DNA-LLM's fine-tuning. A network may say its own settings in its ``NETWORK``,
and what a study says comes before all.
"""

import math

from seqlm.training.settings import FitSettings

STEPS = 1500  # of training, about
EPOCHS = 6, 60  # fewest and most
BATCH = 16, 128  # smallest and largest
WARMUP = 0.05, 200  # share of all steps, and the most


def training_settings(said, n, network=None):
    """All settings of a training run that a study can set.

    Parameters
    ----------
    said : dict
        Training settings of the study, those of the model before those of all.
    n : int
        Training examples, copies included.
    network : Network, optional
        See `seqlm.models.registry`; None for heads on backbones.

    Returns
    -------
    dict
        Fields of `FitSettings`.
    """
    known = {key: value for key, value in said.items() if key in FitSettings.__dataclass_fields__}
    if network is None:
        return known
    # The power of two nearest to a two-hundredth of the examples, within limits.
    batch = min(max(2 ** round(math.log2(max(n, 1) / 200)), BATCH[0]), BATCH[1])
    own = {"learning_rate": 1e-3, "schedule": "cosine", "weight_decay": 0.01, "batch_size": batch}
    own |= network.training | known
    steps = -(-n // own["batch_size"])
    own.setdefault("epochs", min(max(round(STEPS / steps), EPOCHS[0]), EPOCHS[1]))
    own.setdefault("patience", max(5, own["epochs"] // 4))
    own.setdefault("warmup", min(round(WARMUP[0] * steps * own["epochs"]), WARMUP[1]))
    return own
