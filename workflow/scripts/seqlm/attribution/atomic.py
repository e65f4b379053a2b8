"""Leaving out atomic tokens: what stands in the place of a token that may carry specifiers.

==========  ===============================================================================
remove      the token goes with its specifiers; what follows moves up with its own
mask        all channels of the position are zero, its specifiers too
replace     another token, which keeps the specifiers (``a#0.7`` becomes ``c#0.7``), unless
            it brings its own
``""``      as a replacement: the token itself without its specifiers (``a#0.7`` becomes
            ``a``); only tokens that have any get it. "replacespecifier" is "replace" with
            this replacement for every token
==========  ===============================================================================
"""

import torch

from seqlm.attribution.inputs import Inputs, layout_read_by
from seqlm.common.errors import InputError

BARE = ""


class AtomicInputs(Inputs):
    """Sequences of atomic tokens; see `Inputs`.

    Parameters
    ----------
    replacements : list of str, or dict of str to list of str, optional
        By bare token. Tokens of the same kind when left out, see `tokens_alike`.
    """

    def __init__(self, model, sequences, edit, replacements=None):
        layout = layout_read_by(model)
        if edit == "replacespecifier":
            if not layout.specifiers:
                raise InputError("edit replacespecifier", "the model reads no specifiers", "use edit: replace")
            edit, replacements = "replace", without_specifiers(layout, replacements)
        if edit == "replace" and replacements is None:
            replacements = tokens_alike(layout)
        for name in _all_names(replacements):
            if name != BARE and layout.codes([name])[0][0] >= layout.size:
                known = " ".join(layout.tokens[:12])
                raise InputError("replacements", f"token {name!r} is not in the vocabulary", f"it begins {known}")
        super().__init__(model, sequences, edit, replacements)
        separator = layout.specifier_separator
        own = [name != BARE and bool(separator) and separator in name for name in self.names]
        self.keeps_specifiers = torch.tensor(own, dtype=torch.bool).logical_not()
        self.is_bare = torch.tensor([name == BARE for name in self.names], dtype=torch.bool)
        if separator:
            self.replacement_text = self._replacement_text

    def columns_at(self, X, row, position, choice):
        """What an edit puts at a position: (M,) codes, or (M, 1 + S) code and specifiers."""
        put = self.columns[choice]
        if self.edit != "replace" or X.ndim == 2:
            return put
        there, bare = X[row, :, position], self.is_bare[choice]
        code = torch.where(bare, there[:, 0], put[:, 0])
        specifiers = torch.where(self.keeps_specifiers[choice, None], there[:, 1:], put[:, 1:])
        return torch.cat([code[:, None], specifiers.masked_fill(bare[:, None], 0)], 1)

    def _replacement_text(self, token, name):
        """The token that a replacement makes of `token`, as text."""
        bare = self.layout.bare(token)
        if name == BARE:
            return bare
        return name if self.layout.specifier_separator in name else name + token[len(bare) :]

    def _allowed(self, token):
        bare = self.layout.bare(token)
        allowed = self.allowed.get(bare, ())
        return [name in allowed and (name != BARE or bare != token) for name in self.names]

    def unchanged(self, rows, X, width):
        if self.edit != "replace" or not self.names:
            return super().unchanged(rows, X, width)
        n, choices = len(X), len(self.names)
        row, position, choice = torch.ones(n, width, choices).nonzero(as_tuple=True)
        same = self.columns_at(X, row, position, choice) == X[row, ..., position]
        return (same if X.ndim == 2 else same.all(-1)).view(n, width, choices)


def tokens_alike(layout):
    """Replacements when none are named.

    mRNA: the other bases in the same place, first of a codon or not, at a junction or not. Otherwise every other token.
    """
    tokens = layout.tokens
    if layout.encoding == "mrna":
        tokens = [token for token in tokens if token[0] not in "nN"]
        kind = {token: (token[0].isupper(), len(token)) for token in layout.tokens}
        return {token: [other for other in tokens if kind[other] == kind[token] and other != token] for token in kind}
    return {token: [other for other in tokens if other != token] for token in tokens}


def without_specifiers(layout, replacements=None):
    """Replacements that also try every token without its specifiers.

    Parameters
    ----------
    layout : AtomicLayout
    replacements
        As for `AtomicInputs`.

    Returns
    -------
    dict of str to list of str
    """
    if replacements is None:
        replacements = tokens_alike(layout)
    elif not isinstance(replacements, dict):
        replacements = dict.fromkeys(layout.tokens, replacements)
    return {token: [*replacements.get(token, ()), BARE] for token in layout.tokens}


def _all_names(replacements):
    if isinstance(replacements, dict):
        return [name for names in replacements.values() for name in names]
    return replacements or ()
