"""What a variant does to a model's prediction, or to the likelihood that a language model gives the sequence."""

import numpy as np
import pandas as pd
import torch

from seqlm.errors import InputError
from seqlm.inference import as_module, choose_batch_size, predict, prepared
from seqlm.runtime import pick_device
from seqlm.scaling import unscale
from seqlm.sequences import reverse_complement
from seqlm.streaming.predicting import check_sequence
from seqlm.streaming.records import open_records
from seqlm.tokenization import complement_ids, encode_batch, kind_of


def score_variants(model, vcf, genome, length=None, both_strands=None, batch_size=None, device="auto", chunk_size=1024):
    """Scores of the variants of a VCF file.

    Parameters
    ----------
    model : PreTrainedModel or path
        A model that predicts a target, or a causal language model with its tokenizer.
    vcf, genome : path
    length : int, optional
        Bases in the window around a variant; the model's own input length when left out.
    both_strands : bool, optional
        Average over both strands; by default for language models whose tokenizer has complements.
    batch_size : int, optional
    device : str
    chunk_size : int
        Variants in memory at a time.

    Returns
    -------
    pandas.DataFrame
        Columns id, chrom, start (from 0), ref, alt, score: alternative - reference. For a track the difference summed
        over the window, for a class that of the logit of the class predicted for the reference, for a language model
        that of the log-likelihood in nats (zero-shot: below zero where the variant makes the sequence less likely).

    Raises
    ------
    InputError
        See `open_records`; a masked language model; strands asked for that the tokenizer does not have.
    """
    model = as_module(model)
    target = getattr(model.config, "target", None)
    length = length or getattr(model.config, "length", None) or getattr(model.config, "block_size", None)
    if target is None:
        _require_causal(model)
        both_strands = _has_complements(model) if both_strands is None else both_strands
        if both_strands:
            complement_ids(model.tokenizer)  # names the tokenizer that has none
    elif both_strands and hasattr(model, "layout"):
        raise InputError("both_strands", "the model's tokens have no complement", "score one strand")
    source = open_records(vcf, genome, length)
    if source.kind != "variants":
        raise InputError(vcf, "holds no variants", "give a VCF file")
    device = pick_device(device)
    score = _target_difference if target else _likelihood_difference
    rows = []
    for chunk in source.chunks(chunk_size):
        windows = [
            [check_sequence(model, v.id, getattr(v, name)) for v in chunk] for name in ("reference", "alternative")
        ]
        scores = score(model, *windows, batch_size, device)
        if both_strands:
            other = [[reverse_complement(text) for text in texts] for texts in windows]
            scores = (scores + score(model, *other, batch_size, device)) / 2
        rows += [(v.id, v.chrom, v.start, v.ref, v.alt, s) for v, s in zip(chunk, scores.tolist(), strict=True)]
    return pd.DataFrame(rows, columns=["id", "chrom", "start", "ref", "alt", "score"])


def log_likelihood(model, sequences, batch_size=None, device=None):
    """Log probability of each sequence under a causal language model, given its first token.

    Parameters
    ----------
    model : PreTrainedModel
        With ``tokenizer``. Of a character tokenizer, the tokens of a base in either case count together; characters
        outside of the alphabet (N) are not scored.
    sequences : list of str

    Returns
    -------
    numpy.ndarray, float64 (N,)
        In nats.
    """
    tokenizer = model.tokenizer
    by_letter = kind_of(tokenizer) == "character"
    result = []
    with prepared(model, device=device) as run:
        size = batch_size or choose_batch_size(max(map(len, sequences)), run.device, model)
        for start in range(0, len(sequences), size):
            ids, known = _token_ids(tokenizer, sequences[start : start + size])
            ids, known = ids.to(run.device), known.to(run.device)
            inside = ids if getattr(model.config, "model_type", "") == "seqlm-gpt" else ids.where(known, 0)
            logp = torch.log_softmax(model(input_ids=inside).logits[:, :-1].double(), -1)
            targets = ids[:, 1:].where(known[:, 1:], 0)
            if by_letter:
                letters = _letters(tokenizer).to(run.device)
                same = letters[targets][..., None] == letters
                own = logp[..., : len(letters)].masked_fill(~same, -torch.inf).logsumexp(-1)
            else:
                own = logp.gather(-1, targets[..., None])[..., 0]
            result.append(own.where(known[:, 1:], 0).sum(1).cpu().numpy())
    return np.concatenate(result)


def _token_ids(tokenizer, sequences):
    """Ids (N, T) and which of them are tokens of the sequence."""
    if kind_of(tokenizer) != "hub":
        ids = torch.from_numpy(encode_batch(tokenizer, sequences).astype(np.int64))
        known = ids < len(tokenizer)
        return ids, known if tokenizer.pad_token_id is None else known & (ids != tokenizer.pad_token_id)
    rows = tokenizer(sequences)["input_ids"]
    width = max(map(len, rows))
    ids = torch.tensor([row + [0] * (width - len(row)) for row in rows])
    return ids, torch.arange(width) < torch.tensor([len(row) for row in rows])[:, None]


def _letters(tokenizer):
    """For each token of a character tokenizer, the first token that stands for the same base."""
    alphabet = tokenizer.init_kwargs["seqlm"]["alphabet"]
    same = [letter.upper() if letter.upper() in "ACGT" else letter for letter in alphabet]
    return torch.tensor([same.index(letter) for letter in same])


def _likelihood_difference(model, reference, alternative, batch_size, device):
    a, b = (log_likelihood(model, texts, batch_size, device) for texts in (alternative, reference))
    return a - b


def _target_difference(model, reference, alternative, batch_size, device):
    a, b = (predict(model, texts, batch_size=batch_size, device=device).double() for texts in (alternative, reference))
    if model.config.target == "track":
        return (a - b).sum(1).numpy()
    if model.config.target == "scalar":
        return (unscale(a, model.config.label_scaling) - unscale(b, model.config.label_scaling)).numpy()
    chosen = b.argmax(1, keepdim=True)
    return (a.gather(1, chosen) - b.gather(1, chosen))[:, 0].numpy()


def _require_causal(model):
    name = type(model).__name__
    if model.get_output_embeddings() is None or "Masked" in name:
        mend = "give a causal language model or the bundle of a trained model"
        raise InputError(name, "gives a sequence no likelihood", mend)
    if getattr(model, "tokenizer", None) is None:
        raise InputError(name, "has no tokenizer", "save it in the bundle")


def _has_complements(model):
    try:
        complement_ids(model.tokenizer)
    except InputError:
        return False
    return True
