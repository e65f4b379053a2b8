"""How a model gathers positions, decided from its training data.

``auto`` keeps positions where a place means the same in every example: the dataset is aligned, by what its config says
or by what the validation part shows (see `seqlm.training.places`), and a token of the model is the same place in every
sequence, as bases and k-mers are and byte pairs are not. Otherwise mean and maximum stand side by side, of which one
suits signals that add up and the other those that occur somewhere, or the mean alone where that validates better.
"""

from seqlm.common.errors import InputError

SAMPLE = 256  # sequences looked at to see whether tokens of a backbone have fixed places


def pooling_fields(wanted, sequences, found, tokenizer=None, longest=None):
    """Fields of a model's config that follow from how it is to gather positions.

    Parameters
    ----------
    wanted : str
        What the study says, perhaps "auto".
    sequences : list of str
        Bases of all examples that are trained or validated on.
    found : dict
        What is known of the dataset: the pooling that suits it, and what does otherwise, where places are not kept.
    tokenizer : PreTrainedTokenizerBase, optional
        Of a model on a backbone.
    longest : int, optional
        Tokens that the backbone reads at most.

    Returns
    -------
    dict
        pooling, and for "positions" length (of the input) and bases (of every sequence).

    Raises
    ------
    InputError
        Positions are wanted, but sequences or their tokens differ in number.
    """
    if wanted not in ("auto", "positions"):
        return {"pooling": wanted}
    length = bases = len(sequences[0])
    same, what = all(len(sequence) == bases for sequence in sequences), "lengths"
    if same and tokenizer is not None:
        # A base that is not known may be a token of its own, which says nothing about the others.
        sample = [sequence for sequence in sequences if set(sequence) <= set("ACGT")][:SAMPLE] or sequences[:1]
        counts = set(map(len, tokenizer(sample)["input_ids"]))
        same, what, length = len(counts) == 1, "numbers of tokens", min(max(counts), longest or max(counts))
    if wanted == "positions" and not same:
        problem = f"positions wants inputs that line up, but the sequences have different {what}"
        raise InputError("model, pooling", problem, "use pooling: mean_max, or auto")
    if same and "positions" in (found["pooling"], wanted):
        return {"pooling": "positions", "length": length, "bases": bases}
    return {"pooling": found["otherwise"] if found["pooling"] == "positions" else found["pooling"]}


def choice_in_words(found):
    """What decided, for a model's card and the report."""
    values = found.get("validation")
    if not values:
        return "lengths"
    values = ", ".join(f"{name} {value:.3f}" for name, value in values.items())
    return f"the CNN's validation {found['metric'].replace('_', ' ')}: {values}"
