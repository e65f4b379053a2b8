"""Features of a frozen backbone: computed once, kept in a memory-mapped file, and read batch by batch.

While only the head is trained, the backbone gives the same features in every
epoch. Running it once and training the head on what it gave is several times
faster. The file is written in chunks and a killed job continues where it was;
jobs that need the same features (other folds, other seeds) share one file.
"""

import copy
import hashlib
import json
import os
import shutil
import sys
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock
from tqdm import tqdm

from seqlm.common.costs import CostLog
from seqlm.common.errors import InputError
from seqlm.common.files import atomic_path
from seqlm.common.memory import in_parts
from seqlm.inference.embedding import length_batches
from seqlm.training import autocast
from seqlm.training.data import rows

CHUNK = 512
# Devices where weights in 16 bits are faster, besides being smaller: autocast need not cast them in every pass.
BF16_WEIGHTS = {"cuda"}


class FeatureStore:
    """Rows of a file of features.

    Parameters
    ----------
    array : (n, ...) float32 array, or uint16 array that holds bfloat16 bits
    index : int array, optional
        Rows this store consists of; all by default.
    spread : callable, optional
        ``(rows, index) -> rows`` as the head reads them: features of tokens become those of bases only here, which
        takes as many times less room as a token has bases.
    """

    def __init__(self, array, index=None, spread=None):
        self.array, self.spread = array, spread
        self.index = np.arange(len(array)) if index is None else np.asarray(index)

    def __len__(self):
        return len(self.index)

    def rows(self, index):
        """Tensor (len(index), ...), float32 or bfloat16."""
        index = self.index[index]
        rows = torch.from_numpy(self.array[index])
        rows = rows.view(torch.bfloat16) if rows.dtype == torch.uint16 else rows
        return rows if self.spread is None else self.spread(rows, index)

    def subset(self, index):
        """A store of some of these rows."""
        return FeatureStore(self.array, self.index[index], self.spread)


def cached_features(model, X, folder, *, precision="fp32", device="cpu", batch_size=64):
    """What a frozen backbone gives for `X`, from the cache where it has been computed before.

    Parameters
    ----------
    model : BackboneModel
        Its ``features`` are computed: of all its layers (each normalised, so that their mix is learned on the cache)
        and strands, pooled when its head is.
    X : integer tensor (n, T)
        Token ids.
    folder : path
        Cache folder, holds one set of features; another one's are deleted.
    precision : {"fp32", "bf16"}
        Arithmetic, and type in which features are kept.
    device : torch.device or str
    batch_size : int

    Returns
    -------
    store : FeatureStore
    cost : dict
        What computing them cost (stage "features"), whichever job did it.

    Raises
    ------
    InputError
        The disk has not enough room.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    identity = _fingerprint(model, X, precision)
    data, about = folder / f"{identity}.bin", folder / f"{identity}.json"
    with FileLock(folder / "lock"):
        for old in folder.glob("*.bin"):
            if old.stem != identity:
                old.unlink()
                old.with_suffix(".json").unlink(missing_ok=True)
        known = json.loads(about.read_text()) if about.exists() and data.exists() else None
        if known is None or known["done"] < len(X):
            known = _compute(model, X, data, about, known, precision, torch.device(device), batch_size)
    dtype = np.dtype(known["dtype"])
    array = np.memmap(data, dtype, "r", shape=tuple(known["shape"]))
    spread = (lambda rows, index: model.spread(rows, X[index])) if model.config.by_base else None
    return FeatureStore(array, spread=spread), known["cost"]


def standardise_layers(model, X, *, precision="fp32", device="cpu", batch_size=64):
    """Fit the scaling of a model's layers on training examples, see `LayerMix.standardise`.

    Parameters
    ----------
    model : BackboneModel
    X : FeatureStore or integer tensor
        Of the training part alone. A sample of it, spread evenly, is used.
    precision, device, batch_size
        As for `cached_features`.
    """
    scale = model.config.train == "head"  # so LoRA says, too, which begins with the encoder as it is
    # A sequence has a vector per token, a pooled one but one.
    sample = np.linspace(0, len(X) - 1, min(len(X), 1024 if model.pools_first else 128)).astype(int)
    training, origin = model.training, next(model.parameters()).device
    model.to(device).eval()
    parts = (rows(X, sample[i : i + batch_size]) for i in range(0, len(sample), batch_size))
    with torch.no_grad(), autocast(torch.device(device), precision):
        model.mix.standardise((_some_known(model, model.parts(part.to(device))[0]) for part in parts), scale)
    model.to(origin).train(training)


def _some_known(model, x):
    """Features of tokens that are there: those of padding are zeros where a head pools them itself."""
    return x if x.dim() == 2 or model.config.head == "conv" else x[x.ne(0).any(-1)]


def _compute(model, X, data, about, known, precision, device, batch_size):
    """Write the features chunk by chunk; `known` says how far an earlier job came."""
    with _light(model, precision, device):
        return _write(model, X, data, about, known, precision, device, batch_size)


@contextmanager
def _light(model, precision, device):
    """Within the block, a frozen backbone has the weights that its device computes with; its own are kept aside."""
    backbone = model.backbone
    if precision == "bf16" and device.type in BF16_WEIGHTS:
        model.backbone = copy.deepcopy(backbone).to(torch.bfloat16)
    try:
        yield
    finally:
        model.backbone = backbone


def _write(model, X, data, about, known, precision, device, batch_size):
    features_of = model.token_features if model.config.by_base else partial(model.features, pooled=model.pools_first)
    training, origin = model.training, next(model.parameters()).device
    model.to(device).eval()
    dtype = np.dtype(np.uint16 if precision == "bf16" else np.float32)
    with torch.no_grad(), autocast(device, precision):
        width = features_of(X[:1].to(device)).shape[1:]

    def run(part, start, end):
        with autocast(device, precision):
            features = features_of(part[start:end].to(device))
        features = features.to(torch.bfloat16).view(torch.uint16) if precision == "bf16" else features
        return features.cpu().numpy()

    shape = (len(X), *width)
    done = known["done"] if known else 0
    _check_room(data.parent, (len(X) - done) * int(np.prod(width)) * dtype.itemsize)
    if known is None:
        _allocate(data, int(np.prod(shape)) * dtype.itemsize)
    file = np.memmap(data, dtype, "r+", shape=shape)
    cost = CostLog(
        "features",
        device=device,
        precision=precision,
        parameters=sum(p.numel() for p in model.backbone.parameters()),
        trainable_parameters=0,
        previous=known and known["cost"],
    )
    bar = tqdm(total=len(X), initial=done, desc="features", unit="seq", mininterval=0.5 if sys.stderr.isatty() else 10)
    with cost, bar, torch.no_grad():
        while done < len(X):
            end = min(done + CHUNK, len(X))
            tokens = model.token_counts(X[done:end]).clamp(min=1).numpy()
            # Rows of about as many tokens go together, and more of them where they are short.
            for batch in length_batches(tokens, batch_size * int(tokens.max())):
                for features in in_parts(partial(run, X[done + batch]), len(batch)):
                    file[done + batch[: len(features)]] = features
                    batch = batch[len(features) :]
                    cost.add(samples=len(features), tokens=len(features) * X.shape[1])
                    bar.update(len(features))
            file.flush()
            done = end
            known = {"shape": shape, "dtype": dtype.name, "done": done, "cost": cost.totals()}
            with atomic_path(about) as path:
                path.write_text(json.dumps(known))
    model.to(origin).train(training)
    return known


def _fingerprint(model, X, precision):
    """Digest of everything the features depend on."""
    digest = hashlib.sha256()
    config = model.config
    keys = ("context", "head", "layers", "skip", "complement", "bases", "by_base", "special_ids", "tokens_alone")
    own = [*(getattr(config, key) for key in keys), config.pooling if model.pools_first else None]
    digest.update(json.dumps([config.backbone_config, *own, precision]).encode())
    for name, tensor in sorted(model.backbone.state_dict().items()):
        digest.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
    digest.update(str(tuple(X.shape)).encode() + X.contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def _allocate(path, size):
    """Make a file of a size that is really there: a memory map of a file for which the disk has no room is a crash."""
    with open(path, "wb") as file:
        file.truncate(size)
        if hasattr(os, "posix_fallocate"):
            try:
                os.posix_fallocate(file.fileno(), 0, size)
            except OSError as error:
                path.unlink()
                raise OSError(error.errno, error.strerror, str(path)) from None


def _check_room(folder, needed):
    free = shutil.disk_usage(folder).free
    if needed > 0.95 * free:
        raise InputError(
            folder,
            f"features need {needed / 1e9:.1f} GB, {free / 1e9:.1f} GB are free",
            "free some space, choose fewer layers, or set training: {cache: false} to run the backbone in every epoch",
        )
