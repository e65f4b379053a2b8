"""Log probability of each token of sequences under a causal or masked language model.

Only tokens that stand for bases are scored: neither those that a tokenizer puts around a sequence nor unknown ones. A
masked model is asked for each token with all tokens hidden that share a base with it: else the neighbour of an
overlapping word tells all but one of its letters. What is longer than a model reads is read in windows, so that a token
sees at least half a window of what stands before it (causal) or stands in the middle of one (masked).
"""

import numpy as np
import torch

from seqlm.models.language.encoders import longest_input
from seqlm.models.language.padding import in_batch
from seqlm.pretraining.masking import ordinary_tokens
from seqlm.tokenization import kind_of
from seqlm.tokenization.bases import NOTHING, tokens_of


def is_masked(model):
    """Whether a language model predicts tokens from both sides."""
    return "Masked" in type(model).__name__


@torch.no_grad()
def score_tokens(model, tokenizer, sequences, batch_size=64, device="cpu", special=True):
    """Log probabilities of tokens.

    Parameters
    ----------
    model : PreTrainedModel
        On `device`, in evaluation mode.
    tokenizer : PreTrainedTokenizerBase
    sequences : list of str
        A, C, G, T and N.
    batch_size : int
        Windows in a forward pass.
    device : torch.device or str
    special : bool
        Show the model the tokens that its tokenizer puts around a sequence.

    Returns
    -------
    tokens : Tokens
        See `seqlm.tokenization.bases`.
    scores : float64 array (N, T)
        In nats; NaN where a token is not scored. Of a causal model without a token before the sequence, the first is
        not. Of a character tokenizer the tokens of a base in either case count together.
    """
    tokens = tokens_of(tokenizer, sequences)
    asked = tokens.ordinary & np.isin(tokens.ids, ordinary_tokens(tokenizer))
    longest = longest_input(model, tokenizer) or tokens.ids.shape[1]
    scores = np.full(tokens.ids.shape, np.nan)
    windows = _masked_windows if is_masked(model) else _causal_windows
    answer = _masked if is_masked(model) else _causal
    letters = _letters(tokenizer)
    pending = []
    for window in windows(tokens, asked, longest, special):
        pending.append(window)
        if len(pending) == batch_size:
            answer(model, tokenizer, tokens, asked, pending, letters, scores, device)
            pending = []
    if pending:
        answer(model, tokenizer, tokens, asked, pending, letters, scores, device)
    return tokens, scores


def by_base(tokens, scores):
    """Scores of tokens as those of bases, list of float64 arrays: each token's is shared out among its bases.

    What is not scored counts nothing, so that the sum over bases is that over tokens.
    """
    start, end = tokens.spans[..., 0], tokens.spans[..., 1]
    share = np.where(np.isnan(scores), 0.0, scores) / np.maximum(end - start, 1)
    change = np.zeros((len(scores), tokens.bases + 1))
    row = np.arange(len(scores))[:, None]
    np.add.at(change, (row, start), share)
    np.add.at(change, (row, end), -share)
    return np.cumsum(change, 1)[:, :-1]


def _frame(tokens, row, special):
    """Numbers of the tokens before a row's sequence, of the sequence, and after it."""
    ordinary, n = np.flatnonzero(tokens.ordinary[row]), int((tokens.ids[row] != NOTHING).sum())
    if not len(ordinary):
        return np.arange(n), np.arange(0), np.arange(0)
    a, b = ordinary[0], ordinary[-1] + 1
    return np.arange(a if special else 0), np.arange(a, b), np.arange(b, n if special else b)


def _causal_windows(tokens, asked, longest, special):
    """(row, columns shown, columns asked for): all of them at once, or the second half of each further window."""
    for row in range(len(tokens.ids)):
        before, own, _ = _frame(tokens, row, special)
        if not len(own):
            continue
        room, done = max(longest - len(before), 2), 0
        for start in range(0, len(own), max(room // 2, 1)):
            shown = np.concatenate([before, own[start : start + room]])
            wanted = own[max(done, start) : start + room]
            yield row, shown, wanted[asked[row, wanted] & (wanted != shown[0])]
            done = start + room
            if done >= len(own):
                break


def _masked_windows(tokens, asked, longest, special):
    """(row, columns shown, the column asked for): one for every token."""
    for row in range(len(tokens.ids)):
        before, own, after = _frame(tokens, row, special)
        room = max(longest - len(before) - len(after), 1)
        for column in own[asked[row, own]]:
            start = min(max(column - own[0] - room // 2, 0), max(len(own) - room, 0))
            yield row, np.concatenate([before, own[start : start + room], after]), column


def _shown(tokens, windows):
    """Ids (n, width) of windows, `NOTHING` on their right."""
    ids = np.full((len(windows), max(len(shown) for _, shown, _ in windows)), NOTHING)
    for line, (row, shown, _) in zip(ids, windows, strict=True):
        line[: len(shown)] = tokens.ids[row, shown]
    return ids


def _causal(model, tokenizer, tokens, asked, windows, letters, scores, device):
    ids = _shown(tokens, windows)
    logits = _logits(model, ids, device)
    for line, (row, shown, wanted) in enumerate(windows):
        at = np.searchsorted(shown, wanted)  # columns are in order
        own = torch.from_numpy(tokens.ids[row, wanted]).to(device)
        scores[row, wanted] = _own(logits[line, torch.from_numpy(at - 1)], own, letters).cpu().numpy()


def _masked(model, tokenizer, tokens, asked, windows, letters, scores, device):
    ids = _shown(tokens, windows)
    places = []
    for line, (row, shown, wanted) in zip(ids, windows, strict=True):
        start, end = tokens.spans[row, wanted]
        hidden = (tokens.spans[row, shown, 0] < end) & (tokens.spans[row, shown, 1] > start)
        line[: len(shown)][hidden & asked[row, shown]] = tokenizer.mask_token_id
        places.append(int(np.searchsorted(shown, wanted)))
    logits = _logits(model, ids, device)[torch.arange(len(ids)), torch.tensor(places)]
    rows, columns = [row for row, *_ in windows], [wanted for *_, wanted in windows]
    own = torch.from_numpy(tokens.ids[rows, columns]).to(device)
    scores[rows, columns] = _own(logits, own, letters).cpu().numpy()


def _own(logits, ids, letters):
    """Log probability (n,) of ids under logits (n, V), float64; of characters that of the base in either case."""
    logp = torch.log_softmax(logits.double(), -1)
    if letters is None:
        return logp.gather(-1, ids[:, None])[:, 0]
    letters = letters.to(ids.device)
    same = letters[ids][:, None] == letters
    return logp[:, : len(letters)].masked_fill(~same, -torch.inf).logsumexp(-1)


def _logits(model, ids, device):
    """(n, T, V), each sequence's those that it has alone."""
    ids = torch.from_numpy(ids).to(device)
    if getattr(model.config, "model_type", "") == "seqlm-gpt":  # reads what is no token as nothing
        return model(input_ids=ids).logits
    known = (ids >= 0) & (ids < model.config.vocab_size)
    padding = model.config.pad_token_id or 0

    def run(ids, known):
        return model(input_ids=ids.where(known, padding), attention_mask=known.long()).logits

    return in_batch(model, run, ids, known)


def _letters(tokenizer):
    """For each token of a character tokenizer, the first token that stands for the same base; None for any other."""
    if kind_of(tokenizer) != "character":
        return None
    alphabet = tokenizer.init_kwargs["seqlm"]["alphabet"]
    same = [letter.upper() if letter.upper() in "ACGT" else letter for letter in alphabet]
    return torch.tensor([same.index(letter) for letter in same])
