"""Pretraining of language models: next token (gpt) or masked tokens (esm), through the one training engine.

Text is read as blocks from random places of a memory-mapped corpus, a batch in
one gather. AdamW falls from a peak rate along a cosine; the numbers are those
of a size (`seqlm.models.language.sizes`), which an entry can change.
"""

import json
from pathlib import Path

import numpy as np
import torch

from seqlm.common.costs import CostLog
from seqlm.common.errors import InputError
from seqlm.common.files import atomic_path
from seqlm.common.runtime import pick_device, pick_precision, seed_everything
from seqlm.models.bundle import save_bundle
from seqlm.models.language.sizes import DEFAULT, SIZES, with_numbers
from seqlm.pretraining.corpus import Corpus
from seqlm.pretraining.heldout import bits_per_base, cut_windows, markov_report
from seqlm.tokenization import load_tokenizer
from seqlm.training import FitSettings, autocast, evaluate, fit, write_history
from seqlm.training.objectives import TokenObjective

BACKBONE = ("architecture", *SIZES[DEFAULT], "mask_probability")  # what pretraining reads of an entry


class Blocks(torch.utils.data.Dataset):
    """Blocks of tokens from random places, cut by one gather per batch.

    Example i is the same whatever batch it comes in, so neither micro-batches
    nor an interruption change what is read.

    Parameters
    ----------
    tokens : (n,) integer array
        Memory-mapped corpus.
    block : int
        Tokens a model reads at once; a cut has one more, the last one's target.
    draws : int
        Number of examples.
    seed : int
    """

    ordered = True

    def __init__(self, tokens, block, draws, seed):
        if len(tokens) <= block:
            raise InputError(
                "corpus",
                f"{len(tokens)} tokens are fewer than a block of {block} and its target",
                "use a longer corpus",
            )
        self.tokens, self.block, self.draws, self.seed = tokens, block, draws, seed
        self.within = np.arange(block + 1)
        self.passes = draws * block / len(tokens)

    def __len__(self):
        return self.draws

    def cut(self, index):
        """Tokens (N, block + 1) of examples `index`."""
        starts = _hash(np.asarray(index), self.seed) % np.uint64(len(self.tokens) - self.block)
        return self.tokens[starts.astype(np.int64)[:, None] + self.within]

    def __getitems__(self, index):
        """``input_ids`` and ``targets`` (N, block): each token's target is the next one."""
        cut = torch.from_numpy(self.cut(index))
        return {"input_ids": cut[:, :-1], "targets": cut[:, 1:].long()}


class MaskedBlocks(Blocks):
    """Blocks in which some tokens are hidden and to be predicted."""

    def __init__(self, tokens, block, draws, seed, tokenizer, probability):
        from seqlm.pretraining.masking import ordinary_tokens

        super().__init__(tokens, block, draws, seed)
        self.ordinary, self.mask_id = ordinary_tokens(tokenizer), tokenizer.mask_token_id
        self.first = tokenizer.cls_token_id
        self.probability = probability

    def __getitems__(self, index):
        from seqlm.pretraining.masking import mask_tokens

        ids = self.cut(index)[:, :-1]
        if self.first is not None:
            ids[:, 0] = self.first  # sequences that the model will be given begin so, too
        place = np.asarray(index)[:, None] * self.block + np.arange(self.block)
        random = np.stack([(_hash(place, self.seed + k) >> np.uint64(11)) / 2**53 for k in (1, 2, 3)])
        shown, targets = mask_tokens(ids, random, self.ordinary, self.mask_id, self.probability)
        return {"input_ids": torch.from_numpy(shown), "targets": torch.from_numpy(targets)}


def _hash(numbers, seed):
    """A well mixed 64-bit number for each integer (SplitMix64: Steele et al. 2014)."""
    with np.errstate(over="ignore"):
        x = numbers.astype(np.uint64) + np.uint64(1)
        x = x * np.uint64(0x9E3779B97F4A7C15) + np.uint64(seed % 2**32) * np.uint64(0xD1B54A32D192ED03)
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            x = (x ^ (x >> np.uint64(shift))) * np.uint64(factor)
        return x ^ (x >> np.uint64(31))


def _gpt(options, tokenizer):
    """The causal model, its objective, and its blocks."""
    from seqlm.models.language.gpt import GPTConfig, GPTForCausalLM

    config = GPTConfig(
        vocab_size=len(tokenizer),
        block_size=options["block"],
        n_layer=options["layers"],
        n_head=options["heads"],
        n_embd=options["width"],
        dropout=options["dropout"],
    )
    return GPTForCausalLM(config), TokenObjective(), Blocks


def _esm(options, tokenizer):
    """The bidirectional model, its objective, and its masked blocks."""
    from transformers import AutoModelForMaskedLM

    from seqlm.models.language.families.esm import esm_config
    from seqlm.pretraining.masking import MaskedTokenObjective

    config = esm_config(
        tokenizer, options["layers"], options["heads"], options["width"], options["block"], options["dropout"]
    )

    def blocks(tokens, block, draws, seed):
        return MaskedBlocks(tokens, block, draws, seed, tokenizer, options["mask_probability"])

    return AutoModelForMaskedLM.from_config(config), MaskedTokenObjective(tokenizer), blocks


ARCHITECTURES = {"gpt": _gpt, "esm": _esm}


def pretrain(
    corpus,
    tokenizer,
    backbone,
    output,
    *,
    name="backbone",
    seed=0,
    precision="auto",
    device="auto",
    checkpoints=None,
    code="",
    checkpoint_seconds=120.0,
):
    """Pretrain a language model and write it as a bundle with its history, costs and bits per base.

    Parameters
    ----------
    corpus : path
        Corpus folder, see `seqlm.pretraining.corpus`.
    tokenizer : path
        Tokenizer folder.
    backbone : dict
        architecture, mask_probability, and size or numbers, see `seqlm.models.language.sizes.with_numbers`;
        ``steps: 0`` keeps the random weights.
    output : path
        Existing folder that receives the bundle, history.tsv, cost.json and bits_per_base.json.
    name : str
        For the model card.
    seed : int
    precision, device : str
        See `seqlm.training.FitSettings`.
    checkpoints : path, optional
        See `seqlm.training.fit`.
    code : str
        Digest of the code, part of the checkpoints' fingerprint.
    checkpoint_seconds : float

    Returns
    -------
    dict
        What bits_per_base.json says: losses in nats per token, bits per base of the model and of the Markov model, and
        where the tokenizer deleted letters of the corpus how many.
    """
    given = {"architecture": "gpt", "mask_probability": 0.15} | with_numbers(backbone)
    options = {key: given[key] for key in BACKBONE}
    if options["architecture"] not in ARCHITECTURES:
        raise InputError(
            "backbone", f"architecture {options['architecture']} is unknown", f"use {' or '.join(ARCHITECTURES)}"
        )
    output, text, tokenizer = Path(output), Corpus(corpus), load_tokenizer(tokenizer)
    seed_everything(seed)
    model, objective, blocks = ARCHITECTURES[options["architecture"]](options, tokenizer)
    batch, block = options["batch_size"], options["block"]
    draws = options["evaluate_batches"] * batch
    parts = {
        "train": blocks(text.train, block, draws, seed + 1),
        "validation": blocks(text.validation, block, draws, seed + 2),
    }
    held_out = cut_windows(np.asarray(text.text), block, limit=max(256, draws // 4))
    causal = options["architecture"] == "gpt"

    def also(model):
        return {"bits_per_base": bits_per_base(model, tokenizer, held_out)} if causal and held_out.bases else {}

    settings = FitSettings(
        max_steps=options["steps"],
        batch_size=batch,
        learning_rate=options["learning_rate"],
        final_learning_rate=options["final_learning_rate"],
        schedule="cosine",
        warmup=options["warmup"],
        weight_decay=options["weight_decay"],
        beta2=0.95,
        patience=0,
        evaluate_every=max(1, min(options["evaluate_every"], options["steps"])),
        seed=seed,
        precision=precision,
        device=device,
        checkpoint_seconds=checkpoint_seconds,
    )
    if options["steps"]:
        result = fit(
            model,
            blocks(text.train, block, options["steps"] * batch, seed),
            parts,
            settings=settings,
            output=output,
            checkpoints=checkpoints,
            fingerprint={"options": options, "seed": seed, "corpus": text.summary["sha256"], "code": code},
            objective=objective,
            stage="pretrain",
            also=also,
        )
        best = result.history[result.history["step"] == result.best_step]
        found = {f"{row.part}_{row.metric}": row.value for row in best.itertuples()}
    else:
        found = _untrained(model, parts, objective, settings, also, output)
    report = {"train_loss": found["train_loss"], "validation_loss": found["validation_loss"]}
    if "validation_bits_per_base" in found:
        report["bits_per_base"] = found["validation_bits_per_base"]
    report |= markov_report(text, tokenizer, held_out) | _deleted(text.summary["sources"])
    with atomic_path(output / "bits_per_base.json") as path:
        path.write_text(json.dumps(report, indent=1) + "\n")
    save_bundle(
        model,
        output,
        tokenizer,
        card={
            "title": name,
            "Pretraining": {key: options[key] for key in BACKBONE} | {"seed": seed},
            "Data": {source["name"]: _data_words(source) for source in text.summary["sources"]},
            "Results": {key: f"{value:.4f}" if isinstance(value, float) else value for key, value in report.items()},
        },
    )
    return report


def _deleted(sources):
    """Letters of the corpus, and how many the tokenizer deleted; empty where it deleted none."""
    kinds = {"soft_masked_deleted": "lower_case", "other_letters_deleted": "other"}
    counts = {name: sum(source.get("deleted", {}).get(kind, 0) for source in sources) for name, kind in kinds.items()}
    if not any(counts.values()):
        return {}
    return {"corpus_letters": sum(source.get("letters", 0) for source in sources)} | counts


def _data_words(source):
    """What the model card says about a source."""
    lower = source.get("deleted", {}).get("lower_case", 0)
    deleted = f"; {lower:,} of its {source['letters']:,} bases are soft-masked and were deleted" if lower else ""
    return f"{source['tokens']['train']:,} tokens for training{deleted}"


def _untrained(model, parts, objective, settings, also, output):
    """Losses, history and cost of a model that is left as it was initialised."""
    device = pick_device(settings.device)
    precision = pick_precision(settings.precision, device)
    count = sum(p.numel() for p in model.parameters())
    with CostLog("pretrain", device, precision, parameters=count, trainable_parameters=0) as cost:
        pass
    cost.write(output)
    model.to(device).eval()
    rows = [
        (part, metric, value)
        for part, data in parts.items()
        for metric, value in evaluate(model, data, objective, settings.batch_size, device, precision).items()
    ]
    with autocast(device, precision):
        rows += [("validation", metric, value) for metric, value in also(model).items()]
    model.to("cpu")
    write_history([[0, 0, *row] for row in rows], output)
    return {f"{part}_{metric}": value for part, metric, value in rows}
