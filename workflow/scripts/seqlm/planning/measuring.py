"""How fast this machine is at what a study asks for: a few steps of each network at its own size, in ten seconds.

Rates are measured on real examples with the threads that jobs will have, beside whatever else runs here.
"""

import os
import subprocess
import sys
import time
from dataclasses import dataclass, field

import numpy as np

from seqlm.common.costs import peak_memory, reset_peak_memory
from seqlm.models.registry import network

BATCH = 16  # examples of a trial step
SHORTEST = 0.4  # seconds that a step is repeated for
SOLVED = 200  # examples that a linear model is fitted to


@dataclass
class Machine:
    """What was measured.

    Attributes
    ----------
    cores : int
        CPUs that may be used.
    memory : int
        Bytes.
    gpu : str or None
        Its name.
    start, light_start : float
        Seconds until a job that runs a network, or one that writes a table or a figure, has begun.
    rates : dict
        What was timed -> {"train": seconds an example, "predict": seconds an example, "memory": bytes}. Of a backbone
        an example is a token.
    """

    cores: int
    memory: int
    gpu: str | None
    start: float
    light_start: float
    rates: dict = field(default_factory=dict)


def usable_cores():
    """CPUs that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def measure(backbones, models, threads=2, cores=None):
    """Time one step of each network of a study.

    Parameters
    ----------
    backbones : dict of str to dict
        Entries in numbers, with `tokenizer` as an entry of the section tokenizers.
    models : dict of (dataset, model) to (entry, sequences, target, classes)
        Entries under ``models``, and some examples of the dataset.
    threads : int
        Of a job.
    cores : int, optional
        What the study may use; all when missing.

    Returns
    -------
    Machine
    """
    cores = cores or usable_cores()
    light = _timed(lambda: subprocess.run([sys.executable, "-c", "import pandas, pyarrow.parquet, matplotlib.figure"]))
    start = _timed(lambda: subprocess.run([sys.executable, "-c", "import torch, transformers.trainer"]))
    import psutil
    import torch

    from seqlm.common.runtime import reuse_memory

    torch.set_num_threads(min(threads, cores))
    reuse_memory()
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    machine = Machine(cores, psutil.virtual_memory().total, gpu, start, light)
    encoders = {}
    for name, backbone in backbones.items():
        sizes = ("architecture", "layers", "heads", "width", "block", "tokenizer")
        same = str({key: backbone.get(key) for key in sizes})
        if same not in encoders:
            encoders[same] = _backbone(backbone)
        machine.rates[name] = encoders[same]
    done = {}
    for (dataset, name), (entry, *about) in models.items():
        backbone = backbones.get(entry.get("backbone"))
        own = {key: value for key, value in entry.items() if key not in ("training", "backbone")}
        same = str((dataset, own, backbone and {key: backbone[key] for key in sizes}))
        if same not in done:
            done[same] = _head(entry, backbone, *about) if backbone else _network(entry, *about)
        machine.rates[dataset, name] = done[same]
    return machine


def _timed(call):
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def _repeat(step):
    """Seconds of a step, its first call left out."""
    step()
    times = []
    while sum(times) < SHORTEST or len(times) < 2:
        times.append(_timed(step))
    return float(np.median(times))


def _autocast():
    import torch

    from seqlm.common.runtime import pick_precision

    return torch.autocast("cpu", torch.bfloat16, enabled=pick_precision("auto", "cpu") == "bf16")


def _trial(model, loss, count, memory_of=1.0):
    """Rates of a training step and of a forward pass over `count` examples; memory grows with the real batch."""
    import torch

    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-4)

    def train():
        with _autocast():
            value = loss(model)
        value.backward()
        optimizer.step()
        optimizer.zero_grad()

    def predict():
        with torch.no_grad():
            loss(model)

    base = peak_memory("cpu")
    reset_peak_memory("cpu")
    trained = _repeat(train)
    peak = max(peak_memory("cpu") - base, 0) * memory_of + base
    model.eval()
    return {"train": trained / count, "predict": _repeat(predict) / count, "memory": int(peak)}


def _tokenizer(entry):
    from seqlm.tokenization import learn_tokenizer
    from seqlm.tokenization.kmer import kmer_tokenizer

    if entry["kind"] == "kmer":
        return kmer_tokenizer(entry.get("k", 6))
    return learn_tokenizer("character", alphabet="ACGT", case="upper")  # a vocabulary's size matters little


def _backbone(backbone):
    """Rates of a language model, by the token."""
    import torch

    from seqlm.pretraining.pretrain import ARCHITECTURES

    tokenizer = _tokenizer(backbone["tokenizer"])
    model, _, _ = ARCHITECTURES[backbone["architecture"]](backbone, tokenizer)
    block, rows = backbone["block"], max(1, min(backbone["batch_size"], 2048 // backbone["block"]))
    ids = torch.randint(0, len(tokenizer), (rows, block))

    def loss(model):
        logits = model(input_ids=ids).logits.float()
        return torch.nn.functional.cross_entropy(logits.view(-1, logits.shape[-1]), ids.view(-1))

    found = _trial(model, loss, rows * block, backbone["batch_size"] / rows)
    return found | {"parameters": sum(p.numel() for p in model.parameters())}


def _common(target, classes):
    return {"target": target, "n_outputs": len(classes) if target == "class" else 1, "classes": classes,
            "label_scaling": None}  # fmt: skip


def _network(entry, sequences, target, classes):
    """Rates of a network trained from scratch; of one that is solved for, "fit" is seconds an example."""
    import inspect

    from seqlm.tokenization.atomic import AtomicLayout, as_read

    kind = network(entry["network"])
    sequences = list(sequences)
    if kind.fit:
        return _solved(kind, entry, sequences[:SOLVED], target, classes)
    cls = kind.load()
    fields = inspect.signature(cls.config_class.__init__).parameters
    options = {key: value for key, value in entry.items() if key in fields and key != "pooling"}
    if "layout" in fields:
        mrna = " " in sequences[0]
        options.setdefault("layout", (AtomicLayout("mrna", separator=" ") if mrna else AtomicLayout("bases")).to_dict())
    model = cls(cls.config_class(**options, **_common(target, classes)))
    X = model.encode(as_read(model, sequences[:BATCH]))
    return _trial(model, lambda model: model(X).float().square().mean(), len(X), 4) | {
        "parameters": sum(p.numel() for p in model.parameters())
    }


def _solved(kind, entry, sequences, target, classes):
    rng = np.random.default_rng(0)
    y = rng.integers(0, len(classes), len(sequences)) if target == "class" else rng.normal(size=len(sequences))
    common = {key: value for key, value in _common(target, classes).items() if key != "n_outputs"}
    options = {key: value for key, value in entry.items() if key not in ("network", "training")}
    made = {}

    def fit():
        made["model"] = kind.load(kind.fit)(
            sequences=sequences, y=y, groups=None, weight=None, seed=0, **common, **options
        )

    seconds = _timed(fit)
    return {"fit": seconds / len(sequences), "predict": 1e-4, "memory": peak_memory("cpu"),
            "parameters": sum(p.numel() for p in made["model"].parameters())}  # fmt: skip


def _head(entry, backbone, sequences, target, classes):
    """Rates of a head on a backbone: "features" and "train" are seconds an example."""
    import torch

    from seqlm.models.language.tuning import tuned
    from seqlm.pretraining.pretrain import ARCHITECTURES
    from seqlm.tokenization.atomic import as_read
    from seqlm.training.defaults import head_settings

    tokenizer = _tokenizer(backbone["tokenizer"])
    encoder, _, _ = ARCHITECTURES[backbone["architecture"]](backbone, tokenizer)
    train = entry.get("train", "head")
    fields = ("context", "hidden", "kernel", "dropout", "skip")
    options = {key: entry[key] for key in fields if key in entry} | head_settings(entry, target, train == "head")
    head = options["head"]
    options |= {"pooling": "mean" if head == "conv" else "mean_max"}
    model = tuned(encoder, tokenizer, train, **options, **_common(target, classes))
    X = model.encode(as_read(model, list(sequences)[:BATCH]))
    if train != "head" or head == "linear":
        found = _trial(model, lambda model: model(X).float().square().mean(), len(X), 4)
        return found | {"features": 0 if head != "linear" else found["predict"], "parameters": 0}

    def features():
        with torch.no_grad(), _autocast():
            return model.features(X, pooled=model.pools_first)

    seconds, made = _repeat(features), features()
    found = _trial(model, lambda model: model(made).float().square().mean(), len(X), 4)
    own = {"features": seconds / len(X), "predict": found["predict"] + seconds / len(X)}
    return found | own | {"bytes": made[0].numel() * 2, "parameters": sum(p.numel() for p in model.parameters())}
