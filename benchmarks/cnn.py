"""Training speed of the CNN baseline: this project's step against a plain float32 ``nn.Conv1d`` loop, in one run.

python benchmarks/cnn.py [--threads 2]
"""

import argparse
import statistics
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent / "workflow" / "scripts"))

BATCH, LENGTH = 64, 300


def time_plain(codes, targets, steps):
    """Seconds of each step of a loop as one writes it: one-hot tensors, Conv1d, AdamW."""
    import torch
    from torch import nn

    class Plain(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv1d(4, 128, 11, padding="same")
            self.norm = nn.LayerNorm(128)
            self.conv_2 = nn.Conv1d(128, 128, 11, padding="same")
            self.drop, self.linear = nn.Dropout(0.2), nn.Linear(128, 1)

        def forward(self, x):
            x = nn.functional.gelu(self.conv(x))
            x = self.norm(x.transpose(1, 2)).transpose(1, 2)
            x = self.drop(nn.functional.gelu(self.conv_2(x)))
            return self.linear(x.transpose(1, 2)).squeeze(-1)

    model = Plain().train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=1e-4)
    onehot = torch.nn.functional.one_hot(torch.from_numpy(codes).long(), 4).float().transpose(1, 2)
    data = torch.utils.data.TensorDataset(onehot, torch.from_numpy(targets))
    seconds, start = [], time.perf_counter()
    while True:
        for x, y in torch.utils.data.DataLoader(data, BATCH, shuffle=True):
            optimizer.zero_grad()
            nn.functional.mse_loss(model(x), y).backward()
            optimizer.step()
            now = time.perf_counter()
            seconds.append(now - start)
            start = now
            if len(seconds) == steps:
                return seconds


def time_ours(codes, targets, steps, precision="auto"):
    """Seconds of each step of `fit`, from one batch being asked for to the next."""
    from seqlm.models.networks.cnn import CNN, CNNConfig
    from seqlm.training import ArrayData, FitSettings, fit

    asked = []

    class Timed(ArrayData):
        def __getitems__(self, index):
            asked.append(time.perf_counter())
            return super().__getitems__(index)

    settings = FitSettings(max_steps=steps, evaluate_every=steps, batch_size=BATCH, precision=precision, device="cpu")
    validation = ArrayData(codes[:BATCH], targets[:BATCH])
    fit(CNN(CNNConfig()), Timed(codes, targets), validation, settings=settings)
    return np.diff(asked).tolist()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=100)
    options = parser.parse_args()
    from seqlm.common.runtime import pick_precision, set_threads

    set_threads(options.threads)
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 4, (2048, LENGTH)).astype(np.uint8)
    targets = rng.normal(size=codes.shape).astype(np.float32)
    plain = statistics.median(time_plain(codes, targets, options.steps)[5:])
    print(f"plain loop, fp32   {plain * 1e3:8.1f} ms/step {BATCH / plain:8.0f} samples/s")
    for precision in dict.fromkeys(("fp32", pick_precision())):
        ours = statistics.median(time_ours(codes, targets, options.steps, precision)[5:])
        rate = f"{ours * 1e3:8.1f} ms/step {BATCH / ours:8.0f} samples/s"
        print(f"seqlm, {precision}        {rate}   ratio {plain / ours:.1f}")
    print("aim: a ratio of 2.5 or more")


if __name__ == "__main__":
    main()
