"""How likely a language model finds a sequence."""

import numpy as np

from seqlm.common.errors import InputError
from seqlm.inference.prediction import choose_batch_size, prepared
from seqlm.inference.reading import check_size, readable
from seqlm.pretraining.token_scores import by_base, is_masked, score_tokens


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
        In nats, over the tokens that stand for bases: special and unknown ones (an N) are not scored. Of a causal
        model, each given those before it, the first given the token that the tokenizer puts there, else it is not
        scored; of a character tokenizer, the tokens of a base in either case count together. Of a masked model the
        pseudo log-likelihood (Salazar et al. 2020, ACL): the sum over tokens of the log probability of each when it is
        masked, and with it every token that shares a base with it. A sequence that is longer than the model reads is
        read in windows, see `seqlm.pretraining.token_scores`.

    Raises
    ------
    InputError
        The model has no output layer or no tokenizer, or is masked and its tokenizer has no token for that.
    """
    scored = _scored(model, sequences, batch_size, device)
    return np.concatenate([np.nansum(scores, 1) for _, _, scores in scored])


def log_likelihood_by_base(model, sequences, batch_size=None, device=None):
    """Log probability of each base; a token's is shared out among its bases, so that they add up to `log_likelihood`.

    Parameters
    ----------
    model, sequences, batch_size, device
        As for `log_likelihood`.

    Returns
    -------
    list of numpy.ndarray, float64 (length,)
        One value for each base, 0 where none is scored.
    """
    found = []
    for rows, tokens, scores in _scored(model, sequences, batch_size, device):
        found += [own[: len(row)] for own, row in zip(by_base(tokens, scores), rows, strict=True)]
    return found


def _scored(model, sequences, batch_size, device):
    """(sequences, tokens, scores) of one batch after another."""
    _require_likelihood(model)
    check_size("batch_size", batch_size)
    sequences = readable(model, sequences)
    with prepared(model, device=device) as run:
        size = batch_size or choose_batch_size(max(map(len, sequences)), run.device, model)
        for start in range(0, len(sequences), size):
            rows = sequences[start : start + size]
            yield rows, *score_tokens(model, model.tokenizer, rows, size, run.device)


def _require_likelihood(model):
    name = type(model).__name__
    if model.get_output_embeddings() is None:
        raise InputError(name, "gives a sequence no likelihood", "give a language model with its output layer")
    if getattr(model, "tokenizer", None) is None:
        raise InputError(name, "has no tokenizer", "save it in the bundle")
    if is_masked(model) and model.tokenizer.mask_token_id is None:
        raise InputError(name, "its tokenizer has no token for masked ones", "name it in tokenizer_config.json")
