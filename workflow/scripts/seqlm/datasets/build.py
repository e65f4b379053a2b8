"""From an entry under `datasets:` of a study to examples and their summary."""

from seqlm.common.errors import InputError
from seqlm.datasets.examples import (
    check_examples,
    clean_examples,
    drop_unlabelled,
    lengths,
    subsample,
    summarise,
    within_lengths,
)
from seqlm.datasets.mrna import read_mrna
from seqlm.datasets.regions import read_regions
from seqlm.datasets.separation.duplicates import drop_duplicates
from seqlm.datasets.tables import read_dna_llm, read_records, read_table
from seqlm.datasets.windows import class_windows, motif_windows

KINDS = ("windows", "table", "records", "regions", "transcripts")


def build_dataset(name, config, sources, seed=0):
    """Prepare the examples of one dataset.

    Parameters
    ----------
    name : str
        The dataset's name in the study.
    config : dict
        Its entry under `datasets:` (see config/README.md), without folds.
    sources : dict of str to path
        File of each source that the entry names.
    seed : int
        For every draw.

    Returns
    -------
    examples : DataFrame
        See `seqlm.datasets.Dataset`.
    summary : dict

    Raises
    ------
    InputError
        For settings that do not fit together and for anything wrong in a file; never a half-made dataset.
    """
    where = f"datasets.{name}"
    kinds = [kind for kind in KINDS if config.get(kind)]
    if len(kinds) != 1:
        raise InputError(where, f"says {' and '.join(kinds) or 'nothing'} about its examples",
                         f"give exactly one of: {', '.join(KINDS)}")  # fmt: skip
    settings = dict(config[kinds[0]])
    examples, cleaning, label = _BUILDERS[kinds[0]](config, settings, sources, seed, where)
    if kinds[0] != "windows":
        examples, unlabelled = drop_unlabelled(examples, settings.get("missing", "error"), where)
        changed, rules = {}, config.get("cleaning", {})
        if kinds[0] != "transcripts" and not settings.get("tokens"):
            examples, changed = clean_examples(examples, rules, where)
        examples, left_out = within_lengths(examples, rules.get("min_length"), rules.get("max_length"))
        cleaning = {**cleaning, **unlabelled, **changed, **left_out}
        examples = subsample(examples, settings.get("subsample"), seed)
    examples = examples.reset_index(drop=True)
    if config.get("duplicates") == "drop":
        examples, dropped = drop_duplicates(examples, config["target"])
        examples, cleaning = examples.reset_index(drop=True), {**cleaning, **dropped}
    if "weight" not in examples:
        examples = examples.assign(weight=1.0)
    check_examples(examples, config["target"], where)
    said = config.get("aligned")
    aligned = {"aligned": is_aligned(examples, kinds[0], said, where), "aligned_said": said is not None}
    return examples, summarise(name, examples, config["target"], cleaning, label) | aligned


def is_aligned(examples, kind, said, where):
    """Whether a place in one sequence can mean the same as that place in another, so that models may keep positions.

    What the config says holds. Otherwise sequences of a table, of records or of regions may be aligned when all have
    one length, as windows cut around a point (a splice site, a peak, a variant) have: the validation part then tells
    (see `seqlm.training.places`). Windows that are cut from a source at multiples of a step, and mRNAs, are not.
    """
    tokens = examples["sequence"].str.contains(" ", regex=False).any()
    if said is False or (not said and (tokens or kind not in ("table", "records", "regions"))):
        return False
    length = lengths(examples["sequence"])
    if length.min() == length.max():
        return True
    if said:
        between = f"its sequences have {length.min()} to {length.max()} bases"
        raise InputError(where, f"says aligned: true, but {between}", "cut them to one length, or leave aligned out")
    return False


def _windows(config, settings, sources, seed, where):
    wanted = {"length", "step", "max_n_fraction"}
    shared = {key: value for key, value in settings.items() if key in wanted}
    shared |= {key: value for key, value in config.get("cleaning", {}).items() if key in ("policy", "molecule")}
    by_class = settings.get("sources")
    if by_class:
        _require(config, ("class",), where, "windows of several sources are classes")
        paths = {label: sources[source] for label, source in by_class.items()}
        number = {key: settings.get(key) for key in ("per_class", "train_step")}
        return class_windows(paths, **shared, **number, seed=seed, where=where)
    _require(config, ("track",), where, "a motif scan gives a track")
    if not config.get("label", {}).get("motif"):
        raise InputError(
            where, "windows of one source have no labels by themselves", "give label: {motif: <JASPAR file>}"
        )
    chosen = {key: settings.get(key) for key in ("subsample", "with_motif")}
    return motif_windows(sources[_one(settings, "source", where)], config["label"], **shared, **chosen,
                         seed=seed, where=where)  # fmt: skip


def _table(config, settings, sources, seed, where):
    if settings.get("format") == "dna-llm":
        _require(config, ("track",), where, "DNA-LLM's files hold a score per base")
        paths = [sources[_one(settings, key, where)] for key in ("sequences", "scores")]
        return *read_dna_llm(*paths), {}
    _require(config, ("scalar", "class"), where, "a column holds one label per sequence")
    if settings.get("sources"):
        path = {split: sources[source] for split, source in settings["sources"].items()}
    else:
        path = sources[_one(settings, "source", where)]
    columns = ("separator", "header", "id", "sequence", "label", "weight", "weights", "group", "split", "tokens",
               "specifiers")  # fmt: skip
    settings = {key: settings[key] for key in columns if settings.get(key) is not None}
    return read_table(path, settings, config["target"]), {}, {}


def _records(config, settings, sources, seed, where):
    _require(config, ("scalar", "class"), where, "a table holds one label per record")
    fasta, labels = (sources[_one(settings, key, where)] for key in ("source", "labels"))
    columns = {key: settings[key] for key in ("id", "label", "weight", "group", "weights") if settings.get(key)}
    return *read_records(fasta, labels, config["target"], **columns), {}


def _regions(config, settings, sources, seed, where):
    _require(config, ("scalar", "class"), where, "a column holds one label per region")
    bed, genome = (sources[_one(settings, key, where)] for key in ("source", "genome"))
    chosen = {key: settings[key] for key in ("label", "length", "background") if settings.get(key)}
    return *read_regions(bed, genome, config["target"], **chosen, seed=seed, where=where), {}


def _transcripts(config, settings, sources, seed, where):
    _require(config, ("scalar", "class"), where, "a transcript has one label")
    return read_mrna(settings, sources, config["target"], where)


_BUILDERS = {
    "windows": _windows,
    "table": _table,
    "records": _records,
    "regions": _regions,
    "transcripts": _transcripts,
}


def _require(config, targets, where, why):
    if config["target"] not in targets:
        raise InputError(where, f"target is {config['target']}, but {why}", f"set target: {' or '.join(targets)}")


def _one(settings, key, where):
    if not settings.get(key):
        raise InputError(where, f"does not say its {key}", f"give {key}: <name of a source>")
    return settings[key]
