"""Loss and metrics of a model over a whole dataset."""

import numpy as np
import torch

from seqlm.common.memory import in_parts
from seqlm.training.objectives import Meter


def autocast(device, precision):
    """Context in which a network computes in `precision`; its weights stay in float32."""
    return torch.autocast(torch.device(device).type, torch.bfloat16, enabled=precision == "bf16")


def evaluate(model, data, objective, batch_size=64, device="cpu", precision="fp32"):
    """Loss and metrics of a model over a whole dataset, without dropout.

    Returns
    -------
    dict of str to float
    """
    return objective.compute(measure(model, data, objective, batch_size, device, precision))


@torch.no_grad()
def measure(model, data, objective, batch_size=64, device="cpu", precision="fp32", turn=(0, 1)):
    """The sums behind `evaluate`, over every nth batch from the kth on where `turn` is (k, n).

    Returns
    -------
    Meter
    """
    meter, training = Meter(), model.training
    model.eval()
    for start in range(turn[0] * batch_size, len(data), turn[1] * batch_size):
        batch = data.__getitems__(np.arange(start, min(start + batch_size, len(data))))

        def run(first, end, batch=batch):
            with autocast(device, precision):
                objective(model, {k: v[first:end].to(device) for k, v in batch.items()}, meter)

        in_parts(run, len(next(iter(batch.values()))))
    model.train(training)
    return meter
