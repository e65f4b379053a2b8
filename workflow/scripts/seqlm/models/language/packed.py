"""Input of a model that predicts a value per base from tokens that are not the bases.

All that it needs is one array of integers, so that whatever batches, shuffles or caches inputs treats it as any other:

========  =======  ==========================================================
part      columns  meaning
========  =======  ==========================================================
T         1        tokens in a row, of each strand
ids       S T      of each of the S strands, -1 beyond its tokens
first     S L      first token over each base, of each strand
last      S L      last one; before the first where the base has no token
codes     L        base codes, 4 for N and beyond the sequence
========  =======  ==========================================================

N at the ends of a sequence are no tokens: they fill up what is shorter than others.
"""

import re
from dataclasses import dataclass

import numpy as np
import torch

from seqlm.common.errors import InputError
from seqlm.sequences import base_codes, reverse_complement
from seqlm.sequences.codes import NO_BASE
from seqlm.tokenization.bases import NOTHING, tokens_of

_OTHER = re.compile("[^ACGT]")


@dataclass
class Packed:
    """The parts of a packed input, one of each for every strand.

    Attributes
    ----------
    ids : list of integer tensors (N, T)
    first, last : list of integer tensors (N, L)
        In the order of the forward strand's bases.
    codes : integer tensor (N, L)
    """

    ids: list
    first: list
    last: list
    codes: torch.Tensor


def pack(tokenizer, sequences, both_strands=False, longest=None):
    """Packed input of sequences: int32 tensor (N, 1 + S T + 2 S L + L).

    Parameters
    ----------
    tokenizer : PreTrainedTokenizerBase
    sequences : list of str
        Bases in either case, with T or U; any other letter is an N.
    both_strands : bool
        Read the reverse complement, too: S is 2.
    longest : int, optional
        Tokens that the backbone reads at most.

    Raises
    ------
    InputError
        A sequence has more tokens than the backbone reads, or its tokens do not spell it.
    """
    sequences = [_OTHER.sub("N", sequence.upper().replace("U", "T")) for sequence in sequences]
    cores, left = zip(*(_core(tokenizer, sequence) for sequence in sequences), strict=True)
    strands = [tokens_of(tokenizer, cores)]
    if both_strands:
        strands.append(tokens_of(tokenizer, list(map(reverse_complement, cores))))
    width, length = max(1, *(tokens.ids.shape[1] for tokens in strands)), max(map(len, sequences))
    if longest is not None and width > longest:
        raise InputError("sequence", f"has {width} tokens, the backbone reads {longest}", "cut it into windows")
    ids, edges = [], []
    for strand, tokens in enumerate(strands):
        covering = np.stack(tokens.covering())
        ids.append(np.pad(tokens.ids, ((0, 0), (0, width - tokens.ids.shape[1])), constant_values=NOTHING))
        placed = np.zeros((2, len(sequences), length), np.int64)
        placed[1] = -1
        for row, (core, start) in enumerate(zip(cores, left, strict=True)):
            own = covering[:, row, : len(core)]
            placed[:, row, start : start + len(core)] = own[:, ::-1] if strand else own
        edges.append(placed)
    parts = [np.full((len(sequences), 1), width), *ids, *(placed[0] for placed in edges)]
    parts += [*(placed[1] for placed in edges), base_codes(sequences)]
    return torch.from_numpy(np.concatenate(parts, 1).astype(np.int32))


def _core(tokenizer, sequence):
    """A sequence without the N at its ends, and how many were on its left.

    Where a tokenizer reads several bases at a time and knows no rest, as many at a time; where nothing is left that it
    could read as a word, nothing.
    """
    spelling = tokenizer.init_kwargs.get("seqlm", {}).get("spelling", {})
    step, word = spelling.get("step", 1), spelling.get("words", 0)
    left = (len(sequence) - len(sequence.lstrip("N"))) // step * step
    right = (len(sequence) - len(sequence.rstrip("N"))) // step * step
    core = sequence[left : len(sequence) - right]
    return (core, left) if core.strip("N") and len(core) >= word else ("", 0)


def unpack(X, strands=1):
    """The `Packed` parts of an input of so many strands."""
    tokens, length = int(X[0, 0]), bases(X, strands)
    X = X.long()
    sizes = [1, *[tokens] * strands, *[length] * (2 * strands + 1)]
    _, *parts = X.split(sizes, 1)
    return Packed(parts[:strands], parts[strands : 2 * strands], parts[2 * strands : 3 * strands], parts[-1])


def bases(X, strands=1):
    """Bases of each sequence of a packed input."""
    return (X.shape[1] - 1 - strands * int(X[0, 0])) // (2 * strands + 1)


def features_of_bases(states, X, strands=1, onehot=False):
    """Features (N, L, D) of bases from those of tokens.

    Parameters
    ----------
    states : tensor (N, S T, E)
        Of the tokens of each strand, one strand after the other.
    X : integer tensor
        The packed input.
    strands : int
    onehot : bool
        Put the base itself beside them, as 4 more.
    """
    packed = unpack(X, strands)
    edges = zip(states.chunk(strands, 1), packed.first, packed.last, strict=True)
    parts = [over_bases(*edge) for edge in edges]
    if onehot:
        parts.append(torch.nn.functional.one_hot(packed.codes, NO_BASE + 1)[..., :NO_BASE].to(states.dtype))
    return torch.cat(parts, -1)


def over_bases(states, first, last):
    """States (N, T, E) of tokens as those of bases (N, L, E): the mean of the tokens over a base, zeros for none."""
    count = last - first + 1
    dtype = torch.promote_types(states.dtype, torch.float32)  # sums in 16 bits lose digits
    total = states.new_zeros(*first.shape, states.shape[-1], dtype=dtype)
    for step in range(int(count.max().clamp(min=0))):
        token = (first + step).clamp(max=states.shape[1] - 1)
        own = states.gather(1, token.unsqueeze(-1).expand_as(total))
        total = total + own.where((step < count).unsqueeze(-1), 0)
    return (total / count.clamp(min=1).unsqueeze(-1)).to(states.dtype)
