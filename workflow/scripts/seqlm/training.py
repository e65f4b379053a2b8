"""One training engine for every network, on ``transformers.Trainer``.

What it adds to the Trainer: batches gathered in one go, evaluation as one
number over a whole part, best weights kept, a tidy history, a cost log, and
checkpoints that survive a kill at any moment. A run that was interrupted and
continued ends bit-identical to one that was not.
"""

import json
import math
import os
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from safetensors.torch import load_file, save_file
from torch.optim.lr_scheduler import LambdaLR
from tqdm import tqdm
from transformers import Trainer, TrainerCallback, TrainingArguments
from transformers.trainer_callback import PrinterCallback

from seqlm.checkpoints import Checkpoints, say
from seqlm.errors import InputError
from seqlm.files import atomic_path
from seqlm.objectives import OBJECTIVES, Meter
from seqlm.runtime import CostLog, pick_device, pick_precision, reuse_memory, seed_everything


@dataclass
class FitSettings:
    """How to train. Defaults are DNA-LLM's fine-tuning.

    Attributes
    ----------
    epochs : int
        Passes over the training part; `max_steps` (if given) takes precedence.
    batch_size : int
        Examples per optimizer step, however they are split.
    micro_batch : int, optional
        Examples per forward pass where memory is short (gradients are accumulated).
    learning_rate, final_learning_rate : float
        Peak rate, and the rate a "cosine" or "linear" schedule ends at.
    schedule : {"constant", "cosine", "linear"}
    warmup : int
        Steps of linear warm-up.
    weight_decay, beta2, clip : float
        AdamW, and the largest norm of all gradients together (0: no clipping).
    patience : int
        Stop after this many evaluations without improvement; 0: never.
    metric : str, optional
        What "best" means; by default R for values, accuracy for classes, the loss for tokens.
    evaluate_every : int, optional
        Steps between evaluations; by default once per epoch.
    seed : int
    precision : {"auto", "fp32", "bf16"}
    device : {"auto", "cpu", "cuda"}
    checkpoint_seconds : float
        Save a checkpoint when the last is older than this; changes no result.
    tensorboard : path, optional
        Write TensorBoard logs there.
    compile : bool
        Compile the network with ``torch.compile``.
    """

    epochs: int = 100
    max_steps: int | None = None
    batch_size: int = 64
    micro_batch: int | None = None
    learning_rate: float = 1e-4
    final_learning_rate: float = 0.0
    schedule: str = "constant"
    warmup: int = 0
    weight_decay: float = 1e-4
    beta2: float = 0.999
    clip: float = 1.0
    patience: int = 10
    metric: str | None = None
    evaluate_every: int | None = None
    seed: int = 0
    precision: str = "auto"
    device: str = "auto"
    checkpoint_seconds: float = 30.0
    tensorboard: str | None = None
    compile: bool = False

    def rate(self, step, steps):
        """Learning rate at a step, as a fraction of the peak rate."""
        if step < self.warmup:
            return (step + 1) / (self.warmup + 1)
        if self.schedule == "constant":
            return 1.0
        done = min(1.0, (step - self.warmup) / max(1, steps - self.warmup))
        weight = 0.5 * (1 + math.cos(math.pi * done)) if self.schedule == "cosine" else 1 - done
        floor = self.final_learning_rate / self.learning_rate
        return floor + (1 - floor) * weight

    def __post_init__(self):
        if self.schedule not in ("constant", "cosine", "linear"):
            raise InputError("training.schedule", f"'{self.schedule}' is unknown", "use constant, cosine or linear")
        for name in ("epochs", "batch_size", "learning_rate"):
            if getattr(self, name) <= 0:
                raise InputError(
                    f"training.{name}", f"{getattr(self, name)} is not above zero", "give a positive number"
                )
        if self.micro_batch and self.batch_size % self.micro_batch:
            raise InputError(
                "training.micro_batch",
                f"{self.micro_batch} does not divide batch_size {self.batch_size}",
                "choose a divisor",
            )


class ArrayData(torch.utils.data.Dataset):
    """Examples in arrays; a whole batch is gathered at once.

    Parameters
    ----------
    X : array or tensor (n, ...), or an object with ``rows(index) -> tensor``
        Model inputs; memory-mapped arrays stay on disk.
    y : array or tensor (n, ...)
        float: values (NaN = not known); integer: class numbers.
    weight : array (n,), optional
        Weight of each example in the loss.
    """

    def __init__(self, X, y, weight=None):
        self.X = X
        self.y = _tensor(y)
        if self.y.is_floating_point():
            self.y = self.y.float()
            self.missing = bool(torch.isnan(self.y).any())
        else:
            self.y, self.missing = self.y.long(), False
        self.weight = None if weight is None else _tensor(weight).float()
        if not len(X) == len(self.y) == len(self.weight if weight is not None else self.y):
            raise ValueError(
                f"{len(X)} inputs, {len(self.y)} targets, {None if weight is None else len(weight)} weights"
            )

    def __len__(self):
        return len(self.y)

    def __getitems__(self, index):
        """A whole batch as a dict of tensors: X, y and, where needed, weight and known."""
        index = np.asarray(index)
        chosen = torch.from_numpy(index)
        batch = {"X": rows(self.X, index), "y": self.y[chosen]}
        if self.weight is not None:
            batch["weight"] = self.weight[chosen]
        if self.missing:
            batch["known"] = ~torch.isnan(batch["y"])
        return batch


def _tensor(array):
    return array if isinstance(array, torch.Tensor) else torch.from_numpy(np.ascontiguousarray(array))


def rows(array, index):
    """Rows `index` of an array, tensor or feature store, as a tensor."""
    if hasattr(array, "rows"):
        return array.rows(index)
    if isinstance(array, torch.Tensor):
        return array[torch.as_tensor(index)]
    return torch.from_numpy(np.asarray(array[index]))


class SeededOrder(torch.utils.data.Sampler):
    """A new random order each epoch that depends on (seed, epoch) alone, so that a continued run repeats it."""

    def __init__(self, size, seed):
        self.size, self.seed, self.epoch = size, seed, 0

    def set_epoch(self, epoch):
        self.epoch = epoch

    def __len__(self):
        return self.size

    def __iter__(self):
        return iter(np.random.default_rng([self.seed, self.epoch]).permutation(self.size).tolist())


@dataclass
class FitResult:
    """What `fit` returns; the model itself holds the best weights.

    Attributes
    ----------
    history : DataFrame
        Columns epoch, step, part, metric, value.
    best : float
        Best value of `metric` on the validation part.
    best_epoch, best_step : number
    cost : dict
        As in cost.json.
    """

    history: pd.DataFrame
    metric: str
    best: float
    best_epoch: float
    best_step: int
    cost: dict


@dataclass
class Progress:
    """What a checkpoint keeps beside weights and optimizer: exact sums, history, the best so far, costs."""

    history: list = field(default_factory=list)
    best: float | None = None
    best_epoch: float = 0
    best_step: int = 0
    best_seconds: float = 0.0
    waiting: int = 0
    finished: bool = False
    meter: list | None = None
    cost: dict = field(default_factory=dict)


def fit(
    model,
    train,
    validation,
    *,
    settings,
    output=None,
    checkpoints=None,
    fingerprint=None,
    objective=None,
    stage="fit",
    also=None,
):
    """Train a model and leave it with the weights of its best evaluation.

    Parameters
    ----------
    model : SequenceModel or any Module with ``model(X)``
        Trained in place; returned in evaluation mode on the CPU.
    train : ArrayData
        Or any map-style dataset whose ``__getitems__`` gives a dict of tensors. With a true attribute ``ordered`` it
        is read in order; ``passes`` says how many epochs reading it once stands for.
    validation : ArrayData or dict of str to dataset
        A dict evaluates several parts; the one called "validation" decides what is best.
    settings : FitSettings
    output : path, optional
        Folder that receives history.tsv and cost.json.
    checkpoints : path, optional
        Folder for checkpoints, so that an interrupted run can continue.
    fingerprint : str or dict, optional
        Identity of data, parameters and code; checkpoints of another one are discarded.
    objective : Objective, optional
        By default the one for ``model.config.target``.
    stage : str
        Name of this stage in the cost log.
    also : callable, optional
        ``also(model)`` gives more numbers for the validation part, as a dict.

    Returns
    -------
    FitResult

    Raises
    ------
    InputError
        Empty parts, or a loss that stopped being a number.
    """
    parts = validation if isinstance(validation, dict) else {"validation": validation}
    for name, part in {"train": train, **parts}.items():
        if len(part) == 0:
            raise InputError(f"{name} part", "holds no examples", "change the split or add examples")
    objective = objective or OBJECTIVES[model.config.target]()
    device = pick_device(settings.device)
    precision = pick_precision(settings.precision, device)
    store = Checkpoints(checkpoints, fingerprint) if checkpoints else None
    resume = store.latest() if store else None
    progress = Progress(**json.loads((resume / "progress.json").read_text())) if resume else Progress()
    seed_everything(settings.seed)
    reuse_memory()
    cost = CostLog(
        stage,
        device=device,
        precision=precision,
        parameters=sum(p.numel() for p in model.parameters()),
        trainable_parameters=sum(p.numel() for p in model.parameters() if p.requires_grad),
        previous=progress.cost,
    )
    with cost:
        engine = Engine(model, objective, train, parts, settings, precision, store, progress, cost, also)
        best = load_file(resume / "best.safetensors") if resume and (resume / "best.safetensors").exists() else None
        engine.best_weights = best
        if progress.finished:
            say("training had already finished; its checkpoint is used")
        else:
            engine.run(resume)
        if engine.best_weights is not None:
            model.load_state_dict(engine.best_weights, strict=False)
        if device.type != "cpu":
            model.to("cpu")
        model.eval()
    cost.extra |= {"seconds_to_best": progress.best_seconds, "steps": engine.state.global_step or progress.best_step}
    history = write_history(progress.history, output)
    if output is not None:
        cost.write(output)
    best = float("nan") if progress.best is None else progress.best
    return FitResult(history, engine.metric, best, progress.best_epoch, progress.best_step, cost.totals())


def write_history(rows, folder=None):
    """Rows of (epoch, step, part, metric, value) as a table, written to history.tsv when a folder is given."""
    history = pd.DataFrame(rows, columns=["epoch", "step", "part", "metric", "value"])
    if folder is not None:
        with atomic_path(Path(folder) / "history.tsv") as path:
            history.to_csv(path, sep="\t", index=False)
    return history


class Engine(Trainer):
    """The Trainer with our evaluation, checkpoints and accounting (see `fit`)."""

    def __init__(self, model, objective, train, parts, settings, precision, store, progress, cost, also):
        self.objective, self.parts, self.settings, self.precision = objective, parts, settings, precision
        self.store, self.progress, self.cost, self.also = store, progress, cost, also
        self.metric = settings.metric or objective.metric
        if self.metric not in objective.metrics:
            raise InputError(
                "training.metric", f"'{self.metric}' is unknown here", f"use one of {', '.join(objective.metrics)}"
            )
        self.meter = Meter()
        if progress.meter:
            self.meter.load(progress.meter)
        self.best_weights = None
        self.last_save = time.monotonic()
        world = int(os.environ.get("WORLD_SIZE", 1))
        micro = settings.micro_batch or max(1, settings.batch_size // world)
        arguments = TrainingArguments(
            output_dir=str(store.folder) if store else tempfile.gettempdir(),
            per_device_train_batch_size=micro,
            gradient_accumulation_steps=max(1, settings.batch_size // (micro * world)),
            num_train_epochs=settings.epochs,
            max_steps=settings.max_steps or -1,
            learning_rate=settings.learning_rate,
            weight_decay=settings.weight_decay,
            adam_beta2=settings.beta2,
            max_grad_norm=settings.clip,
            optim="adamw_torch_fused",
            use_cpu=cost.device == "cpu",
            eval_strategy="steps" if settings.evaluate_every else "epoch",
            eval_steps=settings.evaluate_every,
            save_strategy="no",
            logging_strategy="no",
            logging_nan_inf_filter=False,
            report_to="none",
            disable_tqdm=True,
            remove_unused_columns=False,
            dataloader_pin_memory=cost.device != "cpu",
            skip_memory_metrics=True,
            seed=settings.seed,
        )
        callbacks = [_Heartbeat(self)]
        if settings.tensorboard:
            from torch.utils.tensorboard import SummaryWriter
            from transformers.integrations import TensorBoardCallback

            callbacks.append(TensorBoardCallback(SummaryWriter(str(settings.tensorboard))))
        if settings.compile:
            model.compile()
        super().__init__(
            model=model,
            args=arguments,
            train_dataset=train,
            eval_dataset=parts["validation"],
            data_collator=_as_is,
            callbacks=callbacks,
        )
        self.remove_callback(PrinterCallback)
        self.model_accepts_loss_kwargs = False

    def run(self, resume):
        """Train to the end, from a checkpoint when one is given."""
        self.train(resume_from_checkpoint=str(resume) if resume else None)
        self.progress.finished = True
        if self.store:
            self._save_checkpoint(self.model, None)

    # What the Trainer would do otherwise

    def _get_train_sampler(self, train_dataset=None):
        if getattr(self.train_dataset, "ordered", False):
            return torch.utils.data.SequentialSampler(self.train_dataset)
        return SeededOrder(len(self.train_dataset), self.settings.seed)

    def create_scheduler(self, num_training_steps, optimizer=None):
        self.lr_scheduler = LambdaLR(
            optimizer or self.optimizer, lambda step: self.settings.rate(step, num_training_steps)
        )
        self._created_lr_scheduler = True
        return self.lr_scheduler

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        first = next(iter(inputs.values()))
        self.cost.add(samples=first.shape[0], tokens=first.shape[0] * (first.shape[1] if first.ndim > 1 else 1))
        loss = self.objective(model, inputs, self.meter)
        if loss.device.type == "cpu" and not math.isfinite(loss.item()):
            self._stop_at(loss.item())
        return loss

    def autocast_smart_context_manager(self, cache_enabled=True):
        return autocast(self.args.device, self.precision)

    def floating_point_ops(self, inputs):
        """Not counted: the Trainer's estimate walks over all parameters in every step."""
        return 0

    # Evaluation

    def evaluate(self, eval_dataset=None, ignore_keys=None, metric_key_prefix="eval"):
        """Evaluate all parts, record them, and decide about best weights, stopping and saving."""
        state, progress = self.state, self.progress
        found = {"train": self.objective.compute(self.meter)} | {
            name: evaluate(self.model, part, self.objective, self.settings.batch_size, self.args.device, self.precision)
            for name, part in self.parts.items()
        }
        if self.also:
            with autocast(self.args.device, self.precision):
                found["validation"] |= self.also(self.model)
        self.meter = Meter()
        epoch = round(state.epoch * getattr(self.train_dataset, "passes", 1), 6)
        epoch = int(epoch) if epoch == int(epoch) else epoch
        for part, metrics in found.items():
            progress.history += [[epoch, state.global_step, part, name, value] for name, value in metrics.items()]
            if not math.isfinite(metrics["loss"]):
                self._stop_at(metrics["loss"])
        value = found["validation"][self.metric]
        larger = self.objective.metrics[self.metric]
        best = progress.best if progress.best is not None else (-math.inf if larger else math.inf)
        progress.waiting += 1
        if value > best if larger else value < best:
            progress.waiting = 0
            progress.best, progress.best_epoch, progress.best_step = value, epoch, state.global_step
            progress.best_seconds = self.cost.seconds
            self.best_weights = {k: v.detach().cpu().clone() for k, v in _own_state(self.model).items()}
        stop = self.settings.patience and progress.waiting >= self.settings.patience
        self.control.should_training_stop |= bool(stop)
        self.control.should_save = self.save_is_due()
        shown = {f"{part} {name}": value for part, metrics in found.items() for name, value in metrics.items()}
        self.callback_handler.on_evaluate(self.args, state, self.control, metrics=shown)
        if self.settings.tensorboard:
            self.log({f"eval_{k}".replace(" ", "_"): v for k, v in shown.items()})
        return {f"eval_{self.metric}": value}

    def _stop_at(self, loss):
        raise InputError(
            "training",
            f"the loss became {loss} at step {self.state.global_step + 1}",
            "lower learning_rate, set precision: fp32, or look for extreme values among the targets",
        )

    # Checkpoints

    def save_is_due(self):
        return bool(self.store) and time.monotonic() - self.last_save >= self.settings.checkpoint_seconds

    def _save_checkpoint(self, model, trial):
        """Write everything a continued run needs beside its place, then rename."""
        with self.store.writing(self.state.global_step, self.accelerator) as folder:
            if self.args.should_save:
                save_file(
                    {k: v.detach().cpu().clone() for k, v in _own_state(self.model).items()},
                    folder / "weights.safetensors",
                )
                if self.best_weights is not None:
                    save_file(self.best_weights, folder / "best.safetensors")
                if self.optimizer is not None:
                    self._save_optimizer_and_scheduler(str(folder))
                self.progress.meter = self.meter.state()
                self.progress.cost = self.cost.totals()
                self.state.save_to_json(str(folder / "trainer_state.json"))
                (folder / "progress.json").write_text(json.dumps(asdict(self.progress)))
            self._save_rng_state(str(folder))
        self.last_save = time.monotonic()

    def _load_from_checkpoint(self, resume_from_checkpoint, model=None):
        weights = load_file(Path(resume_from_checkpoint) / "weights.safetensors")
        (model or self.model).load_state_dict(weights, strict=False)


def _as_is(batch):
    """Collator for datasets that already give whole batches."""
    return batch


def _own_state(model):
    """State of a model without its frozen parameters, which training does not change."""
    frozen = {name for name, parameter in model.named_parameters(remove_duplicate=False) if not parameter.requires_grad}
    return {k: v for k, v in model.state_dict().items() if k not in frozen}


def autocast(device, precision):
    """Context in which a network computes in `precision`; its weights stay in float32."""
    return torch.autocast(torch.device(device).type, torch.bfloat16, enabled=precision == "bf16")


@torch.no_grad()
def evaluate(model, data, objective, batch_size=64, device="cpu", precision="fp32"):
    """Loss and metrics of a model over a whole dataset, without dropout.

    Returns
    -------
    dict of str to float
    """
    meter, training = Meter(), model.training
    model.eval()
    for start in range(0, len(data), batch_size):
        batch = data.__getitems__(np.arange(start, min(start + batch_size, len(data))))
        with autocast(device, precision):
            objective(model, {k: v.to(device) for k, v in batch.items()}, meter)
    model.train(training)
    return objective.compute(meter)


class _Heartbeat(TrainerCallback):
    """Progress bar on stderr, and checkpoints between evaluations when these are far apart."""

    def __init__(self, engine):
        self.engine, self.bar = engine, None

    def on_train_begin(self, args, state, control, **kwargs):
        if state.is_world_process_zero:
            self.bar = tqdm(
                total=state.max_steps,
                initial=state.global_step,
                unit="step",
                desc=self.engine.cost.stage,
                mininterval=0.5 if sys.stderr.isatty() else 10,
            )

    def on_step_end(self, args, state, control, **kwargs):
        if self.bar is not None:
            self.bar.update(state.global_step - self.bar.n)
        control.should_save |= self.engine.save_is_due()
        return control

    def on_evaluate(self, args, state, control, metrics=None, **kwargs):
        if self.bar is not None:
            self.bar.set_postfix_str(", ".join(f"{k} {v:.4f}" for k, v in metrics.items()), refresh=False)

    def on_train_end(self, args, state, control, **kwargs):
        if self.bar is not None:
            self.bar.close()
