"""Pretraining speed at DNA-LLM's exact size: this project's training step against a plain one, in one run.

The plain loop is what DNA-LLM does: float32, attention written out by hand and computed twice in every block.
Ours is `seqlm.training.fit`, the Trainer and everything around it included. Both train 4 layers, 4 heads, 384 wide,
blocks of 300, batches of 64, dropout 0.2.

    python benchmarks/pretrain.py [--threads 2] [--vocabulary 40]
"""

import argparse
import math
import statistics
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent / "workflow" / "scripts"))

BATCH, BLOCK, LAYERS, HEADS, WIDTH, DROPOUT = 64, 300, 4, 4, 384, 0.2


def plain_model(vocabulary):
    """DNA-LLM's network as its documents describe it."""
    import torch
    import torch.nn.functional as F
    from torch import nn

    class Attention(nn.Module):
        def __init__(self):
            super().__init__()
            self.qkv, self.out = nn.Linear(WIDTH, 3 * WIDTH, bias=False), nn.Linear(WIDTH, WIDTH, bias=False)
            self.drop, self.drop_out = nn.Dropout(DROPOUT), nn.Dropout(DROPOUT)
            self.register_buffer("mask", torch.tril(torch.ones(BLOCK, BLOCK)).view(1, 1, BLOCK, BLOCK))

        def forward(self, x):
            N, T, E = x.shape
            q, k, v = (y.view(N, T, HEADS, E // HEADS).transpose(1, 2) for y in self.qkv(x).split(E, dim=2))
            weights = (q @ k.transpose(-2, -1)) / math.sqrt(E // HEADS)
            weights = weights.masked_fill(self.mask[:, :, :T, :T] == 0, float("-inf"))
            weights = self.drop(F.softmax(weights, dim=-1))
            return self.drop_out(self.out((weights @ v).transpose(1, 2).contiguous().view(N, T, E)))

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm_1, self.norm_2 = nn.LayerNorm(WIDTH, bias=False), nn.LayerNorm(WIDTH, bias=False)
            self.attention = Attention()
            self.mlp = nn.Sequential(
                nn.Linear(WIDTH, 4 * WIDTH, bias=False), nn.GELU(), nn.Linear(4 * WIDTH, WIDTH, bias=False),
                nn.Dropout(DROPOUT),
            )  # fmt: skip

        def forward(self, x):
            self.attention(self.norm_1(x))  # computed, and computed again
            x = x + self.attention(self.norm_1(x))
            return x + self.mlp(self.norm_2(x))

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.wte, self.wpe = nn.Embedding(vocabulary, WIDTH), nn.Embedding(BLOCK, WIDTH)
            self.drop, self.norm = nn.Dropout(DROPOUT), nn.LayerNorm(WIDTH, bias=False)
            self.blocks = nn.ModuleList(Block() for _ in range(LAYERS))

        def forward(self, ids, targets):
            x = self.drop(self.wte(ids) + self.wpe(torch.arange(ids.shape[1])))
            for block in self.blocks:
                x = block(x)
            logits = self.norm(x) @ self.wte.weight.T
            return F.cross_entropy(logits.view(-1, vocabulary), targets.view(-1))

    return Model()


def time_plain(tokens, vocabulary, steps):
    """Seconds of each step of the plain loop."""
    import torch

    model = plain_model(vocabulary).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.1)
    rng, seconds = np.random.default_rng(0), []
    for _ in range(steps):
        start = time.perf_counter()
        places = rng.integers(0, len(tokens) - BLOCK - 1, BATCH)
        x = torch.stack([torch.from_numpy(tokens[i : i + BLOCK].astype(np.int64)) for i in places])
        y = torch.stack([torch.from_numpy(tokens[i + 1 : i + 1 + BLOCK].astype(np.int64)) for i in places])
        loss = model(x, y)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        seconds.append(time.perf_counter() - start)
    return seconds


def time_ours(tokens, vocabulary, steps, precision="auto", **settings):
    """Seconds of each step of `fit`, from one batch being asked for to the next."""
    from seqlm.models.language.gpt import GPTConfig, GPTForCausalLM
    from seqlm.pretraining.pretrain import Blocks
    from seqlm.training import FitSettings, fit
    from seqlm.training.objectives import TokenObjective

    asked = []

    class Timed(Blocks):
        def __getitems__(self, index):
            asked.append(time.perf_counter())
            return super().__getitems__(index)

    model = GPTForCausalLM(GPTConfig(vocabulary, BLOCK, LAYERS, HEADS, WIDTH, DROPOUT))
    options = FitSettings(
        max_steps=steps, batch_size=BATCH, learning_rate=1e-3, final_learning_rate=1e-4, schedule="cosine",
        weight_decay=0.1, evaluate_every=steps, patience=0, precision=precision, device="cpu", **settings,
    )  # fmt: skip
    fit(model, Timed(tokens, BLOCK, steps * BATCH, 0), Blocks(tokens, BLOCK, 1, 1), settings=options,
        objective=TokenObjective())  # fmt: skip
    return np.diff(asked[:: len(asked) // steps]).tolist()


def matrix_peak(dtype, size=2048, seconds=2.0):
    """Best floating point operations per second of a matrix product."""
    import torch

    a, b = (torch.randn(size, size).to(dtype) for _ in range(2))
    best, end = math.inf, time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        a @ b
        best = min(best, time.perf_counter() - start)
    return 2 * size**3 / best


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--vocabulary", type=int, default=40)
    parser.add_argument("--steps", type=int, default=12, help="steps of ours; the plain loop does a quarter of it")
    parser.add_argument("--micro", type=int, help="micro-batch; by default the whole batch")
    parser.add_argument("--skip-plain", action="store_true", help="ours alone, while working on it")
    options = parser.parse_args()
    import torch

    from seqlm.common.runtime import pick_precision, set_threads

    set_threads(options.threads)
    tokens = np.random.default_rng(0).integers(0, options.vocabulary, 2_000_000).astype(np.uint8)
    precision = pick_precision()
    peak = matrix_peak(torch.bfloat16 if precision == "bf16" else torch.float32)
    # The plain loop goes first: ours tells the C library to keep freed memory, which would speed it up too.
    if not options.skip_plain:
        seconds = time_plain(tokens, options.vocabulary, max(options.steps // 4, 2))[1:]
        plain = BATCH * BLOCK / statistics.median(seconds)
    seconds = time_ours(tokens, options.vocabulary, options.steps, micro_batch=options.micro)[2:]
    ours = BATCH * BLOCK / statistics.median(seconds)
    # Forward and backward: 6 operations per weight of a matrix, and the causal half of attention's two products.
    per_token = 6 * (LAYERS * 12 * WIDTH**2 + options.vocabulary * WIDTH) + 6 * LAYERS * BLOCK * WIDTH
    print(f"matrix product peak ({precision})   {peak / 1e9:10.0f} Gflop/s")
    print(f"seqlm, {precision}                  {ours:10.0f} tokens/s  ({ours * per_token / peak:.0%} of the peak)")
    if not options.skip_plain:
        print(f"plain loop, fp32              {plain:10.0f} tokens/s")
        print(f"ratio                         {ours / plain:10.1f} (aim: 7 or more)")


if __name__ == "__main__":
    main()
