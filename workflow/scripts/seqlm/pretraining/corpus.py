"""The text that language models read: tokenized once, held out by position, cut into blocks at random.

A corpus folder holds ``train.bin`` and ``validation.bin`` (token ids, raw uint8 or uint16), ``validation.txt`` (the
held-out text itself, so that models with different vocabularies can be compared on the same bases), ``corpus.json``.
"""

import hashlib
import itertools
import json
import sys
from operator import itemgetter
from pathlib import Path

import numpy as np
from tqdm import tqdm

from seqlm.common.errors import InputError
from seqlm.common.files import atomic_folder
from seqlm.sequences.opening import open_bytes, uncompressed_size
from seqlm.sequences.reading import WHITESPACE, looks_wrong, segments

PARTS = ("train", "validation")

# Records go to a k-mer or byte-pair tokenizer in pieces of this many bases: a multiple of every k from 2 to 8, so that
# k-mers stay in frame, and short enough for byte-pair merging, whose cost grows faster than the length.
_PIECE = 6720
_PIECES_AT_ONCE = 256

# The cut between the parts moves on to the next line end, if there is one within this many bytes.
_LONGEST_LINE = 1 << 16

_FOLD = bytes(range(256)).upper()


def tokenize_corpus(paths, tokenizer, folder, validation=0.1, headers=None):
    """Tokenize FASTA files for pretraining.

    The last `validation` of each file's text is held out, before tokenization, so that every vocabulary holds out the
    same bases. Character tokenizers translate the raw text byte by byte; characters outside of the alphabet are
    deleted and what remains is spliced. Other tokenizers get the sequences in upper case. T and U are one letter to an
    alphabet that has one of them, unless it reads header lines too.

    Parameters
    ----------
    paths : list of path
        FASTA; plain, gzip or bgzip.
    tokenizer : path or PreTrainedTokenizerFast
        A tokenizer (or the folder of one), see `seqlm.tokenization`.
    folder : path
        The corpus; appears complete or not at all.
    validation : float
        Fraction of the text, at least 0 and below 1.
    headers : bool, optional
        Whether header lines belong to the text. By default they do if the alphabet has the ``>`` they begin with:
        the A, C, G and T in a record's *name* are no bases.

    Returns
    -------
    dict
        What ``corpus.json`` says: ``dtype``, ``vocabulary`` (its size), ``tokens``, ``sha256`` (both by part) and
        ``sources`` (name, and by part characters and tokens). For character tokenizers a source has also ``letters``
        (of sequence lines) and ``deleted``: how many of these were outside of the alphabet, ``lower_case`` (soft-masked
        bases whose upper case is in it) and ``other``. What is deleted is told on stderr, too.

    Raises
    ------
    InputError
        If a file cannot be read or is not FASTA, or nothing in it is in the alphabet.
    """
    if not 0 <= validation < 1:
        raise InputError("corpus", f"validation is {validation}", "give a fraction from 0 up to, not including, 1")
    if not paths:
        raise InputError("corpus", "has no source", "name FASTA sources under corpus:")
    encode = _encoder(tokenizer, headers)
    sizes = [uncompressed_size(path) for path in paths]
    interval = 0.5 if sys.stderr.isatty() else 30.0
    with (
        atomic_folder(folder) as temporary,
        open(temporary / "train.bin", "wb") as train,
        open(temporary / "validation.bin", "wb") as held_out,
        open(temporary / "validation.txt", "wb") as text,
        tqdm(
            total=sum(sizes), desc="tokenizing", unit="B", unit_scale=True, mininterval=interval, delay=interval
        ) as bar,
    ):
        parts = {"train": _Part(train), "validation": _Part(held_out)}
        sources = []
        for path, size in zip(paths, sizes, strict=True):
            source = {"name": Path(path).name, "characters": dict.fromkeys(PARTS, 0), "tokens": dict.fromkeys(PARTS, 0)}
            encode.begin()
            pieces = _split(path, size, size - round(size * validation))
            for name, chunks in itertools.groupby(_accounted(pieces, source["characters"], text, bar), itemgetter(0)):
                part = parts[name]
                before = part.bytes
                for ids in encode(map(itemgetter(1), chunks)):
                    part.write(ids)
                source["tokens"][name] = (part.bytes - before) // encode.dtype.itemsize
            sources.append(source | encode.counts)
            _tell_deleted(path, encode.counts)
        if not parts["train"].bytes:
            raise InputError(paths[0], "nothing in it is in the tokenizer's alphabet", "choose another tokenizer")
        summary = {
            "dtype": encode.dtype.name,
            "vocabulary": encode.vocabulary,
            "tokens": {name: part.bytes // encode.dtype.itemsize for name, part in parts.items()},
            "sha256": {name: part.digest.hexdigest() for name, part in parts.items()},
            "sources": sources,
        }
        (temporary / "corpus.json").write_text(json.dumps(summary, indent=2) + "\n")
    return summary


def _tell_deleted(path, counts):
    if lower := counts.get("deleted", {}).get("lower_case"):
        print(
            f"{path}: {lower:,} of {counts['letters']:,} bases ({lower / counts['letters']:.0%}) are lower case "
            "(soft-masked) and not in the tokenizer's alphabet: they are deleted and what remains is spliced; "
            "case: upper keeps them",
            file=sys.stderr,
        )


def trained_pieces(paths, validation, length):
    """The text that `tokenize_corpus` trains on, in overlapping pieces of bases.

    Parameters
    ----------
    paths : list of path
        FASTA.
    validation : float
    length : int
        Every stretch of so many bases lies whole in one piece (of twice that length).

    Yields
    ------
    str
    """
    for path in paths:
        size = uncompressed_size(path)
        train = (text for part, text in _split(path, size, size - round(size * validation)) if part == "train")
        rest = ""
        for is_header, data, _ in segments(train):
            rest = "" if is_header else rest + data.translate(None, WHITESPACE).decode("latin-1")
            starts = range(0, len(rest) - 2 * length + 1, length)
            for start in starts:
                yield rest[start : start + 2 * length]
            rest = rest[len(starts) * length :]
            if not is_header:
                yield rest


class _Part:
    """A file of token ids, counted and digested as it is written."""

    def __init__(self, handle):
        self._handle, self.bytes, self.digest = handle, 0, hashlib.sha256()

    def write(self, ids):
        self._handle.write(ids)
        self.digest.update(ids)
        self.bytes += len(ids)


def _accounted(pieces, characters, text, bar):
    """Pass (part, text) on, counting characters and keeping the held-out text."""
    for name, chunk in pieces:
        characters[name] += len(chunk)
        bar.update(len(chunk))
        if name == "validation":
            text.write(chunk)
        yield name, chunk


def _split(path, size, cut):
    """Yield (part, text) of a FASTA file; the parts meet at the first line end from byte `cut` of its `size` on.

    Where that would leave less than half of what is to be held out (a chromosome in one line) they meet at `cut`
    itself, unless that lies in a header. A file that does not end in a line end gets one, so that the next file's first
    header begins a line.
    """
    offset, last, begin = 0, b"", b""  # begin: first byte of the line that goes on in the next chunk
    with open_bytes(path) as reader:
        while chunk := reader.read():
            if offset == 0 and not chunk.lstrip(WHITESPACE).startswith(b">"):
                raise looks_wrong(path, chunk)
            if offset < cut <= offset + len(chunk):
                chunk += reader.read(_LONGEST_LINE)
                at = _meeting(chunk, cut - offset, size - cut, begin or chunk[:1])
                yield "train", chunk[:at]
                if at < len(chunk):
                    yield "validation", chunk[at:]
            else:
                yield PARTS[offset >= cut], chunk
            line = chunk.rfind(b"\n") + 1
            begin = chunk[line : line + 1] if line else begin or chunk[:1]
            offset, last = offset + len(chunk), chunk
    if not last.endswith(b"\n"):
        yield PARTS[offset > cut], b"\n"


def _meeting(chunk, at, held_out, begin):
    """Where in a chunk the parts meet: at the line end after `at`, or at `at`; `begin`: its first line's first byte."""
    if chunk[at - 1 : at] == b"\n":
        return at
    line = chunk.rfind(b"\n", 0, at) + 1
    in_header = (chunk[line : line + 1] if line else begin) == b">"
    reach = _LONGEST_LINE if in_header else min(_LONGEST_LINE, held_out // 2)
    return chunk.find(b"\n", at, at + reach) + 1 or at


def _encoder(tokenizer, headers):
    """What turns chunks of text (of one part of one file, in order) into bytes of token ids."""
    words, vocabulary = _describe(tokenizer)
    if words.get("kind") == "character":
        return _CharacterEncoder(words, vocabulary, headers)
    if isinstance(tokenizer, (str, Path)):
        from seqlm.tokenization import load_tokenizer

        tokenizer = load_tokenizer(tokenizer)
    return _SequenceEncoder(tokenizer)


def _describe(tokenizer):
    """What the tokenizer's maker noted about it, and its vocabulary; from files alone where a folder is given.

    A character tokenizer is a table of 256 entries: reading two small files spares the job transformers' import,
    which takes longer than the work.
    """
    if not isinstance(tokenizer, (str, Path)):
        return tokenizer.init_kwargs.get("seqlm", {}), tokenizer.get_vocab()
    folder = Path(tokenizer)
    try:
        config = json.loads((folder / "tokenizer_config.json").read_text())
        model = json.loads((folder / "tokenizer.json").read_text())["model"]
        return config.get("seqlm", {}), model["vocab"]
    except FileNotFoundError as error:
        raise InputError(folder, f"no {Path(error.filename).name} there", "give the folder of a tokenizer") from None
    except (KeyError, ValueError) as error:
        raise InputError(folder, f"tokenizer cannot be read ({error})", "learn the tokenizer again") from None


class _CharacterEncoder:
    """One byte of text, one table entry, one token: the whole chunk in one call."""

    def __init__(self, words, vocabulary, headers):
        characters = {token: i for token, i in vocabulary.items() if len(token) == 1 and ord(token) < 256}
        self.headers = ">" in characters if headers is None else headers
        if not self.headers:  # all that is read is bases, and DNA or RNA may be meant by either letter
            for one, other in ("TU", "UT", "tu", "ut"):
                if one in characters:
                    characters.setdefault(other, characters[one])
        table = bytearray(256)
        for character, i in characters.items():
            table[ord(character)] = i
        known = {ord(character) for character in characters}
        fold = words.get("case", "keep") in ("upper", "fold")
        self.table = _FOLD.translate(table) if fold else bytes(table)
        self.unknown = bytes(byte for byte in range(256) if (_FOLD[byte] if fold else byte) not in known)
        self.lower = bytes(byte for byte in self.unknown if chr(byte).islower() and _FOLD[byte] in known)
        self.vocabulary, self.dtype = len(vocabulary), np.dtype(np.uint8)

    def __call__(self, chunks):
        if not self.headers:
            chunks = (data for is_header, data, _ in segments(chunks) if not is_header)
        for chunk in chunks:
            ids = chunk.translate(self.table, self.unknown)
            self._count(chunk, len(chunk) - len(ids))
            yield ids

    def begin(self):
        """Count anew."""
        self.counts = {"letters": 0, "deleted": {"lower_case": 0, "other": 0}}

    def _count(self, chunk, deleted):
        lower, blanks = _how_many(chunk, self.lower), _how_many(chunk, WHITESPACE)
        self.counts["letters"] += len(chunk) - blanks
        self.counts["deleted"]["lower_case"] += lower
        self.counts["deleted"]["other"] += deleted - lower - _how_many(chunk, set(WHITESPACE) & set(self.unknown))


def _how_many(chunk, letters):
    """How many bytes of a chunk are one of a few letters: a comparison each is ten times as fast as deleting them."""
    chunk = np.frombuffer(chunk, np.uint8)
    return sum(int(np.count_nonzero(chunk == letter)) for letter in letters)


class _SequenceEncoder:
    """Any other tokenizer, through its own code. Special tokens are left to whoever cuts the blocks."""

    def __init__(self, tokenizer):
        self.tokenizer, self.vocabulary = tokenizer, max(tokenizer.get_vocab().values()) + 1
        self.dtype = np.min_scalar_type(self.vocabulary - 1)
        self.counts = {}

    def begin(self):
        """Nothing is counted: lower case is folded."""

    def __call__(self, chunks):
        from seqlm.tokenization import spelled

        pieces = self._pieces(chunks)
        while batch := list(itertools.islice(pieces, _PIECES_AT_ONCE)):
            ids = self.tokenizer(spelled(self.tokenizer, batch), add_special_tokens=False, return_attention_mask=False)[
                "input_ids"
            ]
            yield np.fromiter(itertools.chain.from_iterable(ids), self.dtype).tobytes()

    @staticmethod
    def _pieces(chunks):
        rest = b""
        for is_header, data, _ in segments(chunks):
            if is_header:
                if rest:
                    yield rest.decode("latin-1")
                rest = b""
                continue
            rest += data.translate(_FOLD, WHITESPACE)
            whole = len(rest) // _PIECE * _PIECE
            for at in range(0, whole, _PIECE):
                yield rest[at : at + _PIECE].decode("latin-1")
            rest = rest[whole:]
        if rest:
            yield rest.decode("latin-1")


class Corpus:
    """A corpus folder, read through memory maps.

    Attributes
    ----------
    summary : dict
        ``corpus.json``, see `tokenize_corpus`.
    train, validation : ndarray, shape (tokens,)
        Token ids.
    text : ndarray of uint8, shape (characters,)
        The held-out text.

    Raises
    ------
    InputError
        If the folder is no corpus, or its files do not have the size they should have.
    """

    def __init__(self, folder):
        self.folder = Path(folder)
        try:
            self.summary = json.loads((self.folder / "corpus.json").read_text())
        except (FileNotFoundError, NotADirectoryError):
            raise InputError(folder, "is no corpus: there is no corpus.json", "tokenize a corpus first") from None
        dtype = np.dtype(self.summary["dtype"])
        self.train, self.validation = (self._map(f"{part}.bin", dtype) for part in PARTS)
        self.text = self._map("validation.txt", np.dtype(np.uint8))
        for part in PARTS:
            if len(getattr(self, part)) != self.summary["tokens"][part]:
                raise InputError(self.folder / f"{part}.bin", "has another size than it should", "tokenize it again")

    def _map(self, name, dtype):
        path = self.folder / name
        if not path.exists():
            raise InputError(path, "is missing", "tokenize the corpus again")
        # An empty file cannot be mapped.
        return np.memmap(path, dtype, "r") if path.stat().st_size else np.empty(0, dtype)
