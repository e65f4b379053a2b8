"""Inference: `seqlm.predict` against tangermeme's on one model and data, and a large file from gz FASTA to parquet.

python benchmarks/predict.py [--sequences 1000000] [--threads 2] [--device cpu]

The file part writes its input to a temporary folder, runs in a process of its own and reports the peak of its resident
memory. tangermeme is needed for the first part only.
"""

import argparse
import copy
import gzip
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

SCRIPTS = Path(__file__).parent.parent / "workflow" / "scripts"
sys.path.insert(0, str(SCRIPTS))

LENGTH = 300


def compare(count, rounds, device):
    """Seconds per call of both, each at its own best batch size, in turn."""
    import torch
    from tangermeme.predict import predict as theirs

    from seqlm import predict as ours
    from seqlm.models.networks.cnn import CNN, CNNConfig

    torch.manual_seed(0)
    model = CNN(CNNConfig()).eval()
    plain = in_torch_layers(model)
    codes = torch.randint(4, (count, LENGTH))
    X = torch.nn.functional.one_hot(codes, 4).transpose(1, 2).to(torch.int8)
    calls = {
        "tangermeme, batch 32": lambda: theirs(plain, X, batch_size=32, device=device),
        "tangermeme, batch 128": lambda: theirs(plain, X, batch_size=128, device=device),
        "seqlm, batch 32": lambda: ours(model, X, batch_size=32, device=device),
        "seqlm, batch chosen": lambda: ours(model, X, device=device),
        "seqlm, base codes": lambda: ours(model, codes.to(torch.uint8), device=device),
    }
    expected = calls["tangermeme, batch 32"]()
    best = dict.fromkeys(calls, float("inf"))
    for _ in range(rounds):
        for name, call in calls.items():
            start = time.perf_counter()
            y = call()
            best[name] = min(best[name], time.perf_counter() - start)
            torch.testing.assert_close(y, expected, atol=1e-4, rtol=0)
    base = min(seconds for name, seconds in best.items() if name.startswith("tangermeme"))
    for name, seconds in best.items():
        print(f"{name:24s}{count / seconds:10.0f} sequences/s   ratio {base / seconds:.2f}")


def in_torch_layers(model):
    """The same network with PyTorch's own convolutions, as users of another library would write it."""
    import torch

    model = copy.deepcopy(model)
    for module in model.modules():
        if isinstance(module, torch.nn.Conv1d):
            module.__class__ = torch.nn.Conv1d
    return model


def write_fasta(path, count):
    """Random sequences, as fast as gzip takes them."""
    rng = np.random.default_rng(0)
    letters = np.frombuffer(b"ACGT", np.uint8)
    with gzip.open(path, "wb", compresslevel=1) as handle:
        for start in range(0, count, 10_000):
            rows = letters[rng.integers(0, 4, (min(10_000, count - start), LENGTH))]
            handle.write(b"".join(b">s%d\n%s\n" % (start + i, row.tobytes()) for i, row in enumerate(rows)))


def run_file(folder, threads, device):
    """What the child process does: load, predict, write; print seconds and memory."""
    from seqlm.common.runtime import set_threads
    from seqlm.streaming.files import predict_file

    set_threads(threads)
    start = time.perf_counter()
    predict_file([folder / "bundle"], folder / "in.fa.gz", folder / "out.parquet", device=device)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{seconds:.1f} {peak:.2f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sequences", type=int, default=1_000_000, help="in the file")
    parser.add_argument("--count", type=int, default=2048, help="sequences for the comparison")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        run_file(options.child, options.threads, options.device)
        return
    from seqlm.common.runtime import set_threads

    set_threads(options.threads)
    if options.count:
        compare(options.count, options.rounds, options.device)
    if options.sequences:
        from seqlm.models.bundle import save_bundle
        from seqlm.models.networks.cnn import CNN, CNNConfig

        with tempfile.TemporaryDirectory() as folder:
            folder = Path(folder)
            save_bundle(CNN(CNNConfig(filters=16, hidden=16)), folder / "bundle")
            write_fasta(folder / "in.fa.gz", options.sequences)
            command = [sys.executable, __file__, "--child", folder, "--threads", str(options.threads)]
            done = subprocess.run([*map(str, command), "--device", options.device], stdout=subprocess.PIPE, check=True)
            seconds, peak = map(float, done.stdout.split()[-2:])
            rate = options.sequences / seconds
            print(f"{options.sequences} x {LENGTH} bp, gz FASTA to parquet: {rate:.0f}/s, peak {peak:.2f} GiB")


if __name__ == "__main__":
    main()
