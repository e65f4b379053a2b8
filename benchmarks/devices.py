"""Pretraining in two processes of one thread against one process of two threads, in turns.

A GPT of size small on random bases, by the launcher that jobs have; tokens a second from cost.json.

    python benchmarks/devices.py [--processes 2] [--steps 60] [--rounds 2]
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

LIBRARY = Path(__file__).parent.parent / "workflow" / "scripts"
sys.path.insert(0, str(LIBRARY))

JOB = """
import sys
from types import SimpleNamespace
sys.path.insert(0, {library!r})
from seqlm.common.runtime import network_job
with network_job(SimpleNamespace(torch_threads={threads}, gpu=0, devices={devices})) as device:
    from seqlm.pretraining.pretrain import pretrain
    backbone = {{"size": "small", "steps": {steps}, "evaluate_every": {steps}, "evaluate_batches": 1}}
    pretrain({corpus!r}, {tokenizer!r}, backbone, {output!r}, device=device)
"""


def prepare(folder, bases=1_000_000):
    """A corpus of random bases and its tokenizer: two folders."""
    from seqlm.pretraining.corpus import tokenize_corpus
    from seqlm.tokenization import learn_tokenizer, save_tokenizer

    text, corpus, tokenizer = folder / "text.fa", folder / "corpus", folder / "tokenizer"
    letters = np.random.default_rng(0).choice(np.frombuffer(b"ACGT", "u1"), bases).tobytes()
    text.write_bytes(b">random\n" + b"\n".join(letters[i : i + 60] for i in range(0, bases, 60)) + b"\n")
    save_tokenizer(learn_tokenizer("character", alphabet="ACGT"), tokenizer)
    tokenize_corpus([text], tokenizer, corpus, validation=0.1)
    return str(corpus), str(tokenizer)


def speed(folder, corpus, tokenizer, devices, threads, steps):
    """Tokens a second of one training."""
    output = folder / f"{devices}x{threads}"
    output.mkdir(exist_ok=True)
    script = folder / "job.py"
    script.write_text(
        JOB.format(
            library=str(LIBRARY),
            threads=threads,
            devices=devices,
            steps=steps,
            corpus=corpus,
            tokenizer=tokenizer,
            output=str(output),
        )  # fmt: skip
    )
    subprocess.run([sys.executable, str(script)], check=True, stderr=subprocess.DEVNULL)
    cost = json.loads((output / "cost.json").read_text())
    return cost["tokens_per_second"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    several, one = (options.processes, 1), (1, options.processes)
    found = {several: [], one: []}
    with tempfile.TemporaryDirectory() as folder:
        places = prepare(Path(folder))
        for _ in range(options.rounds):
            for devices, threads in found:
                found[devices, threads].append(speed(Path(folder), *places, devices, threads, options.steps))
    for (devices, threads), speeds in found.items():
        shown = " ".join(f"{value:,.0f}" for value in speeds)
        print(f"processes {devices}, threads of each {threads}   tokens/s {shown}")
    print(f"ratio                              {statistics.median(found[several]) / statistics.median(found[one]):.2f}")


if __name__ == "__main__":
    main()
