"""The training engine on ``transformers.Trainer``.

What it adds to the Trainer: batches gathered in one go, evaluation as one number over a whole part, best weights kept,
a tidy history, a cost log, and checkpoints that survive a kill at any moment.
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
import torch
from safetensors.torch import load_file, save_file
from torch.optim.lr_scheduler import LambdaLR
from tqdm import tqdm
from transformers import Trainer, TrainerCallback, TrainingArguments
from transformers.trainer_callback import PrinterCallback

from seqlm.common.errors import InputError
from seqlm.common.memory import free_memory, in_parts, out_of_memory
from seqlm.training.checkpoints import say
from seqlm.training.data import SeededOrder
from seqlm.training.objectives import Meter


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
        self.part, self.share = None, None  # examples of a batch that memory has room for, and their share of its loss
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

    def training_step(self, model, inputs, num_items_in_batch=None):
        """As the Trainer's, but where memory is short in parts, whose gradients add up to those of the batch."""
        first = next(iter(inputs.values()))
        self.cost.add(samples=first.shape[0], tokens=first.shape[0] * (first.shape[1] if first.ndim > 1 else 1))
        # An attempt that fails half-way leaves gradients: those of batches before this one are kept apart.
        held = [(p, p.grad) for p in model.parameters() if p.grad is not None]
        for parameter, _ in held:
            parameter.grad = None
        loss = self._step_in_parts(super().training_step, model, inputs, num_items_in_batch)
        for parameter, gradient in held:
            parameter.grad = gradient if parameter.grad is None else parameter.grad.add_(gradient)
        return loss

    def _step_in_parts(self, step, model, inputs, items):
        n, sums = len(next(iter(inputs.values()))), self.meter.sums()
        while True:
            size, short = min(self.part or n, n), False
            try:
                if size == n:
                    return step(model, inputs, items)
                whole, total = self.objective.mass(inputs), 0.0
                for start in range(0, n, size):
                    part = {key: value[start : start + size] for key, value in inputs.items()}
                    self.share = float(self.objective.mass(part) / whole)
                    total = total + step(model, part, items) if self.share else total
                return total
            except RuntimeError as error:
                if not out_of_memory(error) or int(os.environ.get("WORLD_SIZE", 1)) > 1:
                    raise
                short = True
            finally:
                self.share = None
            if short and size == 1:
                mend = "set gradient_checkpointing: true, train less of the backbone, or use shorter sequences"
                raise InputError("training", "one example needs more memory than there is", mend)
            self.part = -(-size // 2)
            say(f"memory is short: {self.part} of {n} examples at a time")
            model.zero_grad(set_to_none=True)
            self.meter.put_back(sums)
            free_memory()

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        loss = self.objective(model, inputs, self.meter)
        if self.share is not None:
            loss = loss * self.share
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

        def run(first, end, batch=batch):
            with autocast(device, precision):
                objective(model, {k: v[first:end].to(device) for k, v in batch.items()}, meter)

        in_parts(run, len(next(iter(batch.values()))))
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
