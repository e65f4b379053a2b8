"""Does a study survive SIGKILL? Jobs of one small study, and Snakemake itself, killed at random moments.

A first run is left alone. Then each of pretraining, fitting, prediction and leave-one-out is done again, and again
killed at a random moment of its life; Snakemake tries it again, and it goes on from its checkpoint. Last, Snakemake is
killed while it runs the whole study, which is unlocked and run again. Every file of weights and tables has to have the
bytes of the run that was left alone.

    python benchmarks/kills.py --kills 20 --snakemake 5
"""

import argparse
import gzip
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import yaml

ROOT = Path(__file__).parent.parent
DATASET, MODELS = "signal", ("gpt", "cnn")
# The stages: what Snakemake is asked for, of which all files are compared.
STAGES = {
    "pretraining": ["backbones/gpt"],
    "fitting": [f"models/{DATASET}/{model}/fold0/seed1" for model in MODELS],
    "prediction": [f"predictions/{DATASET}/{model}/fold0/seed1.parquet" for model in MODELS],
    "leave-one-out": [f"attributions/{DATASET}/{model}.npz" for model in MODELS],
}
COMPARED = (
    "*.safetensors", "*.parquet", "*.npz", "history.tsv", "bits_per_base.json", "*metrics.tsv", "comparisons.tsv",
    "intervals.tsv", "language.tsv", "loo.tsv",
)  # fmt: skip


def study(folder, seconds):
    """A study of made-up sequences, whose trainings take about so many seconds and write checkpoints all the time."""
    drawn = random.Random(0)
    sequences = ["".join(drawn.choices("ACGT", k=60)) for _ in range(400)]
    (folder / "x.fa.gz").write_bytes(gzip.compress("".join(f">s{i}\n{s}\n" for i, s in enumerate(sequences)).encode()))
    rows = "".join(f"s{i}\t{s.count('AC') + drawn.gauss(0, 0.5):.4f}\n" for i, s in enumerate(sequences))
    (folder / "y.tsv").write_text("id\tlabel\n" + rows)
    steps = 40 * seconds
    gpt = {
        "tokenizer": "bases", "corpus": ["x"], "layers": 2, "heads": 2, "width": 32, "block": 60, "dropout": 0.1,
        "steps": steps, "batch_size": 8, "evaluate_every": max(1, steps // 4), "evaluate_batches": 2,
    }  # fmt: skip
    return {
        "study": "kills",
        "seeds": [1],
        "threads": 1,
        "precision": "fp32",
        "checkpoint_minutes": 0.01,
        "sources": {"x": {"fasta": "x.fa.gz"}, "y": {"table": "y.tsv"}},
        "datasets": {
            DATASET: {
                "target": "scalar",
                "records": {"source": "x", "labels": "y"},
                "folds": {"scheme": "ratio", "train": 60, "validation": 20, "test": 20},
            }
        },
        "tokenizers": {"bases": {"kind": "character"}},
        "backbones": {"gpt": gpt},
        "models": {"gpt": {"backbone": "gpt", "train": "lora"}, "cnn": {"network": "cnn"}},
        "training": {"epochs": 2 * seconds, "patience": 0},
        "runs": {DATASET: {"models": list(MODELS), "loo": {"edit": "mask", "examples": 20}, "bootstrap": 100}},
    }


class Runs:
    """Snakemake on the study, in a folder of its own."""

    def __init__(self, folder, config):
        self.folder, self.results = Path(folder), Path(folder) / "results" / "kills"
        self.folder.mkdir(exist_ok=True)
        (self.folder / "study.yaml").write_text(yaml.safe_dump(config, sort_keys=False))

    def start(self, *arguments):
        command = [
            sys.executable, "-m", "snakemake", *arguments, "-s", str(ROOT / "Snakefile"),
            "--directory", str(self.folder), "--configfile", str(self.folder / "study.yaml"), "--cores", "1",
            "--profile", "none", "--workflow-profile", str(ROOT / "profiles/default"),
        ]  # fmt: skip
        environment = {**os.environ, "XDG_CACHE_HOME": str(self.folder / ".cache"), "OMP_NUM_THREADS": "1"}
        with open(self.folder / "said.log", "ab") as log:
            return subprocess.Popen(command, stdout=log, stderr=log, env=environment)

    def run(self, *arguments):
        return self.start(*arguments).wait() == 0

    def job(self, snakemake, deadline=120):
        """The process of the job that a Snakemake runs, once there is one; None when it ends without."""
        end = time.monotonic() + deadline
        while snakemake.poll() is None and time.monotonic() < end:
            try:
                for process in psutil.Process(snakemake.pid).children(recursive=True):
                    if any(".snakemake/scripts/" in word for word in process.cmdline()):
                        return process
            except psutil.Error:
                pass
            time.sleep(0.05)
        return None

    def files(self, places):
        """Bytes of what is compared, by path below the results."""
        found = [file for place in places for pattern in COMPARED for file in self._below(place, pattern)]
        return {str(file.relative_to(self.results)): file.read_bytes() for file in found}

    def _below(self, place, pattern):
        path = self.results / place
        return path.rglob(pattern) if path.is_dir() else [path] if path.match(pattern) else []

    def remains(self):
        """Half-written files, which nothing may leave behind once all is done."""
        return [str(path.relative_to(self.results)) for path in self.results.rglob(".tmp-*")]


def same(found, expected):
    """Whether files are the expected ones; says which are not."""
    wrong = [name for name in expected | found if found.get(name) != expected.get(name)]
    for name in sorted(wrong):
        print(f"  {name}: {'is missing' if name not in found else 'has other bytes'}", flush=True)
    return bool(expected) and not wrong


def kill_a_job(runs, expected, stage, target, seconds, moments):
    """One job done again, killed at a random moment of its life, and tried again."""
    path = runs.results / target
    for suffix in ("", ".metrics.tsv", ".cost.json"):  # what stands beside a prediction goes with it
        beside = path if not suffix else path.with_name(path.stem + suffix)
        shutil.rmtree(beside) if beside.is_dir() else beside.unlink(missing_ok=True)
    snakemake = runs.start(str(path.relative_to(runs.folder)), "--retries", "2")
    process, moment = runs.job(snakemake), moments.uniform(0.02, 0.95) * seconds
    try:
        process.wait(moment)
        print(f"{stage}, {target}: ended before {moment:.1f} s", flush=True)
        struck = False
    except psutil.TimeoutExpired:
        process.kill()
        struck = True
    done = snakemake.wait() == 0
    place = target if path.is_dir() else str(Path(target).parent)
    equal = done and same(runs.files([place]), {k: v for k, v in expected.items() if k.startswith(place)})
    if struck:
        outcome = "same" if equal else "NOT the same"
        print(f"{stage}, {target}: killed after {moment:.1f} of {seconds:.1f} s; {outcome}", flush=True)
    return struck, equal


def kill_snakemake(runs, asked, seconds, moments, times):
    """Kill Snakemake so many times over one run of what is asked; whether it is complete after that."""
    for _ in range(times):
        snakemake = runs.start(*asked)
        time.sleep(moments.uniform(0.1, 0.8) * seconds / 2)
        if snakemake.poll() is None:
            os.kill(snakemake.pid, signal.SIGKILL)
        snakemake.wait()
        if not runs.run("--unlock"):
            return False
    return runs.run(*asked)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--snakemake", type=int, default=5, help="how often Snakemake itself is killed")
    parser.add_argument("--seconds", type=int, default=10, help="about how long each training takes")
    parser.add_argument("--stages", nargs="+", choices=list(STAGES), default=list(STAGES))
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    moments = random.Random(options.seed)
    chosen = [(stage, target) for stage in options.stages for target in STAGES[stage]]
    targets, asked = [target for _, target in chosen], [f"results/kills/{target}" for _, target in chosen]
    if len(options.stages) == len(STAGES):
        asked = ["metrics", "attributions"]
    compared = [*targets, "predictions", "attributions", "tables"]
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        config = study(folder, options.seconds)
        for name in ("x.fa.gz", "y.tsv"):
            config["sources"][name[0]] = {kind: str(folder / name) for kind in config["sources"][name[0]]}
        alone, lived = Runs(folder / "alone", config), {}
        begin = time.monotonic()
        for target in targets:  # one by one, to know how long the process of each lives
            snakemake = alone.start(f"results/kills/{target}")
            last = None
            while (process := alone.job(snakemake)) is not None:
                started = time.monotonic()
                if process.pid != last:
                    process.wait()
                    lived[target], last = time.monotonic() - started, process.pid
            snakemake.wait()
        if not alone.run(*asked):
            sys.exit((alone.folder / "said.log").read_text()[-3000:])
        whole = time.monotonic() - begin
        print(f"left alone: {whole:.0f} s", flush=True)
        expected = alone.files(compared)
        struck = kept = 0
        turn = moments.randrange(len(chosen))
        while struck < options.kills:
            stage, target = chosen[turn % len(chosen)]
            turn += 2 if len(chosen) % 2 else 1  # over all stages, whatever the number of kills
            hit, equal = kill_a_job(alone, expected, stage, target, lived[target], moments)
            struck, kept = struck + hit, kept + (hit and equal)
        print(f"jobs killed: {kept} of {struck} ended with the same bytes", flush=True)
        survived = 0
        if options.snakemake:
            runs = Runs(folder / "killed", config)
            done = kill_snakemake(runs, asked, whole, moments, options.snakemake)
            found = runs.files(compared)
            left = runs.remains()
            survived = options.snakemake if done and same(found, expected) and not left else 0
            for name in left:
                print(f"  {name}: left behind")
            if not done:
                print((runs.folder / "said.log").read_text()[-3000:])
            print(f"Snakemake killed: complete after {survived} of {options.snakemake}")
    sys.exit(not (kept == struck and survived == options.snakemake))


if __name__ == "__main__":
    main()
