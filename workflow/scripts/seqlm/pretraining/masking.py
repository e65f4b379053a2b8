"""Masked language modelling: which tokens are hidden, how, and how well they are found again.

Of every window a fraction of the ordinary tokens is to be predicted; of these 80% are shown as ``<mask>``, 10% as a
random token, 10% as they are (Devlin et al. 2019). `MaskedBlocks` draws anew for every example.
"""

import numpy as np
import torch
import torch.nn.functional as F

from seqlm.training.objectives import Objective

IGNORED = -100
_SHOWN_AS_MASK, _SHOWN_AS_RANDOM = 0.8, 0.9  # the rest is shown as it is


def ordinary_tokens(tokenizer):
    """Ids that stand for sequence: all but the special ones, array (n,)."""
    special = set(tokenizer.all_special_ids)
    special |= {i for token, i in tokenizer.get_vocab().items() if token.startswith("<") and token.endswith(">")}
    return np.array(sorted(set(tokenizer.get_vocab().values()) - special))


def mask_tokens(ids, random, ordinary, mask_id, probability=0.15):
    """Hide tokens.

    Parameters
    ----------
    ids : int array (N, T)
    random : float array (3, N, T), uniform in [0, 1)
        Which tokens are predicted, how they are shown, by what they are replaced.
    ordinary : int array
        Ids that may be predicted and put in place of others, see `ordinary_tokens`.
    mask_id : int
    probability : float
        Fraction of ordinary tokens to be predicted.

    Returns
    -------
    shown : int64 array (N, T)
    targets : int64 array (N, T)
        The hidden id, or -100 where nothing is predicted.
    """
    ids = ids.astype(np.int64)
    is_ordinary = np.zeros(max(int(ids.max(initial=0)), int(ordinary.max())) + 1, bool)
    is_ordinary[ordinary] = True
    predicted = is_ordinary[ids] & (random[0] < probability)
    masked = predicted & (random[1] < _SHOWN_AS_MASK)
    replaced = predicted & ~masked & (random[1] < _SHOWN_AS_RANDOM)
    shown = np.where(masked, mask_id, ids)
    shown[replaced] = ordinary[(random[2][replaced] * len(ordinary)).astype(int)]
    return shown, np.where(predicted, ids, IGNORED)


class MaskedTokenObjective(Objective):
    """Cross entropy of hidden tokens in nats, with the accuracy per token and per base.

    Parameters
    ----------
    tokenizer : PreTrainedTokenizerFast
        Tells which bases a token stands for.
    """

    metric = "loss"
    metrics = {"loss": False, "accuracy": True, "base_accuracy": True}

    def __init__(self, tokenizer):
        self.letters = torch.from_numpy(token_letters(tokenizer))

    def __call__(self, model, batch, meter=None):
        network = getattr(model, "module", model)
        hidden = network.base_model(batch["input_ids"], attention_mask=batch.get("attention_mask")).last_hidden_state
        predicted = batch["targets"] != IGNORED
        # The output layer is as wide as the vocabulary: it is run on the hidden tokens alone.
        logits, targets = network.lm_head(hidden[predicted]).float(), batch["targets"][predicted]
        total = F.cross_entropy(logits, targets, reduction="sum")
        if meter is not None:
            meter.add_loss(total.detach(), len(targets))
            best = logits.detach().argmax(1)
            true = self.letters.to(best.device)[targets]
            same = (self.letters.to(best.device)[best] == true) & (true > 0)
            meter.pairs.add((best == targets).sum(), len(targets), same.sum(), (true > 0).sum())
        return total / max(1, len(targets))

    def compute(self, meter):
        hits, tokens, base_hits, bases = meter.pairs
        return {
            "loss": meter.mean_loss(),
            "accuracy": hits / tokens if tokens else float("nan"),
            "base_accuracy": base_hits / bases if bases else float("nan"),
        }


def token_letters(tokenizer):
    """Character codes of each token's letters, uint8 (V, longest), 0 beyond its end and for special tokens."""
    tokens = {i: token for token, i in tokenizer.get_vocab().items()}
    ordinary = ordinary_tokens(tokenizer)
    table = np.zeros((len(tokens), max(len(tokens[i]) for i in ordinary)), np.uint8)
    for i in ordinary:
        table[i, : len(tokens[i])] = np.frombuffer(tokens[i].encode("latin-1", "replace"), np.uint8)
    return table
