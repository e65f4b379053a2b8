"""Bits per base on held-out text: what makes language models with different vocabularies comparable.

A loss in nats per token depends on what the tokens are: a vocabulary that
includes line ends and soft-masked letters predicts other things than one of
four bases. Here every model is scored on the same held-out bases: A, C, G and T
of sequence lines in either case, each given the same stretch of text before it.
"""

from dataclasses import dataclass

import numpy as np
import torch

from seqlm.pretraining.markov import choose_markov
from seqlm.pretraining.token_scores import is_masked, score_tokens
from seqlm.sequences.codes import BASE_CODES, NO_BASE
from seqlm.tokenization import encode_batch, kind_of


@dataclass
class HeldOut:
    """Windows of held-out text, and which of their characters are scored.

    Attributes
    ----------
    text : (N, L) uint8 array
        The characters as they stand in the file.
    codes : (N, L) uint8 array
        Base codes; 4 where a character is no base (header lines are none).
    scored : (N, L) bool array
        Bases in the second half of a window: each has at least L/2 characters before it.
    """

    text: np.ndarray
    codes: np.ndarray
    scored: np.ndarray

    @property
    def bases(self):
        """Number of scored bases."""
        return int(self.scored.sum())


def cut_windows(text, length, limit=1000):
    """Cut held-out text into windows of which the second halves are scored.

    Parameters
    ----------
    text : (n,) uint8 array
        FASTA text.
    length : int
        Characters per window.
    limit : int
        Most windows, evenly spaced over the text.

    Returns
    -------
    HeldOut
    """
    codes = BASE_CODES[text]
    codes[header_mask(text)] = NO_BASE
    half = length // 2
    starts = np.arange(0, max(len(text) - length + 1, 0), length - half)
    if len(starts) > limit:
        starts = starts[np.linspace(0, len(starts) - 1, limit).round().astype(int)]
    places = starts[:, None] + np.arange(length)
    codes = codes[places]
    scored = (codes != NO_BASE) & (np.arange(length) >= half)
    keep = scored.any(axis=1)
    return HeldOut(text[places][keep], codes[keep], scored[keep])


def header_mask(text):
    """Which characters belong to FASTA header lines."""
    mask = np.zeros(len(text), dtype=bool)
    ends = np.flatnonzero(text == ord("\n"))
    for start in np.flatnonzero(text == ord(">")):
        after = np.searchsorted(ends, start)
        mask[start : ends[after] if after < len(ends) else len(text)] = True
    return mask


def left_aligned(held_out):
    """Bases alone, moved together to the left: what a model that reads nothing but bases sees.

    Returns
    -------
    codes : (N, L) uint8 array
        Base codes, then 4 to the right.
    scored : (N, L) bool array
        Which of them are scored.
    """
    order = np.argsort(held_out.codes == NO_BASE, axis=1, kind="stable")
    return np.take_along_axis(held_out.codes, order, 1), np.take_along_axis(held_out.scored, order, 1)


@torch.no_grad()
def bits_per_base(model, tokenizer, held_out, batch_size=64):
    """Mean -log2 probability of the scored bases under a language model.

    Parameters
    ----------
    model : PreTrainedModel
        ``model(input_ids=...).logits``; its mode and device are kept.
    tokenizer : PreTrainedTokenizerFast
    held_out : HeldOut
    batch_size : int

    Returns
    -------
    float

    Notes
    -----
    A base's probability is the sum over all tokens that stand for it (A and a).
    Tokens of several bases are scored by the chain rule instead, and count all
    their bases. Of a masked model they are pseudo-likelihoods, which see both sides of
    a token (`seqlm.pretraining.token_scores`): to be compared among masked models, and
    with a Markov chain with this in mind.
    """
    device, training = next(model.parameters()).device, model.training
    model.eval()
    score = _score_characters if kind_of(tokenizer) == "character" and not is_masked(model) else _score_words
    bits = bases = 0.0
    for start in range(0, len(held_out.text), batch_size):
        rows = slice(start, start + batch_size)
        part = HeldOut(held_out.text[rows], held_out.codes[rows], held_out.scored[rows])
        total, count = score(model, tokenizer, part, device)
        bits, bases = bits + total, bases + count
    model.train(training)
    return bits / bases if bases else float("nan")


def _score_characters(model, tokenizer, part, device):
    """Tokens of one character: probabilities of a base's tokens are added up."""
    alphabet = np.frombuffer(tokenizer.init_kwargs["seqlm"]["alphabet"].encode("latin-1"), np.uint8)
    if set(b">\n") <= set(alphabet.tolist()):
        text, codes, scored = part.text, part.codes, part.scored  # reads the text as it stands
    else:
        codes, scored = left_aligned(part)
        letters = np.frombuffer(b"ACGTN", np.uint8)
        text = letters[codes]
    ids = encode_batch(tokenizer, [row.tobytes().decode("latin-1") for row in text])
    logits = _logits(model, ids, device)[:, :-1]
    member = torch.from_numpy(BASE_CODES[alphabet][:, None] == np.arange(4)).to(device)  # (V, 4)
    row, column = (torch.from_numpy(x).to(device) for x in np.nonzero(scored))
    base = torch.from_numpy(codes[scored].astype(np.int64)).to(device)
    logp = torch.log_softmax(logits[row, column - 1].float(), -1)[:, : len(alphabet)]
    own = torch.logsumexp(logp.masked_fill(~member[:, base].T, -torch.inf), -1)
    return -own.double().sum().item() / np.log(2), len(base)


def _score_words(model, tokenizer, part, device):
    """Tokens of several bases: those that begin in the scored half, by the chain rule."""
    codes, scored = left_aligned(part)
    rows = [np.frombuffer(b"ACGT", np.uint8)[row[row != NO_BASE]].tobytes().decode() for row in codes]
    # Our corpora hold no tokens around a sequence, so a model that was pretrained here has never seen them.
    special = kind_of(tokenizer) == "hub"
    tokens, scores = score_tokens(model, tokenizer, rows, len(rows), device, special)
    begin = np.minimum(tokens.spans[..., 0], scored.shape[1] - 1)
    chosen = ~np.isnan(scores) & np.take_along_axis(scored, begin, 1)
    length = tokens.spans[..., 1] - tokens.spans[..., 0]
    return -scores[chosen].sum() / np.log(2), int(length[chosen].sum())


def _logits(model, ids, device):
    return model(input_ids=torch.from_numpy(ids).to(device)).logits


def markov_report(corpus, tokenizer, held_out, limit=50_000_000):
    """Order and bits per base of the Markov model fitted to the bases of the training text.

    Parameters
    ----------
    corpus : Corpus
    tokenizer : PreTrainedTokenizerFast
        Whose tokens spell the training text.
    held_out : HeldOut
    limit : int
        Most tokens that are counted.

    Returns
    -------
    dict
        bases, markov_order, markov_bits_per_base; empty where there is nothing to score.
    """
    codes = spelled_bases(np.asarray(corpus.train[:limit]), tokenizer)
    if not held_out.bases or not len(codes):
        return {}
    model = choose_markov(codes)
    bits = model.bits(*left_aligned(held_out))
    return {"bases": held_out.bases, "markov_order": model.order, "markov_bits_per_base": float(bits.mean())}


def spelled_bases(ids, tokenizer):
    """Base codes 0..3 of the bases that tokens spell, header lines and all that is no base left out."""
    words = sorted((i, token) for token, i in tokenizer.get_vocab().items())
    letters = [
        b"" if word.startswith("<") and len(word) > 1 else word.encode("latin-1", "replace") for _, word in words
    ]
    table = np.zeros((words[-1][0] + 1, max(map(len, letters))), np.uint8)
    for (i, _), word in zip(words, letters, strict=True):
        table[i, : len(word)] = np.frombuffer(word, np.uint8)
    text = table[ids].ravel()
    codes = BASE_CODES[text]
    return codes[(codes < 4) & ~header_mask(text)]
