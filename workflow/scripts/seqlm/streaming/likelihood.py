"""How likely a language model finds a sequence."""

import numpy as np
import torch

from seqlm.common.errors import InputError
from seqlm.inference.prediction import choose_batch_size, prepared
from seqlm.inference.reading import check_size, readable
from seqlm.models.language.backbone import longest_input
from seqlm.pretraining.masking import ordinary_tokens
from seqlm.tokenization import encode_batch, kind_of, spelled


def log_likelihood(model, sequences, batch_size=None, device=None):
    """Log probability of each sequence under a language model.

    Parameters
    ----------
    model : PreTrainedModel
        With ``tokenizer``.
    sequences : list of str
        Bases in either case, with T or U: spelled as for `seqlm.predict`.
    batch_size : int, optional
    device : str, optional

    Returns
    -------
    numpy.ndarray, float64 (N,)
        In nats. Of a causal model, given its first token; of a character tokenizer, the tokens of a base in either case
        count together, and characters outside of the alphabet (N) are not scored. Of a masked model the pseudo
        log-likelihood (Salazar et al. 2020, ACL): the sum over tokens of the log probability of each when it alone is
        masked, special tokens left out; of overlapping k-mers with all that share a base with it.

    Raises
    ------
    InputError
        The model has no output layer or no tokenizer, or is masked and its tokenizer has no token for that; a sequence
        is longer than the model reads: of one that is cut, the likelihood could not be compared with others.
    """
    _require_likelihood(model)
    check_size("batch_size", batch_size)
    sequences = readable(model, sequences)
    score = _masked if is_masked(model) else _causal
    with prepared(model, device=device) as run:
        size = batch_size or choose_batch_size(max(map(len, sequences)), run.device, model)
        parts = [score(model, run.device, sequences[at : at + size], size) for at in range(0, len(sequences), size)]
    return np.concatenate(parts)


def is_masked(model):
    """Whether a language model predicts tokens from both sides."""
    return "Masked" in type(model).__name__


def _causal(model, device, sequences, _):
    tokenizer = model.tokenizer
    ids, known = (values.to(device) for values in _token_ids(model, sequences))
    inside = ids if getattr(model.config, "model_type", "") == "seqlm-gpt" else ids.where(known, 0)
    logp = torch.log_softmax(model(input_ids=inside).logits[:, :-1].double(), -1)
    targets = ids[:, 1:].where(known[:, 1:], 0)
    if kind_of(tokenizer) == "character":
        letters = _letters(tokenizer).to(device)
        same = letters[targets][..., None] == letters
        own = logp[..., : len(letters)].masked_fill(~same, -torch.inf).logsumexp(-1)
    else:
        own = logp.gather(-1, targets[..., None])[..., 0]
    return own.where(known[:, 1:], 0).sum(1).cpu().numpy()


def _masked(model, device, sequences, size):
    """A copy for each token, that token masked."""
    tokenizer = model.tokenizer
    ids, known = (values.to(device) for values in _token_ids(model, sequences))
    ids = ids.where(known, 0)
    ordinary = known & torch.isin(ids, torch.as_tensor(ordinary_tokens(tokenizer), device=device))
    row, position = ordinary.nonzero(as_tuple=True)
    column = torch.arange(ids.shape[1], device=device)
    total = torch.zeros(len(ids), dtype=torch.double, device=device)
    for r, p in zip(row.split(size), position.split(size), strict=True):
        hidden = ((column - p[:, None]).abs() <= _shared(tokenizer)) & ordinary[r]
        shown = ids[r].masked_fill(hidden, tokenizer.mask_token_id)
        logits = model(input_ids=shown, attention_mask=known[r].long()).logits
        logp = torch.log_softmax(logits[torch.arange(len(r), device=device), p].double(), -1)
        total.index_add_(0, r, logp.gather(1, ids[r, p][:, None])[:, 0])
    return total.cpu().numpy()


def _shared(tokenizer):
    """How many tokens on either side share bases with a token."""
    own = tokenizer.init_kwargs.get("seqlm", {})
    return own["k"] - 1 if own.get("overlapping") else 0


def _token_ids(model, sequences):
    """Ids (N, T) and which of them are tokens of the sequence."""
    ids, known = _padded_ids(model.tokenizer, spelled(model.tokenizer, sequences))
    longest = longest_input(model, model.tokenizer)
    if longest is not None and ids.shape[1] > longest:
        problem = f"has {ids.shape[1]} tokens, the language model reads {longest}"
        raise InputError("sequence", problem, "score shorter sequences (of variants, windows of a smaller length)")
    return ids, known


def _padded_ids(tokenizer, sequences):
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


def _require_likelihood(model):
    name = type(model).__name__
    if model.get_output_embeddings() is None:
        raise InputError(name, "gives a sequence no likelihood", "give a language model with its output layer")
    if getattr(model, "tokenizer", None) is None:
        raise InputError(name, "has no tokenizer", "save it in the bundle")
    if is_masked(model) and model.tokenizer.mask_token_id is None:
        raise InputError(name, "its tokenizer has no token for masked ones", "name it in tokenizer_config.json")
