"""Training a head on a frozen language model: on cached features against running the core in every step, in one run.

DNA-LLM's size: 4 layers, 384 wide, windows of 300, batches of 64. Both runs are `seqlm.training.fit` with the same
head and precision; one reads features from the cache, the other runs the core.

    python benchmarks/head.py [--threads 2] [--context both_strands]
"""

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent / "workflow" / "scripts"))

BATCH, LENGTH = 64, 300


def time_fit(model, X, y, steps, precision):
    """Seconds of each step of `fit`, from one batch being asked for to the next."""
    from seqlm.training import ArrayData, FitSettings, fit

    asked = []

    class Timed(ArrayData):
        def __getitems__(self, index):
            asked.append(time.perf_counter())
            return super().__getitems__(index)

    settings = FitSettings(max_steps=steps, evaluate_every=steps, batch_size=BATCH, precision=precision, device="cpu")
    first = X[:8] if not hasattr(X, "subset") else X.subset(np.arange(8))
    fit(model, Timed(X, y), ArrayData(first, y[:8]), settings=settings)
    return np.diff(asked).tolist()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--context", choices=["forward", "both_strands"], default="forward")
    parser.add_argument("--steps", type=int, default=16)
    options = parser.parse_args()
    import torch

    from seqlm.common.runtime import pick_precision, set_threads
    from seqlm.models.language.backbone import BackboneModel
    from seqlm.models.language.backbone_config import BackboneConfig
    from seqlm.models.language.gpt import GPTConfig
    from seqlm.training.features import cached_features

    set_threads(options.threads)
    precision = pick_precision()
    model = BackboneModel(BackboneConfig(GPTConfig(4).to_dict(), context=options.context, complement=[3, 2, 1, 0]))
    rng = np.random.default_rng(0)
    X = torch.from_numpy(rng.integers(0, 4, (4 * BATCH, LENGTH)).astype(np.uint8))
    y = rng.normal(size=X.shape).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        store, cost = cached_features(model, X, folder, precision=precision)
        cached = statistics.median(time_fit(model, store, y, 3 * options.steps, precision)[3:])
    direct = statistics.median(time_fit(model, X, y, options.steps, precision)[3:])
    print(f"features once        {cost['samples_per_second']:8.0f} samples/s ({precision}, {options.context})")
    print(f"core in every step   {BATCH / direct:8.0f} samples/s  {direct * 1e3:8.0f} ms/step")
    print(f"cached features      {BATCH / cached:8.0f} samples/s  {cached * 1e3:8.0f} ms/step")
    print(f"ratio per epoch      {direct / cached:8.1f} (aim: 5 or more)")


if __name__ == "__main__":
    main()
