"""One or several models on a chunk of records, as a table."""

import sys
from collections import Counter
from functools import cached_property, partial

import numpy as np
import pyarrow as pa

from seqlm.common.errors import InputError
from seqlm.common.runtime import pick_device
from seqlm.evaluation.calibration import rescale
from seqlm.evaluation.conformal import conformal_interval
from seqlm.evaluation.validation import read_folds
from seqlm.inference.dataset_predictions import PREDICTION_TYPES, prediction_table
from seqlm.inference.prediction import check_lengths, predict_targets
from seqlm.inference.reading import encoded, written
from seqlm.models.bundle import load_model
from seqlm.sequences import clean, reverse_complement
from seqlm.streaming.transcripts import check_tokens
from seqlm.tokenization.atomic import as_read

_LONG = 1 << 20  # bases from which on it is said that a network reads a record as a whole
_PROTEIN = 0.25  # share of letters that are no nucleotide codes, from which on a record is taken for a protein


class Ensemble:
    """Models of one target, averaged.

    Parameters
    ----------
    models : list of path or SequenceModel
        Bundles, such as those of several folds and seeds. With their validation.parquet they also give intervals
        (scalars) and calibrated probabilities (classes).
    reverse_complement : bool
        Average each model's predictions over both strands; tracks are turned round.
    device : str
    batch_size : int, optional
    level : float
        Of the intervals, see `seqlm.evaluation.conformal`.

    Raises
    ------
    InputError
        A folder is no bundle or predicts no target; models predict different targets or classes, or take inputs of
        different length; `level` is no level.
    """

    def __init__(self, models, reverse_complement=False, device="auto", batch_size=None, level=0.9):
        if not 0 < level < 1:
            raise InputError("level", f"{level} is no level of an interval", "give a number between 0 and 1, as 0.9")
        self.level = level
        self.device, self.batch_size, self.reverse_complement = pick_device(device), batch_size, reverse_complement
        self.models = [model if hasattr(model, "config") else load_model(model) for model in models]
        if not self.models:
            raise InputError("models", "none are given", "give at least one bundle")
        for given, model in zip(models, self.models, strict=True):
            name = str(given) if not hasattr(given, "config") else type(given).__name__
            if getattr(model.config, "target", None) not in PREDICTION_TYPES:
                raise InputError(name, "is a language model and predicts no target", "give a trained model")
            for key in ("target", "classes", "length"):
                own, first = getattr(model.config, key), getattr(self.models[0].config, key)
                if own != first:
                    raise InputError(name, f"its {key} is {own}, the first model's {first}", "average like models")
            if reverse_complement and _reads_tokens(model):
                raise InputError(name, "reads tokens that have no complement", "leave reverse-complement averaging out")
            model.to(self.device)
        self.config, self.target = self.models[0].config, self.models[0].config.target
        self.bundles = [None if hasattr(given, "config") else given for given in models]

    @cached_property
    def folds(self):
        """See `read_folds`; None for tracks, and for models that were not validated."""
        if self.target == "track" or None in self.bundles:
            return None
        folds = read_folds(self.bundles, self.config.classes if self.target == "class" else None)
        if folds is None:
            without = {"scalar": "intervals are not given", "class": "probabilities are not calibrated"}[self.target]
            print(f"models: not all have a validation.parquet; {without}", file=sys.stderr)
        return folds

    def members(self, records):
        """Each model's predictions of (name, sequence) pairs, see `predict_targets`."""
        result = []
        for model in self.models:
            sequences = _readable(model, records)
            own = self._predict(model, sequences)
            if self.reverse_complement:
                other = self._predict(model, [reverse_complement(sequence) for sequence in sequences])
                if self.target == "track":
                    own = [(a + b[::-1]) / 2 for a, b in zip(own, other, strict=True)]
                else:
                    own = (own + other) / 2
            result.append(own)
        return result

    def readable(self, index, records):
        """Sequences of (name, sequence) pairs as the model of this index reads them."""
        return _readable(self.models[index], records)

    def table(self, source, records):
        """Predictions of a chunk of records; see `sequence_table` and `variant_table`."""
        return (variant_table if source.kind == "variants" else sequence_table)(self, records, source.places)

    def adjusted(self, members):
        """Each model's predictions; probabilities at the temperature of the model's fold."""
        if self.target != "class" or self.folds is None:
            return members
        temperature = {number: fold.temperature for fold in self.folds for number in fold.members}
        return [rescale(own, temperature[number]) for number, own in enumerate(members)]

    def pooled(self, members):
        """The mean over models; probabilities of a fold's models are averaged, calibrated, then averaged over folds."""
        if self.target == "track" and len(members) == 1:
            return members[0]
        if self.target == "track":
            return [np.mean(tracks, axis=0) for tracks in zip(*members, strict=True)]
        if self.target != "class" or self.folds is None:
            return np.mean(members, axis=0)
        each = [rescale(own, fold.temperature) for own, fold in zip(self._by_fold(members), self.folds, strict=True)]
        return np.average(each, axis=0, weights=[len(fold.members) for fold in self.folds])

    def interval(self, members):
        """Ends of the interval of each scalar, or None, see `seqlm.evaluation.conformal`.

        Models were validated on the strand as given: the mean over both strands errs less, so that its interval is
        rather too wide.
        """
        if self.target != "scalar" or self.folds is None:
            return None
        return conformal_interval(self._by_fold(members), [fold.errors for fold in self.folds], self.level)

    def _by_fold(self, members):
        return [np.mean([members[number] for number in fold.members], axis=0) for fold in self.folds]

    def _predict(self, model, sequences):
        return predict_targets(model, sequences, batch_size=self.batch_size, device=self.device)


def record_check(source, ensembles, cleaning="N", counts=None):
    """What raises `InputError` for a record that one of the models cannot read; for `seqlm.streaming.writing.stream`.

    Parameters
    ----------
    source : Source
    ensembles : dict of str to Ensemble
    cleaning : {"error", "N", "drop"}
    counts : collections.Counter, optional
        Letters that are neither bases nor N are added here, see `clean_records`.
    """
    models = [model for ensemble in ensembles.values() for model in ensemble.models]
    cleans, counts = _cleans(source, ensembles), Counter() if counts is None else counts
    whole = not all(getattr(model, "reach", None) is not None or _reads_tokens(model) for model in models)

    def check(record):
        nonlocal whole
        if source.kind == "variants":
            named = [(record.id, record.reference), (record.id, record.alternative)]
        else:
            kept = clean_records([record], cleaning, counts) if cleans else [record]
            named = [(one.id, one.sequence) for one in kept]
        for model in models:
            _readable(model, named)
        if whole and any(len(sequence) > _LONG for _, sequence in named):
            whole = False  # said once
            problem = f"record {record.id!r} is read as a whole, in memory that grows with its length"
            print(f"{source.path}: {problem}; if that is too much, cut it into windows", file=sys.stderr)

    return check


def _cleans(source, ensembles):
    return source.kind == "sequences" and not any(_reads_tokens(m) for e in ensembles.values() for m in e.models)


def join_tables(source, ensembles, records, cleaning="N"):
    """Tables of several ensembles one below the other, in a column `model` their names; None: one without a name.

    Bases are cleaned first, see `clean_records`.
    """
    tables = []
    if _cleans(source, ensembles):
        some, records = records, clean_records(records, cleaning, Counter())
        if not records:  # all are left out: a table without rows, of the same columns
            return join_tables(source, ensembles, some[:1], "N").slice(0, 0)
    for name, ensemble in ensembles.items():
        table = ensemble.table(source, records)
        tables.append(table if name is None else table.add_column(1, "model", pa.array([name] * len(records))))
    # Numbers of models may differ from name to name: no standard deviation where there is one model only.
    return pa.concat_tables(tables, promote_options="default").combine_chunks()


def sequence_table(ensemble, records, places):
    """Predictions of sequences.

    Returns
    -------
    pyarrow.Table
        id; chrom, start, end, strand where they are known; prediction, the mean over models. For scalars low and high,
        the ends of the interval. For classes calibrated probabilities, label (the most probable class) and its
        confidence. With several models sd, the standard deviation of each value over them.
    """
    columns = {name: [getattr(r, name) for r in records] for name in ("chrom", "start", "end", "strand") if places}
    members = ensemble.members([(r.id, r.sequence) for r in records])
    ids, config = [r.id for r in records], ensemble.config
    table = prediction_table(ids, ensemble.pooled(members), config.target, config.classes, columns)
    for name, values in zip(("low", "high"), ensemble.interval(members) or (), strict=False):
        table = table.append_column(name, pa.array(values, pa.float64()))
    sd = deviation(ensemble.adjusted(members), ensemble.target)
    return table if sd is None else table.append_column("sd", _array(sd, ensemble.target))


def variant_table(ensemble, variants, _=True):
    """What variants do to predictions.

    Returns
    -------
    pyarrow.Table
        id, chrom, start, end, ref, alt; reference and alternative, the predictions of both windows; difference,
        alternative - reference, for tracks position by position of the windows; with several models sd of it.
    """
    reference = ensemble.members([(v.id, v.reference) for v in variants])
    alternative = ensemble.members([(v.id, v.alternative) for v in variants])
    arrays = {"id": [v.id for v in variants], "chrom": [v.chrom for v in variants]}
    arrays |= {"start": [v.start for v in variants], "end": [v.start + len(v.ref) for v in variants]}
    arrays |= {"ref": [v.ref for v in variants], "alt": [v.alt for v in variants]}
    target, before, after = ensemble.target, ensemble.pooled(reference), ensemble.pooled(alternative)
    for name, values in (
        ("reference", before), ("alternative", after), ("difference", _minus(after, before, target)),
    ):  # fmt: skip
        arrays[name] = _array(values, target)
    pairs = zip(ensemble.adjusted(alternative), ensemble.adjusted(reference), strict=True)
    sd = deviation([_minus(a, b, target) for a, b in pairs], target)
    if sd is not None:
        arrays["sd"] = _array(sd, target)
    return pa.table(arrays)


def deviation(members, target):
    """Sample standard deviation over models; None for a single model."""
    if len(members) == 1:
        return None
    if target != "track":
        return np.std(members, axis=0, ddof=1)
    return [np.std(tracks, axis=0, ddof=1) for tracks in zip(*members, strict=True)]


def _minus(a, b, target):
    return [x - y for x, y in zip(a, b, strict=True)] if target == "track" else a - b


def _array(values, target):
    return pa.array(values if target == "scalar" else list(values), PREDICTION_TYPES[target])


def _reads_tokens(model):
    return as_read(model, ["a c"]) == ["a c"]


def _readable(model, records):
    """Sequences as a model reads them: bases cleaned, none longer than the model takes."""
    sequences = as_read(model, [sequence for _, sequence in records])
    if _reads_tokens(model):
        return [check_tokens(model, name, text) for (name, _), text in zip(records, sequences, strict=True)]
    return [check_sequence(model, name, text) for (name, _), text in zip(records, sequences, strict=True)]


def clean_records(records, policy, counts):
    """Records whose letters are all bases or N, see `seqlm.sequences.clean` for the policy.

    Parameters
    ----------
    records : list of Record
    policy : {"error", "N", "drop"}
    counts : collections.Counter
        What was found is added here.

    Raises
    ------
    InputError
        As `clean` does; and a quarter of a record's letters or more are no nucleotide codes, whatever the policy.
    """
    kept = []
    for record in records:
        if " " in record.sequence:  # tokens, which `as_read` turns into bases
            kept.append(record)
            continue
        where = f"record {record.id!r}"
        letters, found = clean(record.sequence, policy=policy, where=where)
        if found["illegal"] >= max(1, _PROTEIN * len(record.sequence)):
            raise _illegal(where, record.sequence)
        counts.update(found)
        if letters is not None:
            kept.append(record._replace(sequence=letters))
    return kept


def check_sequence(model, name, sequence):
    """A sequence in upper case ACGTN, if the model can read it.

    Raises
    ------
    InputError
        It is empty, holds what is no nucleotide code, is longer than the model's input, or is nothing that its
        tokenizer reads.
    """
    where = f"record {name!r}"
    letters, counts = clean(sequence, where=where)
    if not letters:
        raise InputError(where, "has no sequence", "remove it or complete it")
    if counts["illegal"]:
        raise _illegal(where, sequence)
    most = None if hasattr(model, "layout") else getattr(model.config, "length", None)  # a layout says how to cut
    check_lengths(model, [letters], where)
    if most and len(letters) > most:
        raise InputError(where, f"has {len(letters)} bases, the model reads {most}", "cut it into windows")
    if getattr(model, "tokenizer", None) is not None:
        # Of a track all tokens have to fit; anything else that is too long is cut.
        track = getattr(model.config, "target", None) == "track"
        encoded(model.encode if track else partial(written, model), [letters], [where])
    return letters


def _illegal(where, sequence):
    shown = next(letter for letter in sequence if clean(letter)[1]["illegal"])
    return InputError(where, f"{shown!r} is not a nucleotide code", "give DNA or RNA sequences")
