"""What a language model from elsewhere knows of a genome, beside a Markov chain that has read the rest of it."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from seqlm.common.errors import InputError
from seqlm.common.runtime import pick_device
from seqlm.inference.prediction import as_module, prepared
from seqlm.pretraining.corpus import Corpus, tokenize_corpus
from seqlm.pretraining.heldout import bits_per_base, cut_windows, markov_report
from seqlm.pretraining.token_scores import is_masked
from seqlm.tokenization import learn_tokenizer


def bits_beside_markov(model, sources, validation=0.1, length=512, windows=256, batch_size=16, device="auto"):
    """Bits per base of any language model on the held-out part of FASTA files.

    Parameters
    ----------
    model : PreTrainedModel or path
        Causal or masked, with its tokenizer; or the bundle of one.
    sources : list of path
        FASTA; plain, gzip or bgzip.
    validation : float
        Fraction at the end of each file that is held out: the Markov chain is fitted on the rest. What the model was
        pretrained on is its own affair, and may well hold the file.
    length : int
        Bases in a window, of which the second half is scored.
    windows : int
        Most windows, evenly spaced.
    batch_size : int
    device : str

    Returns
    -------
    dict
        bases (scored), markov_order, markov_bits_per_base; and bits_per_base of a causal model, or
        pseudo_bits_per_base of a masked one, which sees both sides of what it is asked for.

    Raises
    ------
    InputError
        The files hold too little text, or the model is no language model.
    """
    model = as_module(model)
    if getattr(model, "get_output_embeddings", lambda: None)() is None or getattr(model, "tokenizer", None) is None:
        raise InputError(type(model).__name__, "gives no likelihood", "give a language model and its tokenizer")
    bases = learn_tokenizer("character", alphabet="ACGT", case="upper")
    with TemporaryDirectory() as folder:
        tokenize_corpus(list(sources), bases, Path(folder) / "corpus", validation)
        text = Corpus(Path(folder) / "corpus")
        held_out = cut_windows(np.asarray(text.text), length, windows)
        if not held_out.bases:
            raise InputError(str(sources[0]), f"no window of {length} bases is held out", "give a smaller length")
        report = markov_report(text, bases, held_out)
    name = "pseudo_bits_per_base" if is_masked(model) else "bits_per_base"
    with prepared(model, device=pick_device(device)):
        return report | {name: bits_per_base(model, model.tokenizer, held_out, batch_size)}
