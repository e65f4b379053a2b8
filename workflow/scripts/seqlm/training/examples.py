"""What one fold of a dataset gives a model to train and to be validated on, as numbers."""

import hashlib

import numpy as np

from seqlm.common.errors import InputError
from seqlm.datasets.scaling import fit_scaling, scale_labels


class Examples:
    """Training and validation examples of one fold, with targets as numbers.

    Attributes
    ----------
    table : DataFrame
        Every example that any fold trains or validates on; training and validation are rows of it.
    y : list of arrays, or array
        Tracks, scaled scalars, or class numbers, one per row.
    train, validation : int arrays
        Rows of this fold.
    copied : int array
        Rows that some fold trains on.
    pooling : dict
        How positions are gathered by what the config says of the dataset, and otherwise, where tokens have no places.
    """

    def __init__(self, data, fold, scaling, class_weights=None):
        self.data, self.fold = data, fold
        self.target, self.classes = data.target, data.classes
        aligned = data.summary.get("aligned") and data.summary.get("aligned_said")
        self.pooling = {"pooling": "positions" if aligned else "mean_max", "otherwise": "mean_max"}
        if "target" not in data.examples:
            raise InputError("dataset", "has no labels", "give labels to train on")
        if data.folds is None or fold not in set(data.folds["fold"]):
            raise InputError("folds.tsv", f"has no fold {fold}", "split the dataset again")
        parts = {
            part: set(data.folds.loc[(data.folds["fold"] == fold) & (data.folds["part"] == part), "id"])
            for part in ("train", "validation")
        }
        used = set(data.folds.loc[data.folds["part"] != "test", "id"])
        trained = set(data.folds.loc[data.folds["part"] == "train", "id"])
        self.table = data.examples[data.examples["id"].isin(used)].reset_index(drop=True)
        ids, labelled = self.table["id"], np.ones(len(self.table), dtype=bool)
        if self.target == "scalar":
            labelled = self.table["target"].notna().to_numpy()
        self.train = np.flatnonzero(ids.isin(parts["train"]) & labelled)
        self.validation = np.flatnonzero(ids.isin(parts["validation"]) & labelled)
        self.copied = np.flatnonzero(ids.isin(trained))
        for part in ("train", "validation"):
            if not len(getattr(self, part)):
                raise InputError(f"fold {fold}", f"its {part} part has no labelled example", "change the folds")
        self.scaling = None
        labels = self.table["target"]
        if self.target == "scalar":
            self.scaling = fit_scaling(labels.iloc[self.train], scaling)
            self.y = scale_labels(labels, self.scaling).astype(np.float32)
            self._drop_unscalable()
        elif self.target == "class":
            self.y = labels.map({name: i for i, name in enumerate(self.classes)}).to_numpy(np.int64)
        else:
            self.y = [np.asarray(track, np.float32) for track in labels]
        weight = self.table["weight"].fillna(1.0).to_numpy(np.float32)
        if class_weights and self.target == "class":
            weight = weight * self._class_weights(class_weights)[self.y]
        self.weight = None if (weight == 1).all() else weight

    def _class_weights(self, wanted):
        """Weight of each class in the loss, float32 (classes,)."""
        if wanted == "balanced":
            count = np.bincount(self.y[self.train], minlength=len(self.classes))
            return (len(self.train) / (len(self.classes) * np.maximum(count, 1))).astype(np.float32)
        wanted = {str(name): weight for name, weight in wanted.items()}  # YAML reads a 0 as a number
        unknown = [name for name in wanted if name not in self.classes]
        if unknown:
            mend = f"the classes are {', '.join(self.classes)}; quote names that YAML changes, such as 'yes' and '01'"
            raise InputError("class_weights", f"there is no class {unknown[0]!r}", mend)
        return np.array([wanted.get(name, 1.0) for name in self.classes], np.float32)

    def _drop_unscalable(self):
        """Validation labels that a logarithm cannot take are left out; training labels have been checked."""
        self.validation = self.validation[np.isfinite(self.y[self.validation])]
        if not len(self.validation):
            raise InputError(f"fold {self.fold}", "no validation label can be scaled", "use label_scaling: standard")

    @property
    def sequences(self):
        return self.table["sequence"]

    def common(self):
        """Fields that the config of every model for this target has."""
        return {
            "target": self.target,
            "n_outputs": len(self.classes) if self.target == "class" else 1,
            "classes": self.classes,
            "label_scaling": self.scaling,
        }

    def counts(self):
        return {"training examples": len(self.train), "validation examples": len(self.validation)}

    def digest(self):
        """Identity of sequences, labels and parts."""
        digest = hashlib.sha256("\n".join(self.sequences).encode())
        for array in (*(self.y if self.target == "track" else [self.y]), self.train, self.validation):
            digest.update(np.ascontiguousarray(array).tobytes())
        if self.weight is not None:
            digest.update(self.weight.tobytes())
        return digest.hexdigest()
