"""One vector per sequence or per base from any encoder, the same whatever else is in the batch.

Sequences are tokenized together, ordered by their number of tokens and cut into batches of about equal work, so that
there is little padding; batches without any run without an attention mask. Only the layer that is asked for is
computed, and no other is kept.
"""

import copy
import logging
import os
from contextlib import contextmanager
from functools import partial

import numpy as np
import torch
from tqdm import tqdm

from seqlm.common.errors import InputError
from seqlm.common.memory import in_parts
from seqlm.common.runtime import pick_device
from seqlm.inference.reading import check_size, readable
from seqlm.models.base import encoder_of
from seqlm.models.heads import POOLINGS, pool
from seqlm.models.language.encoders import depth_of, layers_of, longest_input, own_padding
from seqlm.models.language.layer_mix import states_by_layer
from seqlm.models.language.packed import over_bases
from seqlm.models.language.padding import in_batch
from seqlm.tokenization import encode_batch, nothing_id, spelled
from seqlm.tokenization.bases import NOTHING, tokens_of

# Tokens in one batch. On a CPU, enough for full-speed matrix products while the activations stay near the cache.
CPU_TOKENS, GPU_TOKENS = 2**12, 2**17
# Sequences tokenized at a time.
CHUNK = 2**14
log = logging.getLogger(__name__)


def embed(
    model,
    sequences,
    pooling="mean",
    layer=-1,
    tokenizer=None,
    precision="fp32",
    device="auto",
    batch_tokens=None,
    max_length=None,
    verbose=False,
):
    """Embeddings of sequences.

    Parameters
    ----------
    model : PreTrainedModel, BackboneModel or path
        An encoder or language model (of transformers or ours), a model that has a backbone, or the folder of a bundle.
    sequences : list of str
        Bases in either case, with T or U: spelled as for `seqlm.predict`.
    pooling : {"mean", "max", "first", "last", "bases"}
        Over the tokens, special ones included (as the Nucleotide Transformer's authors do), padding excluded. "bases"
        gives a vector for each base: that of the token that stands for it, the mean where tokens overlap.
    layer : int
        0 is the input of the first block, n the output of n blocks, -1 the encoder's final output.
    tokenizer : PreTrainedTokenizerBase, optional
        Default: ``model.tokenizer``.
    precision : {"fp32", "bf16"}
        Of the network; pooling is always float32.
    device : {"auto", "cpu", "cuda"}
    batch_tokens : int, optional
        Tokens per batch. In float32 the result does not depend on it beyond rounding (1e-5).
    max_length : int, optional
        Longest input in tokens; by default what the tokenizer and model allow. Longer ones are cut, which is logged.
    verbose : bool
        Show a progress bar.

    Returns
    -------
    numpy.ndarray (N, D), float32
        Or, by bases, a list of arrays (length, D).
    """
    model, network, tokenizer = _network(model, tokenizer)
    if pooling not in (*POOLINGS, "bases"):
        raise InputError("pooling", f"no such pooling: {pooling}", f"use one of {', '.join(POOLINGS)}, bases")
    if precision not in ("fp32", "bf16"):
        raise InputError("precision", f"there is no precision {precision}", "use fp32 or bf16")
    check_size("batch_tokens", batch_tokens)
    check_size("max_length", max_length)
    sequences = readable(model, sequences, tokenizer)
    if not sequences:
        raise InputError("sequences", "there are none to embed", "give at least one")
    device = pick_device(device)
    longest = max_length or longest_input(network, tokenizer)
    by_base, result = pooling == "bases", None
    if by_base:
        rows, lengths, covering = _tokens_over_bases(tokenizer, sequences, longest)
    else:
        rows, lengths = _tokens(tokenizer, sequences, longest)
    budget = batch_tokens or (GPU_TOKENS if device.type == "cuda" else CPU_TOKENS)
    with _prepared(network, precision, device) as ready, torch.inference_mode(), _output_of(ready, layer) as run:
        bar = tqdm(total=len(sequences), unit="seq", desc="embed", disable=not verbose)
        for batch in length_batches(lengths, budget):
            ids = torch.from_numpy(np.stack([rows[i][: lengths[batch[-1]]] for i in batch]).astype(np.int64)).to(device)
            known = _known(ready, tokenizer, ids, torch.from_numpy(lengths[batch]).to(device))
            edges = [torch.from_numpy(edge[batch]).to(device) for edge in covering] if by_base else None
            vectors = in_parts(partial(_vectors, ready, run, ids, known, pooling, edges), len(batch))
            vectors = np.concatenate(vectors)
            if by_base:
                result = result or [None] * len(sequences)
                for i, own in zip(batch, vectors, strict=True):
                    result[i] = own[: len(sequences[i])].copy()
            else:
                result = np.empty((len(sequences), vectors.shape[1]), np.float32) if result is None else result
                result[batch] = vectors
            bar.update(len(batch))
        bar.close()
    if pooling == "first" and layer and len(set(sequences)) > 1 and (result == result[0]).all():
        problem = "the model reads from left to right, so its first token has seen nothing: all are the same"
        raise InputError("pooling: first", problem, "use last or mean")
    return result


def _vectors(network, run, ids, known, pooling, edges, start, end):
    """Vectors of some rows of a batch: (n, D), or of their bases (n, L, D)."""
    ids, known = ids[start:end], None if known is None else known[start:end]
    states = (run(ids, known) if known is None else in_batch(network, run, ids, known)).float()
    if edges is not None:
        return over_bases(states, *(edge[start:end] for edge in edges)).cpu().numpy()
    return pool(states, known, pooling).cpu().numpy()


def _network(model, tokenizer):
    """A model, the encoder inside it, and the tokenizer it reads with."""
    if isinstance(model, (str, os.PathLike)):
        from seqlm.models.language.hub import load_any

        model = load_any(model)
    tokenizer = tokenizer or getattr(model, "tokenizer", None)
    network = getattr(encoder_of(model), "base_model", model)
    if not hasattr(network, "get_input_embeddings") or not hasattr(network.config, "hidden_size"):
        raise InputError("embed", f"a {type(model).__name__} has no encoder", "embed with a backbone or a model on one")
    if tokenizer is None:
        raise InputError("embed", "the model has no tokenizer", "give tokenizer=")
    return model, network, tokenizer


def _tokens(tokenizer, sequences, longest):
    """Ids of each sequence (views of padded arrays) and their numbers, int64 (N,)."""
    rows, lengths = [], []
    for start in range(0, len(sequences), CHUNK):
        ids = encode_batch(tokenizer, spelled(tokenizer, sequences[start : start + CHUNK]))
        fill = nothing_id(tokenizer) if tokenizer.pad_token_id is None else tokenizer.pad_token_id
        # An unknown base inside a sequence may look like padding, so only the end of a row counts.
        is_token = (ids != fill)[:, ::-1]
        lengths.append(np.where(is_token.any(1), ids.shape[1] - is_token.argmax(1), 0))
        rows.extend(ids)
    lengths = np.concatenate(lengths)
    if not lengths.all():
        empty = int(np.argmin(lengths))
        raise InputError(f"sequence {empty + 1}", "has no token", "leave empty sequences out")
    if longest is not None and (lengths > longest).any():
        log.warning("%d of %d sequences are cut to %d tokens", (lengths > longest).sum(), len(lengths), longest)
        lengths = np.minimum(lengths, longest)
    return rows, lengths


def _tokens_over_bases(tokenizer, sequences, longest):
    """Ids of each sequence, their numbers, and the first and last token over each base."""
    tokens = tokens_of(tokenizer, sequences)
    lengths = (tokens.ids != NOTHING).sum(1)
    if longest is not None and lengths.max() > longest:
        long = int(lengths.argmax())
        problem = f"has {lengths[long]} tokens, the encoder reads {longest}"
        raise InputError(f"sequence {long + 1}", problem, "cut it into windows")
    return list(tokens.ids), np.maximum(lengths, 1), tokens.covering()


def length_batches(lengths, budget):
    """Rows in order of length, in batches of at most `budget` tokens (or of one row)."""
    order = np.argsort(lengths, kind="stable")
    start = 0
    while start < len(order):
        end = start + max(1, budget // int(lengths[order[start]]))
        while end > start + 1 and lengths[order[min(end, len(order)) - 1]] * (min(end, len(order)) - start) > budget:
            end -= 1
        yield order[start:end]
        start = end


def _known(network, tokenizer, ids, lengths):
    """Where there is a token, bool (n, T), or None when that is everywhere."""
    known = torch.arange(ids.shape[1], device=ids.device) < lengths[:, None]
    known &= (ids >= 0) & (ids < network.config.vocab_size)
    return None if bool(known.all()) else known


@contextmanager
def _prepared(network, precision, device):
    """The network on its device, in evaluation mode and in its precision; the caller's own is left as it was."""
    modes = [(module, module.training) for module in network.modules()]
    parameter = next(network.parameters())
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    try:
        if parameter.device != device or parameter.dtype != dtype:
            yield copy.deepcopy(network).to(device, dtype).eval()
        else:
            yield network.eval()
    finally:
        for module, training in modes:
            module.training = training


def _chosen(output, n, layer):
    states = states_by_layer(output, n)
    if states is None:
        raise InputError("layer", "the encoder does not give the states of its layers", "use layer -1")
    return states[layer]


class _Reached(Exception):
    """Carries a hidden layer out of a forward pass that need not go on."""


@contextmanager
def _output_of(network, layer):
    """Yield ``run(ids, known) -> (n, T, D)`` for one layer."""
    blocks, n = layers_of(network), depth_of(network)
    if not -n - 1 <= layer <= n:
        raise InputError("layer", f"the encoder has {n} layers, there is no layer {layer}", f"use 0 to {n}, or -1")
    layer %= n + 1
    ours = network.config.model_type == "seqlm-gpt"
    foreign = not type(network).__module__.startswith(("seqlm.", "transformers."))

    def run(ids, known, **options):
        if ours:  # reads ids outside its vocabulary as nothing, and never looks at what follows
            return network(ids, **options)
        if known is not None:
            ids = ids.where(known, own_padding(network.config))
        elif foreign:  # not every class does without a mask
            known = torch.ones_like(ids, dtype=torch.bool)
        mask = None if known is None else known.long()
        return network(input_ids=ids, attention_mask=mask, **options)

    if layer == n:
        yield lambda ids, known: run(ids, known).last_hidden_state
        return
    if foreign or len(blocks) < n:  # what its blocks are given may have other axes, or they run more than once
        yield lambda ids, known: _chosen(run(ids, known, output_hidden_states=True), n, layer)
        return

    def stop(module, args, kwargs):
        raise _Reached(args[0] if args else kwargs["hidden_states"])

    def run_until(ids, known):
        try:
            run(ids, known)
        except _Reached as reached:
            return reached.args[0]
        raise RuntimeError("the encoder never ran the layer")

    handle = blocks[layer].register_forward_pre_hook(stop, with_kwargs=True)
    try:
        yield run_until
    finally:
        handle.remove()
