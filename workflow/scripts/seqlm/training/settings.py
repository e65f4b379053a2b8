"""How to train."""

import math
from dataclasses import dataclass

from seqlm.common.errors import InputError


@dataclass
class FitSettings:
    """How to train. Defaults are DNA-LLM's fine-tuning; for those of a study see `seqlm.training.defaults`.

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
        What "best" means; by default R for values, the loss for classes and tokens.
    evaluate_every : int, optional
        Steps between evaluations; by default once per epoch.
    seed : int
    precision : {"auto", "fp32", "bf16"}
    device : {"auto", "cpu", "cuda"}
    checkpoint_seconds : float
        Save a checkpoint when the last is older than this; changes no result.
    tensorboard : path, optional
        Write TensorBoard logs there.
    gradient_checkpointing : bool
        Compute activations of a language model's layers again in the backward pass instead of keeping them.
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
    gradient_checkpointing: bool = False
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
