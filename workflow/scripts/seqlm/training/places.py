"""Whether places mean something in sequences of one length, found by training the plain CNN both ways.

Windows cut around a splice site line up and a head that keeps positions wins by far; in a table of enhancers of one
length a motif stands anywhere, and the same head learns what it sees by heart. Lengths cannot tell the two apart, the
validation part can. One choice a fold serves all models of a dataset, so that they differ in nothing else by it.
"""

import tempfile

CHOICES = "mean_max", "positions"
MOST = 10_000  # training examples that the choice is made on, at most
SEED = 0
OF_LABELS = "label_scaling", "class_weights"  # training settings that say what is learned, not how


def choose_pooling(data, fold, training=None, *, precision="auto", device="auto"):
    """Train the plain CNN with mean and maximum, and with positions kept, and see which validates better.

    Parameters
    ----------
    data : Dataset
        With folds, sequences of one length, and a target that is no track.
    fold : int
    training : dict, optional
        Training settings of the study; what concerns the labels is kept.
    precision, device : str

    Returns
    -------
    dict
        pooling: the better one, "mean_max" where they are equal; metric: what decided; validation: its value with each.
    """
    # A plan reads MOST above, and torch takes seconds to import.
    from seqlm.datasets.subsampling import with_fewer_labels
    from seqlm.training.fitting import fit_dataset_model
    from seqlm.training.objectives import OBJECTIVES

    settings = {key: value for key, value in (training or {}).items() if key in OF_LABELS}
    own = data.folds[(data.folds["fold"] == fold) & (data.folds["part"] == "train")]
    if data.examples.loc[data.examples["id"].isin(own["id"]), "target"].notna().sum() > MOST:
        data = with_fewer_labels(data, fold, MOST, SEED)
    metric, values = OBJECTIVES[data.target].metric, {}
    larger = OBJECTIVES[data.target].metrics[metric]
    for pooling in CHOICES:
        with tempfile.TemporaryDirectory() as folder:
            model = {"network": "cnn", "pooling": pooling}
            _, history = fit_dataset_model(
                data,
                fold,
                model,
                settings,
                SEED,
                folder,
                names=("dataset", pooling),
                precision=precision,
                device=device,
            )
        own = history.loc[(history["part"] == "validation") & (history["metric"] == metric), "value"]
        values[pooling] = float(own.max() if larger else own.min())
    mean_max, positions = values.values()
    better = positions > mean_max if larger else positions < mean_max
    return {"pooling": CHOICES[bool(better)], "metric": metric, "validation": values}
