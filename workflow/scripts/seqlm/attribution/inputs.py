"""How edits of a sequence become edits of a model's input."""

from dataclasses import replace

import torch

from seqlm.common.errors import InputError
from seqlm.inference.prediction import encode
from seqlm.tokenization import kind_of, nothing_id
from seqlm.tokenization.atomic import layout_of
from seqlm.tokenization.spelling import spelling_of

BASES = "ACGT"


class Inputs:
    """Sequences whose model input has one column per token.

    Attributes
    ----------
    tokens : list of list of str
        The tokens of each sequence that the model reads.
    starts : list of int
        How many tokens before these are cut off.
    lengths : list of int
        Columns of each sequence's input, padding included.
    names : list of str
        Replacements, in the order of their axis; empty unless they are replaced.
    blank : tensor, shape () or (C,)
        Column that stands for no base.
    columns : tensor, shape (R,) or (R, C)
        What an edit can put in a position.
    replacement_text : callable or None
        ``(token, replacement)`` -> how the token reads after it was replaced; as the replacement when None.
    """

    replacement_text = None

    def __init__(self, model, sequences, edit, replacements=None):
        self.model, self.sequences, self.edit = model, sequences, edit
        self.layout = layout_read_by(model)
        self.fixed = getattr(getattr(model, "config", None), "length", None)
        self.longest = self.fixed
        if self.longest is None and hasattr(model, "backbone"):
            from seqlm.models.language.encoders import longest_input

            self.longest = longest_input(model.backbone, model.tokenizer)
        self.starts, self.tokens = map(list, zip(*map(self._read, sequences), strict=True))
        self.lengths = [self.fixed or len(tokens) for tokens in self.tokens]
        if self.layout is None:
            replacements = _bases(replacements)
        self.names, self.allowed = _replacements(edit, replacements)
        self._prepare()

    def _prepare(self):
        self.blank = self._blank()
        self.columns = encode(self.model, self.names)[..., 0] if self.names else self.blank[None]

    def _read(self, sequence):
        """Where a model of limited input length begins to read, and the tokens from there on that it reads."""
        if self.layout is None:
            return 0, list(sequence[: self.longest])
        tokens = list(self.layout.split(sequence))
        if hasattr(self.model, "backbone"):
            return 0, tokens[: self.longest]
        start, end = self.layout.span(tokens, self.fixed or len(tokens))
        return start, tokens[start:end]

    def _blank(self):
        if not hasattr(self.model, "encode"):
            return torch.zeros(4)
        if hasattr(self.model, "backbone"):
            code = nothing_id(self.model.tokenizer)  # what an N becomes
        elif self.layout is not None:
            code = self.layout.size
        else:
            code = len(BASES)
        example = encode(self.model, ["A"] if self.layout is None else self.sequences[:1])
        blank = torch.zeros(example.shape[1:-1], dtype=example.dtype)
        blank.view(-1)[0] = code  # the channels after the first hold specifiers
        return blank

    def encode(self, rows):
        """Model input of sequences of equal input length, (n, L) or (n, C, L)."""
        return encode(self.model, [self.sequences[index] for index in rows])

    def asked(self, rows):
        """Which edits are asked for: (n, positions, R) bool."""
        width = max(len(self.tokens[index]) for index in rows)
        asked = torch.zeros(len(rows), width, max(1, len(self.names)), dtype=torch.bool)
        for local, index in enumerate(rows):
            tokens = self.tokens[index]
            asked[local, : len(tokens)] = self.edit != "replace" or bool(self.names)
            if self.allowed is not None and self.names and tokens:
                asked[local, : len(tokens)] = torch.tensor([self._allowed(token) for token in tokens])
        return asked

    def _allowed(self, token):
        allowed = self.allowed.get(token, ())
        return [name in allowed for name in self.names]

    def columns_at(self, X, row, position, choice):
        """What edits put at positions of model inputs `X`: (M,) or (M, C)."""
        return self.columns[choice]

    def unchanged(self, rows, X, width):
        """Which edits leave a sequence as it is: (n, positions, R) bool."""
        if self.edit == "remove":
            return torch.zeros(len(rows), width, 1, dtype=torch.bool)
        X = X[..., :width]
        if X.ndim == 2:
            return X[:, :, None] == self.columns
        return (X.transpose(1, 2)[:, :, None] == self.columns).all(-1)


def layout_read_by(model):
    """The layout of the atomic tokens that a model reads, None when it reads bases.

    A backbone reads the tokens of an atomic tokenizer, but none of their specifiers.
    """
    tokenizer = getattr(model, "tokenizer", None)
    if tokenizer is not None and kind_of(tokenizer) == "atomic":
        return replace(layout_of(tokenizer), specifiers=0)
    return getattr(model, "layout", None)


class TextInputs(Inputs):
    """Sequences whose text is edited and tokenized again: one position per base, N for a masked one.

    A base that cannot be spared (nothing that the model can read is left without it) is not removed. Of a track what
    follows a removed base moves up by one and an N fills the free end, so that there are as many values as before.

    Raises
    ------
    InputError
        Bases are to be removed for a tokenizer that reads several at a time and knows no rest.
    """

    def _read(self, sequence):
        return 0, list(sequence)

    def _prepare(self):
        self.lengths = [len(tokens) for tokens in self.tokens]
        self.least = getattr(self.model, "least_bases", 1)
        tokenizer = getattr(self.model, "tokenizer", None)
        if tokenizer is None or self.model.config.target == "track":
            return
        spelling = spelling_of(tokenizer)
        self.least = max(self.least, spelling.words)
        if self.edit == "remove" and spelling.step > 1:
            problem = f"the tokenizer reads {spelling.step} bases at a time and knows no rest, which one less leaves"
            raise InputError("edit remove", problem, "use edit: mask or replace")

    def encode(self, rows):
        return [self.sequences[index] for index in rows]

    def asked(self, rows):
        asked = super().asked(rows)
        if self.edit == "remove":
            asked &= torch.tensor([len(self.tokens[index]) > self.least for index in rows])[:, None, None]
        return asked

    def unchanged(self, rows, X, width):
        puts = self.names or (["N"] if self.edit == "mask" else [None])
        unchanged = torch.zeros(len(rows), width, len(puts), dtype=torch.bool)
        for local, index in enumerate(rows):
            tokens = self.tokens[index]
            same = [[token == put for put in puts] for token in tokens]
            unchanged[local, : len(tokens)] = torch.tensor(same, dtype=torch.bool).view(len(tokens), -1)
        return unchanged

    def edited(self, row, position, choice, texts):
        """Edited and encoded copies of `texts`, one per edit."""
        puts = self.names or (["N"] if self.edit == "mask" else [""])
        end = "N" if self.edit == "remove" and self.model.config.target == "track" else ""
        copies = [
            texts[r][:p] + puts[c] + texts[r][p + 1 :] + end
            for r, p, c in zip(row.tolist(), position.tolist(), choice.tolist(), strict=True)
        ]
        return encode(self.model, copies)


def _bases(replacements):
    """Replacements of bases spelled as sequences are: upper case, with T."""
    if isinstance(replacements, dict):
        return {_base(token): [*map(_base, names)] for token, names in replacements.items()}
    return replacements and [*map(_base, replacements)]


def _base(text):
    base = str(text).upper().replace("U", "T")
    if len(base) != 1 or base not in BASES + "N":
        raise InputError("replacements", f"{text!r} is not one base", "replace a base (A, C, G, T or N) by a base")
    return base


def _replacements(edit, replacements):
    """Names of all replacements, and which of them each token gets (None: all)."""
    if edit != "replace":
        if replacements is not None:
            raise InputError("replacements", f"they mean nothing for edit {edit}", "use edit: replace or drop them")
        return [], None
    if replacements is None:
        return list(BASES), None
    if isinstance(replacements, dict):
        return list(dict.fromkeys(name for names in replacements.values() for name in names)), replacements
    return list(dict.fromkeys(replacements)), None
