"""Settings of a model on a backbone that do not go together, each told in one line."""

import torch

from seqlm.common.errors import InputError
from seqlm.models.heads import POOLINGS
from seqlm.sequences import base_codes
from seqlm.sequences.codes import NO_BASE
from seqlm.tokenization import kind_of

CONTEXTS = ("forward", "both_strands")
SKIPS = ("none", "onehot")
BASES = 4
ONE_BASE = ("character", "atomic")  # kinds of tokenizers whose tokens stand for a base each
# Two sequences without a token of several bases in common.
_PROBES = ("ACGTTGCAACGTACGTGGAT", "TGACCATGCAAGGTCCATTC")


def bases_of_tokens(tokenizer, size):
    """Base code of each of `size` ids, 4 where the token is not one base."""
    words = tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))
    codes = [int(base_codes([word])[0, 0]) if word and len(word) == 1 else NO_BASE for word in words]
    if kind_of(tokenizer) not in ONE_BASE or len({*codes} - {NO_BASE}) < BASES:
        raise InputError("skip", "the backbone's tokens are not single bases", "leave skip out")
    return (codes + [NO_BASE] * size)[:size]


def check(config):
    """Settings that do not go together, said before anything is built."""
    if config.head not in ("conv", "pooled", "linear"):
        raise InputError("head", f"no such head: {config.head}", "use conv, pooled or linear")
    if (config.head == "conv") != (config.target == "track"):
        raise InputError(
            "head", f"a {config.head} head cannot predict a {config.target}", "use conv for track, else another"
        )
    if config.context not in CONTEXTS:
        raise InputError("context", f"no such context: {config.context}", f"use {' or '.join(CONTEXTS)}")
    if config.context == "both_strands" and not config.complement:
        raise InputError("context", "both_strands needs the tokens' complement", "give complement or use forward")
    if config.complement == "text" and config.head != "conv" and config.pooling not in POOLINGS:
        problem = f"{config.pooling} cannot gather both strands of a text whose tokens are not bases"
        raise InputError("pooling", problem, "use mean_max, or context: forward")
    if config.complement == "text" and config.head != "conv" and config.before_pooling:
        problem = "no convolution can read both strands of a text whose tokens are not bases"
        raise InputError("depth", problem, "use depth: 0, or context: forward")
    if config.skip not in SKIPS:
        raise InputError("skip", f"no such skip: {config.skip}", f"use {' or '.join(SKIPS)}")
    if config.skip == "onehot" and config.head != "conv" and not config.before_pooling:
        problem = f"a {config.head} head without convolutions reads no bases"
        raise InputError("skip", problem, "use it with head: conv, or depth: 1 and more")
    if config.skip == "onehot" and not config.token_bases and not config.by_base:
        raise InputError("skip", "onehot needs the tokens' bases", "give token_bases or leave skip out")
    if config.train not in ("head", "all") and not (isinstance(config.train, int) and config.train > 0):
        raise InputError("train", f"cannot train {config.train!r}", "use head, all or a number of last layers")


@torch.no_grad()
def check_first(model):
    """Refuse to pool the first token where it is the same whatever the sequence: a causal model's first special one."""
    if model.config.pooling != "first" or model.config.head == "conv":
        return
    training = model.training
    model.eval()  # dropout would tell the two apart
    a, b = model.features(model.encode(list(_PROBES)), pooled=True)
    model.train(training)
    if torch.allclose(a, b, rtol=1e-6, atol=1e-7):
        problem = "the backbone reads from left to right, so its first token has seen nothing of the sequence"
        raise InputError("pooling: first", problem, "use last, mean or mean_max")
