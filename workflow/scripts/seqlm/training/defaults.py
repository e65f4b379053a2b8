"""Training settings that work without tuning, from the model and the number of examples.

What is trained learns at 1e-3 after a warm-up and along a cosine, in batches that grow with the data, and for as many
epochs as make some 1,500 steps; training ends early when the validation part stops improving. An encoder that is
trained whole learns the slower the wider it is, as those who publish such models train them (Nucleotide Transformer,
1,024 wide, at 1e-4; Caduceus, 118 wide, at 1e-3). A network may say its own settings in its ``NETWORK``, and what a
study says comes before all.

Heads on backbones are given the convolutions that the CNN has: a frozen encoder has not brought together what makes a
motif, and once features are averaged over a sequence no head can.
"""

import math

from seqlm.training.settings import FitSettings

STEPS = 1500  # of training, about
EPOCHS = 6, 60  # fewest and most
BATCH = 16, 128  # smallest and largest
WARMUP = 0.05, 200  # share of all steps, and the most
RATE = 1e-3
SLOWER = 0.1  # learning rate times width, of an encoder that is trained
TOKEN_FEATURES = 8e9  # bytes of features of single tokens, in 32 bits, that a pooled head is trained on at most


def head_settings(entry, target, frozen, layer_bytes=0, n_layers=1, apart=False):
    """How a head reads its backbone, where a study leaves that open.

    Parameters
    ----------
    entry : dict
        Model entry of a study.
    target : {"track", "scalar", "class"}
    frozen : bool
        Whether nothing of the backbone is trained.
    layer_bytes : float
        What the features of all tokens of all examples take, of one layer, in 32 bits.
    n_layers : int
        Layers that ``layers: all`` names.
    apart : bool
        Whether tokens of both strands are read that do not stand where one another do.

    Returns
    -------
    dict
        head, layers, and of `BackboneConfig` depth or before_pooling.
    """
    head = entry.get("head") or ("conv" if target == "track" else "pooled")
    # The last layer serves the encoder's own task, and one that is trained is slow to learn to serve another. A linear
    # probe is by custom one of the last layer.
    layers = entry.get("layers", "last" if head == "linear" else "all")
    made = {"head": head, "layers": layers}
    if head == "conv":
        return made | {"depth": entry.get("depth", 2)}
    read = 1 if layers == "last" else n_layers if layers == "all" else len(layers)
    much = frozen and layer_bytes * read > TOKEN_FEATURES and entry.get("skip", "none") == "none"
    pools_at_once = head == "linear" or apart or much
    return made | {"before_pooling": entry.get("depth", 0 if pools_at_once else 1)}


def training_settings(said, n, network=None, width=None, pooling=None):
    """All settings of a training run that a study can set.

    Parameters
    ----------
    said : dict
        Training settings of the study, those of the model before those of all.
    n : int
        Training examples, copies included.
    network : Network, optional
        See `seqlm.models.registry`; None for heads on backbones.
    width : int, optional
        Of an encoder that is trained whole, or its upper layers.
    pooling : str, optional
        How the model gathers positions, where it does.

    Returns
    -------
    dict
        Fields of `FitSettings`.
    """
    known = {key: value for key, value in said.items() if key in FitSettings.__dataclass_fields__}
    # The power of two nearest to a two-hundredth of the examples, within limits.
    batch = min(max(2 ** round(math.log2(max(n, 1) / 200)), BATCH[0]), BATCH[1])
    rate = min(RATE, SLOWER / width) if width else RATE
    own = {"learning_rate": rate, "schedule": "cosine", "weight_decay": 0.01, "batch_size": batch}
    own |= (network.training | network.pooled.get(pooling, {}) if network else {}) | known
    steps = -(-n // own["batch_size"])
    own.setdefault("epochs", min(max(round(STEPS / steps), EPOCHS[0]), EPOCHS[1]))
    own.setdefault("patience", max(5, own["epochs"] // 4))
    own.setdefault("warmup", min(round(WARMUP[0] * steps * own["epochs"]), WARMUP[1]))
    return own
