"""One way to train every network. A run that was interrupted and continued ends bit-identical to one that was not."""

import json
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from safetensors.torch import load_file

from seqlm.common import processes
from seqlm.common.costs import CostLog
from seqlm.common.errors import InputError
from seqlm.common.files import atomic_path
from seqlm.common.runtime import pick_device, pick_precision, reuse_memory, seed_everything
from seqlm.training.checkpoints import Checkpoints, say
from seqlm.training.engine import Engine, Progress
from seqlm.training.memory import checkpointed
from seqlm.training.objectives import OBJECTIVES


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
        In the first process alone where there are several (see `seqlm.common.processes`): the others end here.

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
    processes.join(device)
    first = processes.rank() == 0
    store = Checkpoints(checkpoints, fingerprint) if checkpoints and first else None
    resume = processes.first_says(store.latest() if store else None)
    progress = Progress(**json.loads((resume / "progress.json").read_text())) if resume else Progress()
    if not first:
        progress.meter, progress.cost = None, {}  # the first process has counted these
    spent = store.noted() if store else {}
    seed_everything(settings.seed)
    reuse_memory()
    cost = CostLog(
        stage,
        device=device,
        precision=precision,
        parameters=sum(p.numel() for p in model.parameters()),
        trainable_parameters=sum(p.numel() for p in model.parameters() if p.requires_grad),
        previous=progress.cost | spent,
    )
    with cost:
        engine = Engine(model, objective, train, parts, settings, precision, store, progress, cost, also)
        best = load_file(resume / "best.safetensors") if resume and (resume / "best.safetensors").exists() else None
        engine.best_weights = best
        if progress.finished:
            say("training had already finished; its checkpoint is used")
        else:
            with checkpointed(model) if settings.gradient_checkpointing else nullcontext():
                engine.run(resume)
        engine.count_up()
        processes.leave()
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
