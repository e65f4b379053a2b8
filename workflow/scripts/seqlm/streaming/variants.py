"""What a variant does to a model's prediction, or to the likelihood that a language model gives the sequence."""

import os
from functools import partial

import pandas as pd

from seqlm.common.errors import InputError
from seqlm.common.runtime import pick_device
from seqlm.datasets.scaling import unscale
from seqlm.inference.prediction import predict
from seqlm.models.language.hub import load_any
from seqlm.sequences import reverse_complement
from seqlm.streaming.likelihood import log_likelihood
from seqlm.streaming.predicting import check_sequence
from seqlm.streaming.records import open_records
from seqlm.streaming.writing import survey


def score_variants(model, vcf, genome, length=None, both_strands=None, batch_size=None, device="auto", chunk_size=1024):
    """Scores of the variants of a VCF file.

    Parameters
    ----------
    model : PreTrainedModel or path
        A model that predicts a target, or a causal or masked language model with its tokenizer.
    vcf, genome : path
    length : int, optional
        Bases in the window around a variant; the model's own input length when left out.
    both_strands : bool, optional
        Average over both strands; by default for language models.
    batch_size : int, optional
    device : str
    chunk_size : int
        Variants in memory at a time.

    Returns
    -------
    pandas.DataFrame
        Columns id, chrom, start (from 0), ref, alt, score, see `variant_scores`.

    Raises
    ------
    InputError
        See `open_records` and `log_likelihood`; strands asked for of a model whose tokens have no complement.
    """
    model = load_any(model) if isinstance(model, (str, os.PathLike)) else model
    source = open_variants(vcf, genome, length or own_length(model))
    survey(source, chunk_size, check=partial(check_variant, model))
    chunks = [
        scored_table(model, list(chunk), both_strands, batch_size, pick_device(device))
        for chunk in source.chunks(chunk_size)
    ]  # fmt: skip
    return pd.concat(chunks, ignore_index=True)


def scored_table(model, variants, both_strands=None, batch_size=None, device="cpu"):
    """A row for each `Variant`, see `score_variants`."""
    scores = variant_scores(model, variants, both_strands, batch_size, device)
    rows = [(v.id, v.chrom, v.start, v.ref, v.alt, s) for v, s in zip(variants, scores.tolist(), strict=True)]
    return pd.DataFrame(rows, columns=["id", "chrom", "start", "ref", "alt", "score"])


def variant_scores(model, variants, both_strands=None, batch_size=None, device="cpu"):
    """Alternative - reference.

    For a track the difference summed over the window, for a class that of the logit of the class predicted for the
    reference, for a language model that of the log-likelihood in nats (zero-shot: below zero where the variant makes
    the sequence less likely).

    Returns
    -------
    numpy.ndarray, float64 (N,)
    """
    target = getattr(model.config, "target", None)
    if both_strands is None:
        both_strands = target is None
    if both_strands and hasattr(model, "layout"):
        raise InputError("both_strands", "the model's tokens have no complement", "score one strand")
    windows = zip(*(check_variant(model, variant) for variant in variants), strict=True)
    windows = [list(texts) for texts in windows]
    score = _target_difference if target else _likelihood_difference
    scores = score(model, *windows, batch_size, device)
    if both_strands:
        other = [[reverse_complement(text) for text in texts] for texts in windows]
        scores = (scores + score(model, *other, batch_size, device)) / 2
    return scores


def check_variant(model, variant):
    """Windows of both alleles as a model reads them, see `check_sequence`."""
    return tuple(check_sequence(model, variant.id, text) for text in (variant.reference, variant.alternative))


def open_variants(vcf, genome, length, format=None, **reading):
    """The stream of a VCF file's variants, see `open_records`."""
    source = open_records(vcf, genome, length, format, **reading)
    if source.kind != "variants":
        raise InputError(vcf, "holds no variants", "give a VCF file")
    return source


def own_length(model):
    """Bases that a model reads, or None."""
    return getattr(model.config, "length", None) or getattr(model.config, "block_size", None)


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
