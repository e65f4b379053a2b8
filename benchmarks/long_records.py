"""Peak memory of predicting a track of one long record, such as a chromosome arm, from FASTA to parquet or bigWig.

python benchmarks/long_records.py [--bases 25000000] [--records 1] [--threads 1] [--suffix parquet]
                                   [--filters 128]

The network is a freshly initialised CNN of the usual size. It runs in a process of its own, whose resident memory is
measured; --whole reads the record as a whole, as a network does whose reach is not known.
"""

import argparse
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent / "workflow" / "scripts"))


def run(folder, options):
    """What the child process does: load, predict, write; print seconds and memory before and at its peak."""
    from seqlm.common.runtime import set_threads
    from seqlm.models.networks.cnn import CNN
    from seqlm.streaming.files import predict_file

    set_threads(options.threads)
    if options.whole:
        CNN.reach = None
    import seqlm.streaming.predicting  # noqa: F401 (its imports count before, not after)

    before = peak()
    start, genome = time.perf_counter(), folder / "arm.fa"
    output = folder / f"out.{options.suffix}"
    predict_file([folder / "bundle"], folder / "arm.bed", output, genome=genome, device="cpu")
    print(f"{time.perf_counter() - start:.1f} {before:.3f} {peak():.3f}")


def peak():
    """GB of resident memory so far; getrusage would count the parent's memory too."""
    return int(re.search(r"VmHWM:\s*(\d+)", Path("/proc/self/status").read_text())[1]) * 1024 / 1e9


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--bases", type=int, default=25_000_000)
    parser.add_argument("--records", type=int, default=1, help="as long each; memory does not grow with their number")
    parser.add_argument("--filters", type=int, default=128)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--suffix", default="parquet", help="of the output")
    parser.add_argument("--whole", action="store_true")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        run(options.child, options)
        return
    from seqlm.models.bundle import save_bundle
    from seqlm.models.networks.cnn import CNN, CNNConfig

    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        save_bundle(CNN(CNNConfig(filters=options.filters, hidden=options.filters)), folder / "bundle")
        letters = np.frombuffer(b"ACGT", np.uint8)[np.random.default_rng(0).integers(0, 4, options.bases)]
        lines = [letters[i : i + 60].tobytes() for i in range(0, options.bases, 60)]
        with open(folder / "arm.fa", "wb") as fasta, open(folder / "arm.bed", "w") as bed:
            for number in range(options.records):
                fasta.write(f">arm{number}\n".encode() + b"\n".join(lines) + b"\n")
                bed.write(f"arm{number}\t0\t{options.bases}\n")
        command = [sys.executable, __file__, "--child", str(folder), *sys.argv[1:]]
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    seconds, before, most = map(float, done.stdout.split()[-3:])
    what = f"{options.records} x {options.bases} bases in {seconds:.0f} s"
    print(f"{what}: {before:.2f} GB after imports, at most {most:.2f} GB")


if __name__ == "__main__":
    main()
