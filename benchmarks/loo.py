"""Leave-one-out: the exact fast path of each network against edited copies through the whole network, in one run.

python benchmarks/loo.py [--networks cnn gpt saluki ...] [--edits mask remove replace] [--threads 2] [--device cpu]

Every position is scored, in float32. The reference convolves by PyTorch, channels last in memory, and runs at the batch
size that is fastest for it; both sides take the best of several rounds, in turn. The last column is the largest
difference as a part of the largest score.
"""

import argparse
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent / "workflow" / "scripts"))

AIMS = {
    "cnn": 25,
    "cnn-positions": 10,
    "dilated": 3,
    "dilated-1000": 8,
    "gpt": 1.7,
    "gpt-both-strands": 1.7,
    "saluki": 30,
}


def build(network, rng):
    """A network with random weights, and sequences of the size people use it for."""
    import torch

    torch.manual_seed(0)
    if network == "cnn":
        from seqlm.models.networks.cnn import CNN, CNNConfig

        return CNN(CNNConfig()), _bases(rng, 300, 8)
    if network == "cnn-positions":
        from seqlm.models.networks.cnn import CNN, CNNConfig

        options = {"pooling": "positions", "length": 300, "target": "class", "n_outputs": 2}
        return CNN(CNNConfig(**options)), _bases(rng, 300, 8)
    if network.startswith("dilated"):
        from seqlm.models.networks.dilated import Dilated, DilatedConfig

        return Dilated(DilatedConfig()), _bases(rng, 1000 if network.endswith("1000") else 300, 4)
    if network == "saluki":
        from seqlm.models.networks.saluki import Saluki, SalukiConfig

        layout = {"encoding": "mrna", "separator": " "}
        return Saluki(SalukiConfig(layout=layout)), [" ".join(rng.choice(list("acgtACGT"), 3000))]
    from seqlm.models.language.backbone import BackboneModel
    from seqlm.models.language.gpt import GPTConfig, GPTModel
    from seqlm.tokenization import learn_tokenizer

    context = "both_strands" if network == "gpt-both-strands" else "forward"
    tokenizer = learn_tokenizer("character", alphabet="ACGT")
    return BackboneModel.on(GPTModel(GPTConfig(vocab_size=4)), tokenizer, context=context), _bases(rng, 300, 1)


def _bases(rng, length, count):
    return ["".join(rng.choice(list("ACGT"), length)) for _ in range(count)]


def compare(model, sequences, edit, sizes, rounds, device):
    """Best seconds per sequence of both ways, the reference's batch size, and how far the scores differ."""
    from seqlm import leave_one_out

    options = {"edit": edit, "device": device}
    if hasattr(model, "layout") and edit == "replace":
        options["replacements"] = list("acgt")

    def reference(size):
        with plain_convolutions():
            return leave_one_out(model, sequences[:1], method="reference", batch_size=size, **options)

    leave_one_out(model, sequences, **options)
    trials = {size: _seconds(lambda size=size: reference(size))[0] for size in sizes}
    size = min(trials, key=trials.get)
    slow, fast = [trials[size]], []
    for _ in range(rounds):
        seconds, quick = _seconds(lambda: leave_one_out(model, sequences, **options))
        fast.append(seconds / len(sequences))
        seconds, exact = _seconds(lambda: reference(size))
        slow.append(seconds)
    difference = np.nanmax(np.abs(quick.scores[:1] - exact.scores)) / np.nanmax(np.abs(exact.scores))
    return min(slow), min(fast), size, difference


@contextmanager
def plain_convolutions():
    """PyTorch's convolutions in place of `seqlm.models.fourier`, as edited copies have them without this library."""
    from seqlm.models import fourier

    worth, fourier.WORTH = fourier.WORTH, float("inf")
    try:
        yield
    finally:
        fourier.WORTH = worth


def _seconds(call):
    start = time.perf_counter()
    result = call()
    return time.perf_counter() - start, result


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--networks", nargs="+", default=list(AIMS), choices=list(AIMS))
    parser.add_argument("--edits", nargs="+", default=["mask", "remove", "replace"])
    parser.add_argument(
        "--sizes", nargs="+", type=int, default=[8, 16, 32, 64, 128], help="batch sizes of the reference"
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    from seqlm.common.runtime import set_threads

    set_threads(options.threads)
    print(
        f"{'network':18s}{'edit':10s}{'reference':>12s}{'batch':>7s}{'fast':>12s}{'ratio':>8s}{'aim':>7s}{'difference':>12s}"
    )
    for network in options.networks:
        model, sequences = build(network, np.random.default_rng(0))
        for edit in options.edits:
            slow, fast, size, difference = compare(
                model.eval(), sequences, edit, options.sizes, options.rounds, options.device
            )
            line = f"{network:18s}{edit:10s}{slow * 1e3:9.1f} ms{size:7d}{fast * 1e3:9.1f} ms{slow / fast:8.1f}"
            print(line + f"{AIMS[network]:7.1f}{difference:12.1e}", flush=True)


if __name__ == "__main__":
    main()
