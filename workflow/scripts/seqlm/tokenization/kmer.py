"""K-mer tokenizers with the ids of the Nucleotide Transformer, and a vectorised encoder that gives the same ids.

Vocabulary (Dalla-Torre et al. 2024, k = 6): six special tokens, then every k-mer in product order over A, T, C, G,
then the single bases A, T, C, G, N for what no k-mer covers. A sequence is read from left to right: a k-mer wherever
the next k letters are bases, else one base; a run of any other letters is one ``<unk>``. Every sequence starts with
``<cls>``.

Overlapping tokenizers (stride 1, as DNABERT reads) give L - k + 1 tokens; a k-mer that holds anything but A, T, C, G
is ``<unk>``, and a sequence shorter than k has no token besides ``<cls>``.
"""

import itertools

import numpy as np

SPECIAL_TOKENS = ("<unk>", "<pad>", "<mask>", "<cls>", "<eos>", "<bos>")
BASES = "ATCG"

# Letter classes of the vectorised encoder.
_N, _OTHER, _SPACE = 4, 5, 6
_CLASS = np.full(256, _OTHER, np.uint8)
_CLASS[np.frombuffer(b"ATCG", np.uint8)] = np.arange(4)
_CLASS[ord("N")] = _N
_CLASS[np.frombuffer(b" \t\n\r\x0b\x0c", np.uint8)] = _SPACE

# Strings whose ids tell whether a tokenizer follows the rules above: rests, N, unknown letters, an empty sequence.
_PROBES = ("", "A", "ATGGTAGCTACATCATCTG", "ATGGTANATGCATGCANNCA", "GATTACAGRYCCATGCATTT", "NNTTTTTTTTTTTTTTTTTTTT")


def kmer_vocabulary(k=6):
    """Token -> id, in the Nucleotide Transformer's order: special tokens, k-mers, single bases and N."""
    kmers = ("".join(letters) for letters in itertools.product(BASES, repeat=k))
    return {token: i for i, token in enumerate(itertools.chain(SPECIAL_TOKENS, kmers, BASES + "N"))}


def learn(paths=(), text=None, k=6, overlapping=False):
    """The tokenizer of `kmer_tokenizer`; nothing is learned from `paths` or `text`."""
    tokenizer = kmer_tokenizer(k, overlapping)
    tokenizer.init_kwargs["seqlm"] = {"kind": "kmer", "k": k, "overlapping": overlapping}
    return tokenizer


def encode(tokenizer, sequences, length, nothing, dtype):
    """Ids (N, T), see `seqlm.tokenization.encode_batch`; padding is ``<pad>``."""
    ids, _ = KmerEncoder.of(tokenizer).encode(sequences)
    if length is None or ids.shape[1] == length:
        return ids.astype(dtype, copy=False)
    result = np.full((len(ids), length), tokenizer.pad_token_id, dtype)
    result[:, : ids.shape[1]] = ids[:, :length]
    return result


def kmer_tokenizer(k=6, overlapping=False, model_max_length=None):
    """A `transformers` fast tokenizer of k-mers.

    Parameters
    ----------
    k : int
        Letters per token, 2 to 8.
    overlapping : bool
        A token at every base (stride 1) instead of every k bases.
    model_max_length : int, optional
        Tokens that a model using it takes at most.

    Returns
    -------
    transformers.PreTrainedTokenizerFast
        Saved as ``tokenizer.json``; loads with ``AutoTokenizer`` without any code of ours.
    """
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    from seqlm.common.errors import InputError

    if not 2 <= k <= 8:
        raise InputError("k", f"{k} letters per token", "choose 2 to 8 (for one base per token use kind: character)")
    vocabulary = kmer_vocabulary(k)
    core = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    if overlapping:
        core.normalizer = normalizers.Sequence(list(_spell_overlapping(k)))
        core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    else:
        pieces = Regex(rf"[{BASES}]{{{k}}}|[{BASES}N]|[^{BASES}N\s]+")
        core.pre_tokenizer = pre_tokenizers.Split(pieces, behavior="removed", invert=True)
    core.post_processor = processors.TemplateProcessing(
        single="<cls> $A", pair="<cls> $A $B", special_tokens=[("<cls>", vocabulary["<cls>"])]
    )
    limit = {} if model_max_length is None else {"model_max_length": model_max_length}
    names = {f"{name}_token": f"<{name}>" for name in ("unk", "pad", "mask", "cls")}
    inputs = ["input_ids", "attention_mask"]
    return PreTrainedTokenizerFast(tokenizer_object=core, model_input_names=inputs, **names, **limit)


def _spell_overlapping(k):
    """Normalizers that spell ``ATGC`` as ``ATG TGC`` for k = 3.

    A replacement cannot copy letters, so words are grown one letter at a time: of the words of length j standing at
    every base, each takes the last letter of the next word. The k - 1 words that stay short end the sequence.
    """
    from tokenizers import Regex, normalizers

    yield normalizers.Replace(Regex(r"\s+"), "")
    yield normalizers.Replace(Regex(rf"[^{BASES}]"), "N")
    yield normalizers.Replace(Regex("(?=.)"), " ")
    for j in range(1, k):
        for letter in BASES + "N":
            yield normalizers.Replace(Regex(rf"(?<=\s\S{{{j}}}) (?=\S{{{j - 1}}}{letter})"), f"{letter} ")
    yield normalizers.Replace(Regex(rf"(?<!\S)\S{{1,{k - 1}}}(?!\S)"), "")


class KmerEncoder:
    """Ids of many sequences at once, equal to those of the tokenizer it was made from.

    Parameters
    ----------
    k : int
    overlapping : bool
    vocabulary : dict
        Token -> id; holds all 4^k k-mers and, unless overlapping, A, T, C, G, N.
    unknown, pad : int
        Ids of an unknown token and of padding.
    prefix, suffix : sequence of int
        Special tokens before and after every sequence.
    """

    def __init__(self, k, overlapping, vocabulary, unknown, pad, prefix, suffix=()):
        self.k, self.overlapping, self.unknown, self.pad = k, overlapping, unknown, pad
        self.prefix, self.suffix = list(prefix), list(suffix)
        self.kmer_ids = np.array([vocabulary["".join(w)] for w in itertools.product(BASES, repeat=k)])
        self.base_ids = np.array([vocabulary.get(base, unknown) for base in BASES + "N"])
        largest = max(self.kmer_ids.max(), self.base_ids.max(), pad, unknown)
        self.dtype = np.uint16 if largest < 2**16 else np.int32

    @classmethod
    def of(cls, tokenizer):
        """The encoder of a tokenizer that reads k-mers as the Nucleotide Transformer does, else None.

        The answer is kept on the tokenizer. A tokenizer counts only when it gives the encoder's ids on strings with
        rests, N and unknown letters; hub tokenizers with other ids for the same k-mers work too.
        """
        if "_kmer_encoder" not in tokenizer.__dict__:
            tokenizer.__dict__["_kmer_encoder"] = cls._recognise(tokenizer)
        return tokenizer.__dict__["_kmer_encoder"]

    @classmethod
    def _recognise(cls, tokenizer):
        vocabulary = tokenizer.get_vocab()
        words = [token for token in vocabulary if token and set(token) <= set(BASES)]
        k = max(map(len, words), default=0)
        complete = 2 <= k <= 8 and sum(len(word) == k for word in words) == 4**k
        if not complete or None in (tokenizer.unk_token_id, tokenizer.pad_token_id):
            return None
        frame = tokenizer("", add_special_tokens=True)["input_ids"]
        ends = [frame] if tokenizer.eos_token_id not in frame else [frame[:-1], frame[-1:]]
        for overlapping in (False, True):
            encoder = cls(k, overlapping, vocabulary, tokenizer.unk_token_id, tokenizer.pad_token_id, *ends)
            ids, lengths = encoder.encode(_PROBES)
            try:
                same = [list(ids[i, : lengths[i]]) == tokenizer(probe)["input_ids"] for i, probe in enumerate(_PROBES)]
            except ValueError:  # a tokenizer of codons refuses what is none
                return None
            if all(same):
                return encoder
        return None

    def encode(self, sequences):
        """Ids of a batch.

        Parameters
        ----------
        sequences : list of str
            Upper case; lower case letters are unknown, as for the tokenizer.

        Returns
        -------
        ids : numpy.ndarray (N, T), uint16 or int32
            Padded on the right with ``pad`` to the longest sequence of the batch.
        lengths : numpy.ndarray (N,), int64
            Tokens of each sequence, special tokens included.
        """
        letters = _CLASS[np.frombuffer("\n".join([*sequences, ""]).encode("ascii", "replace"), np.uint8)]
        ends = np.cumsum([len(sequence) + 1 for sequence in sequences])
        if self.overlapping:
            spaces = letters == _SPACE
            spaces[ends - 1] = False
            letters, ends = letters[~spaces], ends - np.cumsum(spaces)[ends - 1]
            positions, tokens = self._overlapping(letters)
        else:
            positions, tokens = self._stepping(letters)
        rows = np.searchsorted(ends, positions, side="right")
        counts = np.bincount(rows, minlength=len(sequences))
        before = len(self.prefix)
        lengths = counts + before + len(self.suffix)
        ids = np.full((len(sequences), lengths.max(initial=0)), self.pad, self.dtype)
        ids[:, :before] = self.prefix
        columns = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
        ids[rows, columns + before] = tokens
        for i, token in enumerate(self.suffix):
            ids[np.arange(len(ids)), counts + before + i] = token
        return ids, lengths

    def _words(self, letters):
        """Index in product order of the k letters from every position; meaningless where they are not all bases."""
        words = np.zeros(len(letters), np.int64)
        for j in range(min(self.k, len(letters))):
            words[: len(letters) - j] += (letters[j:] & 3).astype(np.int64) << 2 * (self.k - 1 - j)
        return words

    def _stepping(self, letters):
        """Positions and ids of non-overlapping tokens."""
        here = np.arange(len(letters))
        is_base = letters < _N
        start = np.maximum.accumulate(np.where(is_base, 0, here + 1))
        end = np.minimum.accumulate(np.where(is_base, len(letters), here)[::-1])[::-1]
        offset, covered = here - start, (end - start) // self.k * self.k
        kmers = is_base & (offset < covered) & (offset % self.k == 0)
        singles = (is_base & (offset >= covered)) | (letters == _N)
        unknown = letters == _OTHER
        unknown[1:] &= letters[:-1] != _OTHER
        tokens = np.full(len(letters), self.unknown)
        tokens[kmers] = self.kmer_ids[self._words(letters)[kmers]]
        tokens[singles] = self.base_ids[letters[singles]]
        positions = np.flatnonzero(kmers | singles | unknown)
        return positions, tokens[positions]

    def _overlapping(self, letters):
        """Positions and ids of the tokens at every base whose k letters lie inside one sequence."""
        last = len(letters) - self.k + 1
        if last <= 0:
            return np.empty(0, int), np.empty(0, int)
        inside, bases = np.ones(last, bool), np.ones(last, bool)
        for j in range(self.k):
            inside &= letters[j : last + j] != _SPACE
            bases &= letters[j : last + j] < _N
        tokens = np.where(bases, self.kmer_ids[self._words(letters)[:last]], self.unknown)
        positions = np.flatnonzero(inside)
        return positions, tokens[positions]
