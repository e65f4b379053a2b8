"""The training engine on ``transformers.Trainer``.

What it adds to the Trainer: batches gathered in one go, evaluation as one number over a whole part, best weights kept,
a tidy history, a cost log, and checkpoints that survive a kill at any moment.

With several processes (`seqlm.common.processes`) each takes its share of the same batches, and gradients are averaged
by what the loss is a mean over: so the loss curve is that of one process but for rounding and for dropout, which each
process draws for itself. All go through the same steps: whether to evaluate, save or stop is agreed on.
"""

import json
import math
import signal
import sys
import tempfile
import time
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path

import torch
from accelerate.data_loader import prepare_data_loader
from safetensors.torch import load_file, save_file
from torch.nn.parallel import DistributedDataParallel
from torch.optim.lr_scheduler import LambdaLR
from transformers import Trainer, TrainingArguments
from transformers.trainer_callback import PrinterCallback

from seqlm.common import processes
from seqlm.common.errors import InputError
from seqlm.common.memory import free_memory, out_of_memory
from seqlm.training.checkpoints import say
from seqlm.training.data import SeededOrder, Shared, Shares
from seqlm.training.engine.measuring import autocast, measure
from seqlm.training.engine.progress import Heartbeat
from seqlm.training.interruption import Interruption
from seqlm.training.objectives import Meter


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
        self.interruption = Interruption()
        self.part = None  # examples of a batch that memory has room for
        self.last_save, self.asked = time.monotonic(), False
        self.last_note = time.monotonic()
        self.keeps = processes.first_says(bool(store))  # the first process alone has the store
        micro, size = settings.micro_batch or settings.batch_size, processes.size()
        pieces = -(-settings.batch_size // (micro * size))
        # Examples of one forward pass of all processes together, and how many of these make a batch.
        self.piece = -(-settings.batch_size // pieces)
        if size > 1:
            _refuse_batch_statistics(model)
        arguments = TrainingArguments(
            output_dir=str(store.folder) if store else tempfile.gettempdir(),
            per_device_train_batch_size=micro,
            gradient_accumulation_steps=-(-settings.batch_size // self.piece),
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
        callbacks = [Heartbeat(self)]
        if settings.tensorboard and processes.rank() == 0:
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
        self.loss_is_scaled_for_ga = True

    def run(self, resume):
        """Train to the end, from a checkpoint when one is given.

        SIGTERM writes a checkpoint after the step and ends the process with exit status 143.
        """
        if processes.rank():
            torch.manual_seed(hash((self.settings.seed, processes.rank())))  # dropout of its own
        with self.interruption.noticed() if self.keeps else nullcontext():
            self.train(resume_from_checkpoint=str(resume) if resume else None)
        self.progress.finished = True
        if self.keeps:
            self._save_checkpoint(self.model, None)

    # What the Trainer would do otherwise

    def _get_train_sampler(self, train_dataset=None):
        if getattr(self.train_dataset, "ordered", False):
            return torch.utils.data.SequentialSampler(self.train_dataset)
        return SeededOrder(len(self.train_dataset), self.settings.seed)

    def get_train_dataloader(self):
        size = processes.size()
        if size == 1:
            return super().get_train_dataloader()
        order = self._get_train_sampler()
        shares = Shares(order, self.settings.batch_size, self.piece, processes.rank(), size)
        loader = torch.utils.data.DataLoader(
            Shared(self.train_dataset),
            batch_sampler=shares,
            collate_fn=_as_is,
            pin_memory=self.args.dataloader_pin_memory,
        )
        return prepare_data_loader(loader, self.args.device, num_processes=1, process_index=0, put_on_device=True)

    def _wrap_model(self, model, training=True, dataloader=None):
        """With several processes, the loss is computed within what averages gradients: some objectives call layers."""
        if processes.size() == 1 or not training:
            return model
        gpu = [torch.cuda.current_device()] if self.args.device.type == "cuda" else None
        return DistributedDataParallel(_Loss(model, self.objective), device_ids=gpu, find_unused_parameters=True)

    def get_batch_samples(self, epoch_iterator, num_batches, device):
        """The pieces of a batch, and where there are several (or several processes) what its loss is a mean over."""
        pieces, _ = super().get_batch_samples(epoch_iterator, num_batches, device)
        if processes.size() == 1 and len(pieces) == 1:
            return pieces, None
        return pieces, processes.total(sum(self.objective.mass(piece) for piece in pieces).to(device))

    def create_scheduler(self, num_training_steps, optimizer=None):
        self.lr_scheduler = LambdaLR(
            optimizer or self.optimizer, lambda step: self.settings.rate(step, num_training_steps)
        )
        self._created_lr_scheduler = True
        return self.lr_scheduler

    def training_step(self, model, inputs, num_items_in_batch=None):
        """As the Trainer's, but where memory is short in parts, whose gradients add up to those of the batch."""
        if "idle" not in inputs:
            first = next(iter(inputs.values()))
            self.cost.add(samples=first.shape[0], tokens=first.shape[0] * (first.shape[1] if first.ndim > 1 else 1))
        if processes.size() > 1:
            return self._step_of_several(model, inputs, num_items_in_batch)
        # An attempt that fails half-way leaves gradients: those of batches before this one are kept apart.
        held = [(p, p.grad) for p in model.parameters() if p.grad is not None]
        for parameter, _ in held:
            parameter.grad = None
        loss = self._step_in_parts(super().training_step, model, inputs, num_items_in_batch)
        for parameter, gradient in held:
            parameter.grad = gradient if parameter.grad is None else parameter.grad.add_(gradient)
        return loss

    def _step_of_several(self, model, inputs, items):
        try:
            return super().training_step(model, inputs, items)
        except RuntimeError as error:
            if not out_of_memory(error):
                raise
            mend = "set training.micro_batch or gradient_checkpointing: true, or use more devices"
            problem = f"{len(next(iter(inputs.values())))} examples a process need more memory than there is"
            raise InputError("training", problem, mend) from None

    def _step_in_parts(self, step, model, inputs, items):
        n, sums = len(next(iter(inputs.values()))), self.meter.sums()
        while True:
            size, short = min(self.part or n, n), False
            try:
                if size == n:
                    return step(model, inputs, items)
                whole, total = self.objective.mass(inputs) if items is None else items, 0.0
                for start in range(0, n, size):
                    part = {key: value[start : start + size] for key, value in inputs.items()}
                    total = total + step(model, part, whole) if self.objective.mass(part) else total
                return total
            except RuntimeError as error:
                if not out_of_memory(error):
                    raise
                short = True
            if short and size == 1:
                mend = "set gradient_checkpointing: true, train less of the backbone, or use shorter sequences"
                raise InputError("training", "one example needs more memory than there is", mend)
            self.part = -(-size // 2)
            say(f"memory is short: {self.part} of {n} examples at a time")
            model.zero_grad(set_to_none=True)
            self.meter.put_back(sums)
            free_memory()

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        meter = None if "idle" in inputs else self.meter
        several = processes.size() > 1
        loss = model(inputs, meter) if several else self.objective(model, inputs, meter)
        if loss.device.type == "cpu" and not math.isfinite(loss.item()):
            self._stop_at(loss.item())
        if num_items_in_batch is not None:
            # The mean over a part becomes its share of the batch's; processes are averaged, where a sum is meant.
            share = self.objective.mass(inputs).to(loss.device) / num_items_in_batch.clamp(min=TINY)
            loss = loss * (share * processes.size()).to(loss.dtype)
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
        options = (self.objective, self.settings.batch_size, self.args.device, self.precision)
        turn = (processes.rank(), processes.size())
        seen = {name: measure(self.model, part, *options, turn=turn) for name, part in self.parts.items()}
        joined = self._joined({"train": self.meter} | seen)
        found = {name: self.objective.compute(meter) for name, meter in joined.items()}
        if self.also and processes.rank() == 0:
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
        if self.settings.tensorboard and processes.rank() == 0:
            self.log({f"eval_{k}".replace(" ", "_"): v for k, v in shown.items()})
        return {f"eval_{self.metric}": value}

    def _stop_at(self, loss):
        raise InputError(
            "training",
            f"the loss became {loss} at step {self.state.global_step + 1}",
            "lower learning_rate, set precision: fp32, or look for extreme values among the targets",
        )

    # Checkpoints

    def note_what_is_spent(self):
        """Every few seconds, for a run that is killed and goes on from a checkpoint that is older."""
        if self.store and time.monotonic() - self.last_note >= NOTE_SECONDS:
            self.store.note(self.cost.spent())
            self.last_note = time.monotonic()

    def save_is_due(self):
        """Whether all processes are to write a checkpoint now, as one of them finds."""
        due = self.keeps and time.monotonic() - self.last_save >= self.settings.checkpoint_seconds
        # The first one's clock counts.
        due, self.asked = processes.anyone(due and processes.rank() == 0, self.keeps and self.interruption.asked)
        return due or self.asked

    def _joined(self, meters):
        """The meters of all processes as one each (name -> meter); work is counted up beside."""
        shared = processes.gather([{name: meter.state() for name, meter in meters.items()}, self.cost.own()])
        self.cost.elsewhere = [cost for _, cost in shared[1:]] if processes.rank() == 0 else []
        if len(shared) == 1:
            return meters
        return {name: Meter.joined(states[name] for states, _ in shared) for name in meters}

    def count_up(self):
        """Let the first process know the work of all."""
        self._joined({})

    def _save_checkpoint(self, model, trial):
        """Write everything a continued run needs beside its place, then rename."""
        states = processes.gather(self._random_states() if processes.rank() else {})
        meter = self._joined({"train": self.meter})["train"]
        if processes.rank() == 0:
            with self.store.writing(self.state.global_step) as folder:
                self._write_checkpoint(folder, meter, states)
            self.store.note(self.cost.spent())
        self.last_save = time.monotonic()
        processes.gather(None)  # a process that ends before the first has written would end it, too
        if self.asked and not self.progress.finished:
            if processes.rank() == 0:
                say(f"asked to end (SIGTERM) after step {self.state.global_step}: run it again to go on from there")
            sys.exit(128 + signal.SIGTERM)

    def _write_checkpoint(self, folder, meter, states):
        weights = {k: v.detach().cpu().clone() for k, v in _own_state(self.model).items()}
        save_file(weights, folder / "weights.safetensors")
        if self.best_weights is not None:
            save_file(self.best_weights, folder / "best.safetensors")
        if self.optimizer is not None:
            self._save_optimizer_and_scheduler(str(folder))
        self.progress.meter = meter.state()
        self.progress.cost = self.cost.totals()
        self.state.save_to_json(str(folder / "trainer_state.json"))
        (folder / "progress.json").write_text(json.dumps(asdict(self.progress)))
        self._save_rng_state(str(folder))
        for name, content in (item for state in states for item in state.items()):
            (folder / name).write_bytes(content)

    def _random_states(self):
        """The state of this process's random numbers, as files: name -> content. The first process writes them."""
        try:
            with tempfile.TemporaryDirectory() as folder:
                self._save_rng_state(folder)
                return {file.name: file.read_bytes() for file in Path(folder).iterdir()}
        except (OSError, RuntimeError) as error:
            say(f"random numbers not saved ({error}); a continued training draws others")
            return {}

    def _load_from_checkpoint(self, resume_from_checkpoint, model=None):
        weights = load_file(Path(resume_from_checkpoint) / "weights.safetensors")
        (model or self.model).load_state_dict(weights, strict=False)


NOTE_SECONDS = 5.0
TINY = torch.finfo(torch.float32).tiny


class _Loss(torch.nn.Module):
    """An objective as a module, whose gradients are averaged over processes."""

    def __init__(self, model, objective):
        super().__init__()
        self.model, self.objective = model, objective

    def forward(self, batch, meter):
        return self.objective(self.model, batch, meter)


def _refuse_batch_statistics(model):
    if any(isinstance(module, torch.nn.modules.batchnorm._BatchNorm) for module in model.modules()):
        problem = "it normalises by its batches' statistics, which a process sees but a part of"
        raise InputError("devices", problem, "set devices: 1 for this model")


def _as_is(batch):
    """Collator for datasets that already give whole batches."""
    return batch


def _own_state(model):
    """State of a model without its frozen parameters, which training does not change."""
    frozen = {name for name, parameter in model.named_parameters(remove_duplicate=False) if not parameter.requires_grad}
    return {k: v for k, v in model.state_dict().items() if k not in frozen}
