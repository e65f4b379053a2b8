"""Preparing a genome for training: megabytes per second of FASTA text, and peak memory, of every step.

    python benchmarks/tokenize_corpus.py [--megabytes 1000] [--compressed] [--folder DIR]

Each step runs in a process of its own, so that its peak memory is its own. The last column compares with the obvious
way of doing it in Python, timed on the first 20 MB in the same run.
"""

import argparse
import json
import multiprocessing
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow" / "scripts"))

from seqlm.pretraining.corpus import tokenize_corpus  # noqa: E402
from seqlm.sequences import Windows, open_bytes, read_fasta  # noqa: E402
from seqlm.tokenization.character import learn_alphabet  # noqa: E402

LENGTH, SUBSAMPLE = 300, 15_000


def write_genome(path, megabytes, seed=0):
    """A genome of 50 MB chromosomes in lines of 60, half of it soft-masked, with a run of N in each."""
    rng = np.random.default_rng(seed)
    with open(path, "wb") as handle:
        for number in range(-(-megabytes // 50)):
            handle.write(b">chr%d synthetic\n" % (number + 1))
            lines = min(50, megabytes - 50 * number) * 1_000_000 // 61
            letters = np.frombuffer(b"ACGT", np.uint8)[rng.integers(0, 4, (lines, 60), dtype=np.uint8)]
            letters[np.arange(lines) // 50 % 2 == 1] |= 32
            letters[: lines // 100] = ord("N")
            handle.write(np.pad(letters, ((0, 0), (0, 1)), constant_values=10).tobytes())
    return path


def compress(path, target):
    """The genome as sources are kept: bgzip."""
    from Bio.bgzf import BgzfWriter

    with BgzfWriter(str(target), "wb", compresslevel=1) as writer, open_bytes(path) as reader:
        while chunk := reader.read():
            writer.write(chunk)
    return target


def save_tokenizer(folder, alphabet):
    """The files of a character tokenizer, as far as a corpus reads them."""
    folder.mkdir()
    words = {"kind": "character", "alphabet": alphabet, "case": "keep"}
    (folder / "tokenizer_config.json").write_text(json.dumps({"seqlm": words}))
    (folder / "tokenizer.json").write_text(json.dumps({"model": {"vocab": {c: i for i, c in enumerate(alphabet)}}}))
    return folder


def plain_tokenize(path, alphabet):
    """Character by character, as the scripts of most papers do it."""
    ids = {letter: i for i, letter in enumerate(alphabet)}
    text = path.read_text()
    return np.array([ids[letter] for letter in text if letter in ids], np.uint16)


def plain_windows(path):
    """Biopython's parser and slices."""
    from Bio import SeqIO

    found = []
    for record in SeqIO.parse(path, "fasta"):
        for start in range(0, len(record) - LENGTH + 1, LENGTH):
            window = str(record.seq[start : start + LENGTH]).upper()
            if "N" not in window:
                found.append((record.id, start, window))
    return found


def measure(job, *arguments):
    """Seconds and peak memory (bytes) of a call in a fresh process."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_measured, job, *arguments).result()


def _measured(job, *arguments):
    began = time.perf_counter()
    job(*arguments)
    seconds = time.perf_counter() - began
    # getrusage would include the parent's memory at the time of the fork.
    status = Path("/proc/self/status").read_text()
    return seconds, int(status.partition("VmHWM:")[2].split()[0]) * 1024


def iterate_windows(path):
    for _ in Windows(path, LENGTH):
        pass


def subsample_windows(path):
    Windows(path, LENGTH).subsample(SUBSAMPLE, seed=0)


def iterate_records(path):
    for _ in read_fasta(path):
        pass


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--megabytes", type=int, default=1000)
    parser.add_argument("--compressed", action="store_true", help="read bgzip instead of plain FASTA")
    parser.add_argument("--folder", type=Path, help="where to put the files (a temporary folder by default)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        folder = Path(folder)
        genome = write_genome(folder / "genome.fa", options.megabytes)
        small = write_genome(folder / "small.fa", min(options.megabytes, 20))
        size, small_size = genome.stat().st_size, small.stat().st_size
        if options.compressed:
            genome = compress(genome, folder / "genome.fa.gz")
        alphabet = learn_alphabet([genome], samplesize=10_000_000)
        full, vocab4 = save_tokenizer(folder / "full", alphabet), save_tokenizer(folder / "vocab4", "ACGT")
        corpus = folder / "corpus"
        steps = (
            ("learn alphabet", (learn_alphabet, [genome]), None),
            (f"tokenize full ({len(alphabet)} characters)", (tokenize_corpus, [genome], full, corpus), alphabet),
            ("tokenize vocab4", (tokenize_corpus, [genome], vocab4, corpus), "ACGT"),
            (f"windows of {LENGTH}", (iterate_windows, genome), plain_windows),
            (f"subsample {SUBSAMPLE:,} windows", (subsample_windows, genome), plain_windows),
            ("read records", (iterate_records, genome), None),
        )
        print(f"{size / 1e6:,.0f} MB of FASTA text, {'bgzip' if options.compressed else 'plain'}")
        print(f"{'step':<32}{'MB/s':>8}{'peak MB':>10}{'x plain Python':>16}")
        for name, job, plain in steps:
            seconds, memory = measure(*job)
            ratio = ""
            if plain is not None:
                other = (plain_windows, small) if callable(plain) else (plain_tokenize, small, plain)
                ratio = f"{measure(*other)[0] / small_size * size / seconds:.1f}"
            print(f"{name:<32}{size / 1e6 / seconds:>8.0f}{memory / 1e6:>10.0f}{ratio:>16}", flush=True)


if __name__ == "__main__":
    main()
