"""How far a training is: what its checkpoints keep of it, and its progress bar."""

import sys
from dataclasses import dataclass, field

from tqdm import tqdm
from transformers import TrainerCallback


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


class Heartbeat(TrainerCallback):
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
        self.engine.note_what_is_spent()
        control.should_save |= self.engine.save_is_due()
        return control

    def on_evaluate(self, args, state, control, metrics=None, **kwargs):
        if self.bar is not None:
            self.bar.set_postfix_str(", ".join(f"{k} {v:.4f}" for k, v in metrics.items()), refresh=False)

    def on_train_end(self, args, state, control, **kwargs):
        if self.bar is not None:
            self.bar.close()
