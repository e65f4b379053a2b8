"""Atomic tokens: every token of the text is one symbol, as ``a``, ``Gej`` or ``c#2.5``.

A sequence is a string of tokens, separated (usually by a space) or one character each. A token may carry specifiers,
floats after a separator as in ``a#2.5#0.2``, that become further input channels. `AtomicLayout` says how such text
becomes numbers and is saved with a model, so that a bundle alone can read new text:

=========  ======================================================  ==================
encoding   channels                                                vocabulary
=========  ======================================================  ==================
bases      A, C, G, T; case means nothing                          A C G T
mrna       A, C, G, T, first base of a codon, exon junction        a, A, aej, AEJ, ..
one_hot    one per token of the vocabulary                         learned
=========  ======================================================  ==================

In ``mrna`` an upper-case base is the first of a codon and the suffix ``ej`` marks the first base after an exon
junction: the notation and the six channels of Saluki (Agarwal & Kelley 2022) carry the same information.

A code of ``size`` or more is nothing: an unknown token, a masked one, or padding. All its channels are zero.
"""

import io
from dataclasses import asdict, dataclass, replace

import numpy as np

from seqlm.common.errors import InputError
from seqlm.sequences.tables.lines import text_lines

BASES = "ACGT"
MRNA_TOKENS = tuple(
    (base.upper() if frame else base.lower()) + (("EJ" if frame else "ej") if junction else "")
    for junction in (False, True)
    for frame in (False, True)
    for base in "acgtn"
)
ENCODINGS = ("bases", "mrna", "one_hot")


@dataclass
class AtomicLayout:
    """How text becomes token codes and channels.

    Parameters
    ----------
    encoding : {"bases", "mrna", "one_hot"}
    tokens : list of str
        Vocabulary of "one_hot"; the other encodings have their own.
    separator : str
        Between tokens; "" when every character is a token.
    specifier_separator : str, optional
        Between a token and its specifiers.
    specifiers : int
        Number of specifier channels. A token with fewer has zeros in the others.
    left_tailing : bool
        Cut long sequences on the left, so that their right end is kept.
    center_token : str, optional
        Cut long sequences around the first such token instead.
    """

    encoding: str = "bases"
    tokens: tuple = ()
    separator: str = ""
    specifier_separator: str | None = None
    specifiers: int = 0
    left_tailing: bool = False
    center_token: str | None = None

    def __post_init__(self):
        if self.encoding not in ENCODINGS:
            raise InputError("encoding", f"{self.encoding!r} is unknown", f"use one of {', '.join(ENCODINGS)}")
        if self.encoding != "one_hot":
            self.tokens = tuple(BASES) if self.encoding == "bases" else MRNA_TOKENS
        self.tokens = tuple(self.tokens)
        if self.specifier_separator and not self.separator:
            raise InputError(
                "specifier separator", "needs a token separator too", "separate the tokens, as in a#2.5 c g"
            )
        if not self.tokens:
            raise InputError("tokenizer", "its vocabulary is empty", "learn it from sequences with at least one token")
        self._index = {token: code for code, token in enumerate(self.tokens)}
        if self.encoding == "bases":
            self._index |= {base.lower(): code for base, code in self._index.items()}
        elif self.encoding == "mrna":
            self._index |= {token[0] + token[1:].swapcase(): code for token, code in self._index.items()}
        if self.encoding != "one_hot":
            self._index |= {t.translate(_U): code for t, code in self._index.items()}
        self._bytes = np.full(256, self.size, np.uint8)
        if self.dtype == np.uint8:
            for token, code in self._index.items():
                if len(token) == 1 and ord(token) < 256:
                    self._bytes[ord(token)] = code

    @property
    def size(self):
        """Number of tokens, and the code that stands for nothing."""
        return len(self.tokens)

    @property
    def dtype(self):
        """Smallest integer type that holds every code."""
        return np.uint8 if self.size < 256 else np.int32

    @property
    def channels(self):
        """Channels of the network's input, specifiers included."""
        return {"bases": 4, "mrna": 6, "one_hot": self.size}[self.encoding] + self.specifiers

    def to_dict(self):
        """Plain values for a bundle's config.json; ``AtomicLayout(**layout.to_dict())`` is the same layout."""
        return asdict(self) | {"tokens": list(self.tokens) if self.encoding == "one_hot" else []}

    def table(self):
        """(size + 1, channels without specifiers) float32: the channels of each code, zeros for nothing."""
        table = np.zeros((self.size + 1, self.channels - self.specifiers), np.float32)
        for code, token in enumerate(self.tokens):
            if self.encoding == "mrna":
                base = BASES.find(token[0].upper())
                table[code, 4:] = token[0].isupper(), len(token) > 1
                if base >= 0:
                    table[code, base] = 1
            else:
                table[code, code] = 1
        return table

    def split(self, sequence):
        """Tokens of a sequence, specifiers still attached.

        Returns
        -------
        list of str, or str when every character is a token
        """
        return sequence.split(self.separator) if self.separator else sequence

    def bare(self, token):
        """A token without its specifiers."""
        return token.partition(self.specifier_separator)[0] if self.specifier_separator else token

    def span(self, tokens, length):
        """Which tokens are read: ``(start, end)`` of the part of `tokens` that fits in `length`.

        Around a centre token both sides get half of the room; what one side leaves free is filled from the left
        first and then from the right.
        """
        n = len(tokens)
        if n <= length:
            return 0, n
        if self.center_token is None:
            return (n - length, n) if self.left_tailing else (0, length)
        bare = [self.bare(token) for token in tokens]
        if self.center_token not in bare:
            raise InputError(
                f"sequence {''.join(bare[:12])}..",
                f"has no token {self.center_token!r} to centre on",
                "drop it or choose another center_token",
            )
        centre = bare.index(self.center_token)
        room = length - 1
        left = min(centre, room // 2)
        right = min(n - centre - 1, room // 2)
        left += min(centre - left, room - left - right)
        right = min(n - centre - 1, room - left)
        return centre - left, centre + right + 1

    def codes(self, tokens):
        """Codes (n,) and specifiers (S, n) of tokens."""
        if isinstance(tokens, str) and not self.specifiers and self.dtype == np.uint8:
            return self._bytes[np.frombuffer(tokens.encode("latin-1", "replace"), np.uint8)], None
        index, nothing = self._index, self.size
        if not self.specifier_separator:
            return np.array([index.get(token, nothing) for token in tokens], self.dtype), None
        codes = np.empty(len(tokens), self.dtype)
        specifiers = np.zeros((self.specifiers, len(tokens)), np.float32)
        for i, text in enumerate(tokens):
            token, *values = text.split(self.specifier_separator)
            codes[i] = index.get(token, nothing)
            if values and self.specifiers:  # without channels for them, specifiers are left out
                specifiers[: len(values), i] = _floats(values, text, self.specifiers)
        return codes, specifiers

    def encode(self, sequences, length):
        """Compact network input.

        Parameters
        ----------
        sequences : list of str
        length : int
            Longer sequences are cut as `span` says, shorter ones hold nothing on the right.

        Returns
        -------
        numpy.ndarray
            (N, length) codes; with specifiers (N, 1 + S, length) float32 whose first channel is the codes.
        """
        if self.specifiers:
            X = np.zeros((len(sequences), 1 + self.specifiers, length), np.float32)
            X[:, 0] = self.size
        else:
            X = np.full((len(sequences), length), self.size, self.dtype)
        for row, sequence in zip(X, sequences, strict=True):
            tokens = self.split(sequence)
            start, end = self.span(tokens, length)
            codes, specifiers = self.codes(tokens[start:end])
            if self.specifiers:
                row[0, : len(codes)], row[1:, : len(codes)] = codes, specifiers
            else:
                row[: len(codes)] = codes
        return X

    def knows(self, sequence):
        """Whether any token of a sequence is in the vocabulary."""
        return any(self.bare(token) in self._index for token in self.split(sequence))

    def unknown(self, sequences):
        """Number of tokens outside the vocabulary in `sequences`."""
        return sum(int((self.codes(self.split(s))[0] >= self.size).sum()) for s in sequences)


_U = str.maketrans("tT", "uU")


def _floats(values, text, limit):
    if len(values) > limit:
        raise InputError(
            f"token {text!r}", f"has {len(values)} specifiers, the tokenizer knows {limit}", "train on such tokens too"
        )
    try:
        return [float(value) for value in values]
    except ValueError:
        raise InputError(
            f"token {text!r}", "has a specifier that is not a number", "mend it in the data file"
        ) from None


def learn_layout(
    sequences, sample_size=None, seed=0, encoding="one_hot", separator=" ", specifier_separator=None, **cut
):
    """Vocabulary of atomic tokens, learned from text.

    Parameters
    ----------
    sequences : list of str
    sample_size : int, optional
        Learn the tokens from this many sequences, drawn with `seed`; tokens seen in none of them are nothing to the
        model. The number of specifiers is always that of all sequences.
    cut : dict
        `left_tailing`, `center_token` of `AtomicLayout`.

    Returns
    -------
    AtomicLayout
        Tokens in sorted order, so that the order of the file does not matter.
    """
    sequences = list(sequences)
    plain = AtomicLayout(separator=separator, specifier_separator=specifier_separator)
    specifiers = 0
    if specifier_separator:
        specifiers = max((token.count(specifier_separator) for s in sequences for token in plain.split(s)), default=0)
    if sample_size is not None and sample_size < len(sequences):
        chosen = np.random.default_rng(seed).choice(len(sequences), sample_size, replace=False)
        sequences = [sequences[i] for i in chosen]
    tokens = {plain.bare(token) for sequence in sequences for token in set(plain.split(sequence))}
    return AtomicLayout(encoding, tuple(sorted(tokens)), separator, specifier_separator, specifiers, **cut)


def learn(paths=(), text=None, samplesize=None, seed=0, **options):
    """A transformers tokenizer of the tokens in `text` (one sequence a line) and in the files `paths`.

    Parameters
    ----------
    paths : list of path
        Text files, one sequence a line.
    text : str, optional
    samplesize : int, optional
        Learn the tokens from this many sequences.
    seed : int
    **options
        Of `learn_layout`.
    """
    lines = [line for path in paths for _, line in text_lines(path)]
    lines += [line.rstrip("\n") for line in io.StringIO(text or "", newline=None)]
    return to_tokenizer(learn_layout([line for line in lines if line], samplesize, seed, **options))


def layout_of(tokenizer):
    """The layout that a tokenizer of `to_tokenizer` stands for, also after saving and loading."""
    return AtomicLayout(**tokenizer.init_kwargs["seqlm"]["layout"])


def encode(tokenizer, sequences, length, nothing, dtype):
    """Ids (N, T), see `seqlm.tokenization.encode_batch`: codes of the layout, `nothing` for what has none."""
    layout = layout_of(tokenizer)
    if length is None:
        length = max(len(layout.split(sequence)) for sequence in sequences)
    codes = replace(layout, specifiers=0).encode(sequences, length)
    return np.where(codes < layout.size, codes, nothing).astype(dtype)


def to_tokenizer(layout):
    """The vocabulary as a transformers tokenizer, saved in bundles as tokenizer.json.

    Ids of tokens are their codes; ``[UNK]``, ``[PAD]`` and ``[MASK]`` come after them, so all three are nothing to a
    network. Specifiers are left out, which only `AtomicLayout` reads.
    """
    from tokenizers import Regex, Tokenizer, normalizers, pre_tokenizers
    from tokenizers.models import WordLevel
    from transformers import PreTrainedTokenizerFast

    specials = ["[UNK]", "[PAD]", "[MASK]"]
    vocabulary = {token: i for i, token in enumerate([*layout.tokens, *specials])}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="[UNK]"))
    if layout.specifier_separator:
        pattern = f"{_escape(layout.specifier_separator)}[^{_escape(layout.separator)}]*"
        tokenizer.normalizer = normalizers.Replace(Regex(pattern), "")
    boundary = Regex(_escape(layout.separator)) if layout.separator else Regex(".")
    behaviour = "removed" if layout.separator else "isolated"
    tokenizer.pre_tokenizer = pre_tokenizers.Split(boundary, behaviour)
    return PreTrainedTokenizerFast(
        seqlm={"kind": "atomic", "layout": layout.to_dict()},
        tokenizer_object=tokenizer,
        unk_token="[UNK]",
        pad_token="[PAD]",
        mask_token="[MASK]",
        truncation_side="left" if layout.left_tailing else "right",
        clean_up_tokenization_spaces=False,
    )


def _escape(text):
    """Text as a literal inside a regular expression, also within brackets."""
    return "".join(f"\\{c}" if not c.isalnum() else c for c in text)


def bases_of(sequence, separator=" ", specifier_separator="#"):
    """Plain bases of a sequence of mRNA tokens, for models that know bases only: ``"a Gej c#1"`` becomes ``"AGC"``."""
    tokens = sequence.split(separator) if separator else sequence
    tokens = [token.partition(specifier_separator)[0] for token in tokens]
    for token in dict.fromkeys(tokens):
        if not token[:1].isalpha() or token[1:].lower() not in ("", "ej"):
            raise InputError(f"token {token!r}", "is no base", "use network: saluki, which reads tokens of any kind")
    return "".join(token[:1] for token in tokens).upper().replace("U", "T")


def as_read(model, sequences):
    """Sequences in the form in which a model reads them.

    Models with a layout, or with an atomic tokenizer, read tokens; all others, and layouts of bases, read the plain
    bases of them.
    """
    if reads_tokens(model):
        return list(sequences)
    return [bases_of(sequence) if " " in sequence else sequence for sequence in sequences]


def reads_tokens(model, tokenizer=None):
    """Whether a model (with this tokenizer, or its own) reads words rather than plain bases."""
    tokenizer = tokenizer or getattr(model, "tokenizer", None)
    kind = tokenizer.init_kwargs.get("seqlm", {}).get("kind") if tokenizer is not None else None
    layout = getattr(model, "layout", None)
    return kind == "atomic" or layout is not None and (layout.encoding != "bases" or bool(layout.separator))
