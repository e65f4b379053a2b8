"""Embedding 12,000 windows of 60 nt: `seqlm.embed` against a transformers pipeline called sequence by sequence.

The pipeline is the usual way to do it (tokenize, forward with all hidden states, mean under the attention mask, one
sequence a call). Both run the same 6-layer, 512-wide ESM with random weights on the CPU in one process.

    python benchmarks/embed.py [windows]
"""

import sys
import time
from pathlib import Path

import numpy as np
import torch
from transformers import EsmModel, Pipeline

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow" / "scripts"))
from seqlm.inference.embedding import embed  # noqa: E402
from seqlm.models.language.families.esm import esm_config  # noqa: E402
from seqlm.tokenization.kmer import kmer_tokenizer  # noqa: E402


class MeanEmbedding(Pipeline):
    """One sequence at a time, padded to the longest of its call."""

    def _sanitize_parameters(self, **kwargs):
        return {}, {}, {}

    def preprocess(self, sequence):
        return self.tokenizer([sequence], return_tensors="pt", padding="longest", truncation=True, max_length=512)

    def _forward(self, inputs):
        output = self.model(**inputs, output_hidden_states=True)
        return {"x": output.hidden_states[-1], "mask": inputs["attention_mask"]}

    def postprocess(self, output):
        mask = output["mask"].unsqueeze(-1)
        return ((output["x"] * mask).sum(1) / mask.sum(1)).numpy()


def main(n=12_000):
    torch.manual_seed(0)
    tokenizer = kmer_tokenizer(6)
    model = EsmModel(esm_config(tokenizer, n_layer=6, n_head=8, n_embd=512), add_pooling_layer=False).eval()
    model.tokenizer = tokenizer
    rng = np.random.default_rng(0)
    sequences = ["".join(row) for row in rng.choice(list("ACGT"), (n, 60))]
    pipeline = MeanEmbedding(model, tokenizer=tokenizer, device="cpu")
    seconds, result = {}, {}

    def timed(name, run):
        start = time.perf_counter()
        result[name] = run()
        seconds[name] = time.perf_counter() - start

    for warm_up in (lambda: pipeline(sequences[0]), lambda: embed(model, sequences[:600])):
        warm_up()
    embed(model, sequences[:600], precision="bf16")
    timed("pipeline", lambda: np.concatenate([pipeline(sequence) for sequence in sequences]))
    timed("embed fp32", lambda: embed(model, sequences))
    timed("embed bf16", lambda: embed(model, sequences, precision="bf16"))

    reference = result["pipeline"]
    print(f"{n} windows of 60 nt, {torch.get_num_threads()} threads")
    print("way\tseconds\twindows/s\ttimes faster\tlargest difference\tsmallest cosine")
    for name, took in seconds.items():
        x = result[name]
        cosine = (x * reference).sum(1) / np.linalg.norm(x, axis=1) / np.linalg.norm(reference, axis=1)
        difference = np.abs(x - reference).max()
        faster = seconds["pipeline"] / took
        print(f"{name}\t{took:.1f}\t{n / took:.0f}\t{faster:.1f}\t{difference:.1e}\t{cosine.min():.6f}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
