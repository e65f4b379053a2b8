"""Which bases each token stands for, for every tokenizer.

Where the tokens of a sequence, read as letters, spell it one after the other, or letter by letter in overlapping words,
their places follow from their lengths: that is nearly every sequence, and costs no more than counting. Where a token
does not tell its letters (an unknown one stands for one N, or for a word that holds one), the offsets of a fast
tokenizer say where it was read, and of any other tokenizer the known tokens around it. Every answer is checked: a token
that tells letters stands on exactly these, and every A, C, G and T has a token.
"""

from dataclasses import dataclass

import numpy as np

from seqlm.common.errors import InputError
from seqlm.tokenization.tokenizer import encode_batch, kind_of, spelled, token_rows

NOTHING = -1  # id of padding in arrays of tokens
_SPECIAL, _UNKNOWN = 0, -1  # lengths of tokens that spell no letters: stand for none, or for some that they do not tell
_MARKS = str.maketrans("", "", "#▁ĠĊ_ ")  # what tokenizers put before or after a word
_TO_DNA = str.maketrans("U", "T")
_LONGEST = 256  # letters of a token: longer ones tell none


@dataclass
class Tokens:
    """Tokens of sequences and the bases they stand for.

    Attributes
    ----------
    ids : (N, T) int64 array
        As the tokenizer gives them, special tokens included; `NOTHING` to the right of a row's tokens.
    spans : (N, T, 2) int64 array
        First base of each token and the one after its last. Zeros for special tokens and padding.
    bases : int
        Bases of the longest sequence.
    """

    ids: np.ndarray
    spans: np.ndarray
    bases: int

    @property
    def ordinary(self):
        """Which tokens stand for bases: (N, T) bool."""
        return self.spans[..., 1] > self.spans[..., 0]

    def covering(self):
        """The tokens over each base.

        Returns
        -------
        first, last : (N, L) int64 arrays
            All tokens from the first to the last stand for the base; 0 and -1 where none does.
        """
        shape = len(self.ids), self.bases
        first, last = np.full(shape, self.ids.shape[1]), np.full(shape, -1)
        row, token = np.nonzero(self.ordinary)
        start, end = self.spans[row, token].T
        length = end - start
        base = np.arange(length.sum()) - np.repeat(np.cumsum(length) - length, length) + np.repeat(start, length)
        where, token = (np.repeat(row, length), base), np.repeat(token, length)
        np.minimum.at(first, where, token)
        np.maximum.at(last, where, token)
        return np.where(last < 0, 0, first), last


def tokens_of(tokenizer, sequences, texts=None):
    """Tokens of sequences and where each stands.

    Parameters
    ----------
    tokenizer : PreTrainedTokenizerBase
    sequences : list of str
        A, C, G, T and N. Of an atomic tokenizer its tokens are the bases.
    texts : list of str, optional
        The sequences as the tokenizer wants them spelled: with U for T, in lower case, with spaces between letters or
        overlapping words. By default `spelled` spells them.

    Returns
    -------
    Tokens

    Raises
    ------
    InputError
        The tokens do not spell a sequence.
    """
    texts = spelled(tokenizer, sequences) if texts is None else texts
    if kind_of(tokenizer) in ("character", "atomic"):
        ids = encode_batch(tokenizer, texts).astype(np.int64)
        lengths = np.array([_letters(tokenizer, text) for text in texts])
        known = np.arange(ids.shape[1]) < lengths[:, None]
        spans = np.stack([np.arange(ids.shape[1])] * 2, -1) + [0, 1]
        return Tokens(np.where(known, ids, NOTHING), spans * known[..., None], int(lengths.max(initial=0)))
    rows, words = token_rows(tokenizer, texts), _words(tokenizer)
    width = max(map(len, rows), default=0)
    ids, spans = np.full((len(rows), width), NOTHING), np.zeros((len(rows), width, 2), np.int64)
    for i, (row, sequence, text) in enumerate(zip(rows, sequences, texts, strict=True)):
        ids[i, : len(row)] = row
        spans[i, : len(row)] = _spans(tokenizer, words, np.asarray(row, np.int64), sequence, text)
    spans *= (spans[..., 1] > spans[..., 0])[..., None]
    return Tokens(ids, spans, max(map(len, sequences), default=0))


def special_ids(tokenizer):
    """Ids of tokens that stand for no base: those put around a sequence, the mask, padding; int array."""
    return np.flatnonzero(_words(tokenizer).length == _SPECIAL)


def _letters(tokenizer, text):
    if kind_of(tokenizer) == "character":
        return len(text)
    from seqlm.tokenization.atomic import layout_of

    return len(layout_of(tokenizer).split(text))


@dataclass
class _Words:
    """What the tokens of a vocabulary spell.

    Attributes
    ----------
    length : (V,) int array
        Letters of each token; `_SPECIAL` or `_UNKNOWN`.
    letters : (V, longest) uint8 array
        Upper case, T for U, 0 beyond a token's end.
    """

    length: np.ndarray
    letters: np.ndarray

    def spelled(self, ids):
        """Letters of tokens, one after the other."""
        letters = self.letters[ids].ravel()
        return letters[letters > 0]


def _words(tokenizer):
    """The `_Words` of a tokenizer; kept on it."""
    if "_seqlm_words" not in tokenizer.__dict__:
        tokenizer.__dict__["_seqlm_words"] = _read(tokenizer, tokenizer.get_vocab())
    return tokenizer.__dict__["_seqlm_words"]


def _read(tokenizer, vocabulary):
    size = max(vocabulary.values()) + 1
    special = set(tokenizer.all_special_tokens) - {tokenizer.unk_token}
    length, texts = np.full(size, _UNKNOWN), [b""] * size
    for token, i in vocabulary.items():
        text = token.removesuffix("</w>").translate(_MARKS).upper().translate(_TO_DNA)
        if token in special and len(token) != 1:
            length[i] = _SPECIAL
        elif text.isascii() and text.isalpha() and len(text) <= _LONGEST and token != tokenizer.unk_token:
            length[i], texts[i] = len(text), text.encode()
        elif token == tokenizer.unk_token and len(text) == 1 and text.isalpha():
            length[i], texts[i] = 1, text.encode()  # a vocabulary whose unknown token is N
        elif token != tokenizer.unk_token and (not text or token in special):
            length[i] = _SPECIAL
    letters = np.zeros((size, max(1, length.max())), np.uint8)
    for i, text in enumerate(texts):
        letters[i, : len(text)] = np.frombuffer(text, np.uint8)
    return _Words(length, letters)


def _spans(tokenizer, words, row, sequence, text):
    """Bases (n, 2) of a row of tokens, checked."""
    bases = np.frombuffer(sequence.upper().translate(_TO_DNA).encode("latin-1", "replace"), np.uint8)
    length = words.length[row]
    for way in (_one_after_another, _unknown_for_n, _overlapping):
        spans = way(words, row, length, bases)
        if spans is not None:
            return spans
    ways = (lambda: _by_offsets(tokenizer, row, text, bases), lambda: _between_known(words, row, length, bases))
    for way in ways:
        spans = way()
        if spans is not None and _fits(words, row, length, bases, spans):
            return spans
    if (length == _SPECIAL).all() and len(bases) < words.length.max():
        return np.zeros((len(row), 2), np.int64)  # shorter than a word: no token, which is no fault of the tokenizer
    shown = sequence if len(sequence) <= 24 else f"{sequence[:24]}.."
    problem = f"its tokens ({' '.join(tokenizer.convert_ids_to_tokens(row[:6].tolist()))} ..) do not spell {shown}"
    raise InputError("tokenizer", problem, "use a backbone whose tokens stand for the bases")


def _one_after_another(words, row, length, bases):
    """Tokens without overlap; letters that a tokenizer leaves out may only be N."""
    if (length == _UNKNOWN).any():
        return None
    letters = words.spelled(row)
    ends = np.cumsum(length)
    if len(letters) == len(bases) and (letters == bases).all():
        return np.stack([ends - length, ends], 1)
    place = np.flatnonzero(bases != ord("N"))
    if len(letters) != len(place) or not len(place) or (letters != bases[place]).any():
        return None
    spans = np.stack([place[np.minimum(ends - length, len(place) - 1)], place[ends - 1] + 1], 1)
    return np.where((length > 0)[:, None], spans, 0)


def _unknown_for_n(words, row, length, bases):
    """Tokens without overlap, the unknown ones for an N each or for a run of N each."""
    unknown = length == _UNKNOWN
    edges = np.flatnonzero(np.diff(bases == ord("N"), prepend=False, append=False))
    for own in (1, edges[1::2] - edges[::2]):
        if np.size(own) not in (1, unknown.sum()):
            continue
        full = length.copy()
        full[unknown] = own
        letters, ends = np.repeat(~unknown, full), np.cumsum(full)
        if len(letters) != len(bases) or (bases[~letters] != ord("N")).any():
            continue
        if (words.spelled(row[~unknown]) == bases[letters]).all():
            return np.stack([ends - full, ends], 1)
    return None


def _overlapping(words, row, length, bases):
    """A word of k letters at every base; those with an N may be unknown."""
    k, ordinary = int(length.max(initial=0)), np.flatnonzero(length != _SPECIAL)
    if not k:  # none is known: k follows from their number, and the vocabulary has such words
        k = len(bases) - len(ordinary) + 1
    if not 2 <= k <= words.letters.shape[1] or len(ordinary) != len(bases) - k + 1:
        return None
    known = length[ordinary] != _UNKNOWN
    if (length[ordinary][known] != k).any():
        return None
    windows = np.lib.stride_tricks.sliding_window_view(bases, k)
    if (words.letters[row[ordinary[known]], :k] != windows[known]).any():
        return None
    if not (windows[~known] == ord("N")).any(1).all():
        return None
    spans = np.zeros((len(row), 2), np.int64)
    spans[ordinary] = np.arange(len(ordinary))[:, None] + [0, k]
    return spans


def _by_offsets(tokenizer, row, text, bases):
    """Where a fast tokenizer has read its tokens; None where it does not say, or says nothing that can be used."""
    if not getattr(tokenizer, "is_fast", False):
        return None
    coded = tokenizer(text, return_offsets_mapping=True)
    base = _base_of_letters(text, len(bases))
    if base is None or list(coded["input_ids"]) != row.tolist():
        return None
    spans = np.zeros((len(row), 2), np.int64)
    for i, (start, end) in enumerate(coded["offset_mapping"]):
        inside = base[start:end]
        inside = inside[inside >= 0]
        if len(inside):
            spans[i] = inside.min(), inside.max() + 1
    return spans


def _base_of_letters(text, n):
    """The base of each character of a text, -1 for white space; None where a text is no spelling of n bases."""
    is_letter = np.array([not character.isspace() for character in text], bool)
    order = np.cumsum(is_letter) - 1
    if order[-1:].sum() + 1 != n:  # words of overlapping letters: word w begins at base w
        new = is_letter & ~np.r_[False, is_letter[:-1]]
        word = np.cumsum(new) - 1
        order = word + np.arange(len(text)) - np.flatnonzero(new)[word]
        if order.max(initial=-1) + 1 != n:
            return None
    return np.where(is_letter, order, -1)


def _between_known(words, row, length, bases):
    """Unknown tokens take the letters up to where the known ones after them go on."""
    text, spans, at = bases.tobytes(), np.zeros((len(row), 2), np.int64), 0
    unknown = np.flatnonzero(length == _UNKNOWN)
    i = 0
    while i < len(row):
        if length[i] >= 0:
            spans[i] = at, at + length[i]
            at += length[i]
            i += 1
            continue
        end = i  # of the run of unknown tokens
        while end < len(row) and length[end] <= 0:
            end += 1
        tokens = np.flatnonzero(length[i:end] == _UNKNOWN) + i
        later = unknown[unknown >= end]
        following = words.spelled(row[end : later[0] if len(later) else len(row)]).tobytes()
        stop = text.find(following, at + len(tokens)) if following else len(text)
        if stop < 0:
            return None
        edges = _shares(text[at:stop], len(tokens))
        if edges is None:
            return None
        spans[tokens] = np.stack([edges[:-1], edges[1:]], 1) + at
        at, i = stop, end
    return spans


def _shares(letters, n):
    """Borders of n unknown tokens over letters: all to one, a letter or a run of equal letters to each."""
    if n == 1 or n == len(letters):
        return np.linspace(0, len(letters), n + 1).astype(int)
    codes = np.frombuffer(letters, np.uint8)
    runs = np.r_[0, np.flatnonzero(codes[1:] != codes[:-1]) + 1, len(codes)]
    return runs if len(runs) == n + 1 else None


def _fits(words, row, length, bases, spans):
    """Whether known tokens stand on their letters, in order, and every A, C, G and T has a token."""
    some = spans[:, 1] > spans[:, 0]
    start, end = spans[some].T
    if (np.diff(start) < 0).any() or (np.diff(end) < 0).any() or some[length == _SPECIAL].any():
        return False
    if end.max(initial=0) > len(bases):
        return False
    for i in np.flatnonzero(length > 0):
        own = bases[slice(*spans[i])]
        if len(own) != length[i] or (own != words.letters[row[i], : length[i]]).any():
            return False
    change = np.zeros(len(bases) + 1, np.int64)
    np.add.at(change, start, 1)
    np.add.at(change, end, -1)
    return not ((np.cumsum(change)[:-1] == 0) & (bases != ord("N"))).any()
