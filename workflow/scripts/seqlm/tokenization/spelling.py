"""How a tokenizer wants bases written: found by trying, since published tokenizers do not say.

Vocabularies are of upper or lower case, of DNA or RNA (U for T), and are read from plain text, from letters with spaces
between them (SpliceBERT) or from spaced overlapping k-mers (DNABERT). What is written otherwise becomes unknown tokens,
and a model that reads nothing but unknown tokens still trains and predicts. So no tokenizer is used for which no
spelling is known.
"""

import re
from dataclasses import asdict, dataclass

import numpy as np

from seqlm.common.errors import InputError

_WORDS = (0, 1, 6, 5, 4, 3)  # plain text first: a vocabulary that can read it is meant to
_LONGEST_STEP = 8
# A multiple of 1 to 8, and longer than the 100 letters of a word that WordPiece reads.
_N = 840
_BYTE = re.compile(r"<0x[0-9A-Fa-f]{2}>")
_TO_RNA = str.maketrans("Tt", "Uu")
_TO_DNA = str.maketrans("Uu", "Tt")


@dataclass(frozen=True)
class Spelling:
    """A way to write bases.

    Parameters
    ----------
    lower : bool
        In lower case.
    rna : bool
        U for T.
    words : int
        0: plain text; 1: letters with spaces between them; k: overlapping words of k letters with spaces between them.
    step : int
        The number of bases must be a multiple of this: the tokenizer reads so many at a time and knows no rest.
    """

    lower: bool = False
    rna: bool = False
    words: int = 0
    step: int = 1

    def write(self, sequence):
        """A sequence of bases (any case, T or U) in this spelling.

        Raises
        ------
        InputError
            It has too few bases for one word, or a number of them that leaves a rest.
        """
        if len(sequence) % self.step:
            problem = f"has {len(sequence)} bases, its tokenizer reads {self.step} at a time and knows no rest"
            raise InputError("sequence", problem, f"give sequences whose length is a multiple of {self.step}")
        if 0 < len(sequence) < self.words:
            problem = f"has {len(sequence)} bases, its tokenizer reads words of {self.words}"
            raise InputError("sequence", problem, "give longer sequences")
        return self._written(sequence)

    def _written(self, sequence):
        text = sequence.lower() if self.lower else sequence.upper()
        text = text.translate(_TO_RNA if self.rna else _TO_DNA)
        if not self.words:
            return text
        return " ".join(text[i : i + self.words] for i in range(len(text) - self.words + 1))


def spelling_of(tokenizer):
    """The `Spelling` of a tokenizer, as recorded or else found and kept on it; plain upper case where none fits."""
    recorded = tokenizer.init_kwargs.get("seqlm", {}).get("spelling")
    if recorded:
        return Spelling(**recorded)
    if "_spelling" not in tokenizer.__dict__:
        own = tokenizer.init_kwargs.get("seqlm", {}).get("kind")
        found = Spelling(rna=_reads_rna(tokenizer)) if own else _found(tokenizer)
        tokenizer.__dict__["_spelling"] = found or Spelling(rna=_reads_rna(tokenizer))
    return tokenizer.__dict__["_spelling"]


def record_spelling(tokenizer, where):
    """Find the spelling of a published tokenizer and save it with the tokenizer from now on.

    Parameters
    ----------
    tokenizer : PreTrainedTokenizerBase
    where : str
        What errors name.

    Returns
    -------
    Spelling

    Raises
    ------
    InputError
        Bases remain unknown tokens, however they are written.
    """
    known = tokenizer.init_kwargs.get("seqlm", {})
    if "kind" in known:
        return spelling_of(tokenizer)
    found = Spelling(**known["spelling"]) if "spelling" in known else _found(tokenizer)
    if found is None:
        problem = "its tokenizer is missing or knows no bases, however they are written"
        raise InputError(where, problem, "give tokenizer_source: a name or folder")
    tokenizer.init_kwargs["seqlm"] = known | {"spelling": asdict(found)}
    return found


def _found(tokenizer):
    """The first spelling without an unknown token, or None."""
    rng = np.random.default_rng(0)
    probe = "".join(rng.choice(list("ACGT"), _N))
    rna_first = (True, False) if _reads_rna(tokenizer) else (False, True)
    for lower in (False, True):
        for words in _WORDS:
            for rna in rna_first:
                spelling = Spelling(lower, rna, words)
                if _reads(tokenizer, spelling, probe):
                    step = _step(tokenizer, spelling, probe)
                    return step and Spelling(lower, rna, words, step)
    return None


def _step(tokenizer, spelling, probe):
    """How many bases a tokenizer that reads the whole probe reads at a time; None when no number explains it."""
    lengths = range(_N - _LONGEST_STEP + 1, _N + 1)
    read = [_reads(tokenizer, spelling, probe[:n]) for n in lengths]
    steps = (k for k in range(1, _LONGEST_STEP + 1) if read == [n % k == 0 for n in lengths])
    return next(steps, None)


def _reads(tokenizer, spelling, sequence):
    """Whether every base is in a token that is made of bases."""
    try:
        ids = list(tokenizer(spelling._written(sequence), verbose=False)["input_ids"])
        tokens = tokenizer.convert_ids_to_tokens(ids)
    except Exception:  # tokenizers raise whatever they like at what they do not read
        return False
    special = set(tokenizer.all_special_ids)
    inside = [i for i, token in enumerate(ids) if token not in special]
    if not inside:
        return False
    letters = []
    for token, text in zip(ids[inside[0] : inside[-1] + 1], tokens[inside[0] : inside[-1] + 1], strict=True):
        if token in special or text is None:
            return False
        word = chr(int(text[3:5], 16)) if _BYTE.fullmatch(text) else re.sub("[^A-Za-z]", "", text)
        if not set(word.upper()) <= set("ACGTU"):
            return False
        letters.append(word.upper().translate(_TO_DNA))
    # An <unk> at an end is special too, and a tokenizer without one may drop what it does not know.
    ends = {tokenizer.unk_token_id} - {tokenizer.bos_token_id, tokenizer.eos_token_id, None}
    whole = "".join(letters)
    return not ends & set(ids) and len(whole) >= len(sequence) and set(whole) == set(sequence)


def _reads_rna(tokenizer):
    """Whether bases are spelled with U: in a vocabulary that has no T, or one of every character of a text of RNA."""
    if tokenizer.init_kwargs.get("seqlm", {}).get("molecule") == "rna":
        return True
    words = [word for word in tokenizer.get_vocab() if set(word.upper()) <= set("ACGTUN")]
    letters = set("".join(words).upper())
    return "U" in letters and "T" not in letters
