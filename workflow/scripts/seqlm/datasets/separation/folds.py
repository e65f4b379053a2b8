"""Which example is trained on, validated on and tested on: one table for every model of a study.

Everything is decided on *units*, sets of examples that stay together: single examples, groups (gene, family),
chromosomes, clusters of similar sequences, or places along a chromosome. Five schemes then deal units out to parts:

ratio      one fold by percentages
kfold      each example is tested in exactly one of k folds
repeated   k independent ratio splits (an example may be tested several times or never)
split      one fold, by the values of the examples' `split` column
custom     several folds, each with its own list of `split` values
"""

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components

from seqlm.common.errors import InputError
from seqlm.datasets.separation.groups import group_numbers, known_groups
from seqlm.sequences.similarity import similarity_clusters

PARTS = ("train", "validation", "test")
SCHEMES = ("ratio", "kfold", "repeated", "split", "custom")
# Values of a split column that say by themselves what they are for.
KNOWN_SPLITS = {"validation": ("validation", "valid", "val", "dev", "eval"), "test": ("test",)}


def make_folds(
    examples,
    scheme="ratio",
    *,
    train=None,
    validation=10,
    test=20,
    k=5,
    group=None,
    similarity=0.5,
    stratify=True,
    gap=0,
    seed=0,
    where="folds",
):
    """Deal examples out to training, validation and test.

    Parameters
    ----------
    examples : DataFrame
        As in examples.parquet, ``id`` and ``group``, ``split``, ``target``, ``sequence``, ``chrom``, ``start``, ``end``
        where a setting needs them.
    scheme : {"ratio", "kfold", "repeated", "split", "custom"}
    train, validation, test : number, or list of str, or list of lists of str
        Percentages of the examples (ratio, repeated; `train` may be left out; for kfold only `validation` counts,
        and "next" takes the following fold). For ``split``, lists of values of the split column; for ``custom``,
        one list per fold. Values named for neither part are training; a validation percentage is drawn from those.
    k : int
        Folds of kfold and repeated.
    group : str, optional
        What never straddles parts: "position" (contiguous blocks along chromosomes), "chromosome", "cluster" (similar
        sequences, and all of a gene with them where the column ``group`` is filled in), or a column of `examples`. When
        missing, the column ``group`` where it is filled in.
    similarity : float
        Smallest shared k-mer fraction of a cluster (see `seqlm.sequences.similarity`).
    stratify : bool
        Whether parts keep the proportions of classes (class targets).
    gap : int
        For "position": bases that must lie between windows of different parts.
    seed : int

    Returns
    -------
    DataFrame
        Columns id, fold, part, and with group "cluster" also cluster, a number; the order of `examples` within a fold.
        With group "position", windows that overlap a window of another part are left out of the fold. Examples marked
        ``training_only`` are dealt out with those that share a unit with them, and left out of all parts but training.

    Raises
    ------
    InputError
        For values that do not make sense together, and for folds with an empty training or test part.
    """
    if scheme not in SCHEMES:
        raise InputError(where, f"there is no scheme {scheme!r}", f"the schemes are: {', '.join(SCHEMES)}")
    if len(examples) == 0:
        raise InputError(where, "there are no examples to split", "check the dataset and its filters")
    drawn = np.ones(len(examples), bool)
    if "training_only" in examples:
        drawn = ~examples["training_only"].to_numpy(bool)
    if not drawn.all() and (group == "position" or scheme in ("split", "custom")):
        raise InputError(where, "some examples are for training only, which needs groups of examples",
                         "use another scheme and group, or drop train_step")  # fmt: skip
    dealt = examples[drawn]
    if scheme in ("split", "custom"):
        folds = _by_split(dealt, scheme, validation, test, group, seed, where)
    else:
        unit = _units(examples, group, similarity, where)
        strata = _strata(dealt, stratify)
        rng = np.random.default_rng(seed)
        if scheme == "kfold":
            folds = _kfold(unit[drawn], strata, k, validation, group == "position", rng, where)
        else:
            percent = _percentages(train, validation, test, where)
            repeats = k if scheme == "repeated" else 1
            folds = [_ratio(unit[drawn], strata, percent, group == "position", rng) for _ in range(repeats)]
    tables = []
    for number, part in enumerate(folds):
        kept = _clear_of_other_parts(dealt, part, gap) if group == "position" else np.ones(len(part), bool)
        _check(dealt, part[kept], kept, validation != 0, f"{where}, fold {number}")
        table = pd.DataFrame({"id": dealt["id"].to_numpy()[kept], "fold": number})
        tables.append(table.assign(part=np.array(PARTS)[part[kept]]))
        if not drawn.all():
            more = examples.loc[~drawn & np.isin(unit, unit[drawn][part == 0]), "id"]
            tables.append(pd.DataFrame({"id": more.to_numpy(), "fold": number, "part": PARTS[0]}))
    table = pd.concat(tables, ignore_index=True)
    if group == "cluster" and scheme not in ("split", "custom"):
        table["cluster"] = table["id"].map(dict(zip(examples["id"], unit, strict=True)))
    return table


# units ------------------------------------------------------------------------------------------------------------


def _units(examples, group, similarity, where):
    """Unit number of each example: int array (n,). Positions get units in genome order."""
    single = np.arange(len(examples))
    if group == "position":
        return np.argsort(_genome_order(examples, where))
    if group == "cluster":
        if not 0 < similarity <= 1:
            raise InputError(where, f"similarity is {similarity}", "give a fraction above 0 and up to 1")
        cluster = similarity_clusters(examples["sequence"].tolist(), similarity)
        return _joined(cluster, examples["group"]) if "group" in examples else cluster
    column = {None: "group", "chromosome": "chrom"}.get(group, group)
    if column not in examples:
        if group is None:
            return single
        there_are = ", ".join(map(str, examples.columns))
        raise InputError(where, f"the examples have no column {column!r} to group by",
                         f"choose position, chromosome, cluster or one of: {there_are}")  # fmt: skip
    names = examples[column]
    if group is not None and not known_groups(names).any():
        raise InputError(where, f"the examples' {column!r} is empty", "name a group column in the dataset")
    return group_numbers(names)


def _joined(cluster, group):
    """Units that keep both clusters and groups together: connected components, int array (n,)."""
    label = np.where(known_groups(group), group_numbers(group), -1)
    labelled = np.flatnonzero(label >= 0)
    clusters = int(cluster.max()) + 1
    nodes = clusters + int(label.max(initial=-1)) + 1
    links = (np.ones(len(labelled), bool), (cluster[labelled], clusters + label[labelled]))
    _, component = connected_components(csr_matrix(links, shape=(nodes, nodes)), directed=False)
    return component[cluster]


def _genome_order(examples, where):
    """Rows sorted along the genome: chromosomes by name with numbers as numbers (chr2 before chr10), then by start."""
    if not {"chrom", "start", "end"} <= set(examples) or examples[["chrom", "start", "end"]].isna().any(axis=None):
        raise InputError(where, "group: position needs coordinates, and some examples have none",
                         "use windows of a source, window names such as chr22_100_399, or another group")  # fmt: skip
    rank = {name: i for i, name in enumerate(sorted(examples["chrom"].unique(), key=_natural))}
    return np.lexsort((examples["start"].astype(int), examples["chrom"].map(rank)))


def _natural(name):
    number = "".join(filter(str.isdigit, name))
    return (not number, int(number or 0), name)


def _strata(examples, stratify):
    """Class number of each example, zeros when the target is no class."""
    target = examples.get("target")
    if stratify and target is not None and isinstance(next(iter(target.dropna()), None), str):
        return pd.factorize(target)[0]
    return np.zeros(len(examples), int)


# dealing ----------------------------------------------------------------------------------------------------------


def _deal(unit, strata, shares, rng):
    """Deal whole units out to bins so that each bin gets its share of every class.

    Units are shuffled and then taken largest first; each goes to the bin that lacks most of what the unit holds, rare
    classes counting as much as common ones. No bin stays empty while there are units left to fill it.

    Parameters
    ----------
    unit, strata : int arrays (n,)
        Unit and class number of each example.
    shares : list of float
        Share of each bin, adding to 1.

    Returns
    -------
    int array (n,)
        Bin of each example.
    """
    number = pd.factorize(unit)[0]
    units, classes = number.max() + 1, strata.max() + 1
    content = np.zeros((units, classes))
    np.add.at(content, (number, strata), 1)
    content /= np.maximum(content.sum(axis=0), 1)
    order = rng.permutation(units)
    order = order[np.argsort(-np.bincount(number)[order], kind="stable")]
    lacking = np.array(shares)[:, None] * np.ones(classes)
    empty = {i for i, share in enumerate(shares) if share > 0}
    bin_of = np.empty(units, int)
    for left, index in zip(range(units, 0, -1), order, strict=True):
        need = lacking @ content[index]
        chosen = max(empty, key=need.__getitem__) if left <= len(empty) else int(np.argmax(need))
        bin_of[index] = chosen
        lacking[chosen] -= content[index]
        empty.discard(chosen)
    return bin_of[number]


def _deal_in_order(unit, shares):
    """Deal units 0, 1, 2, ... out to bins as contiguous blocks."""
    upper = np.rint(np.cumsum(shares) * len(unit))
    return np.searchsorted(upper[:-1], unit, side="right")


def _percentages(train, validation, test, where):
    values = [validation, test] if train is None else [train, validation, test]
    if not all(isinstance(value, (int, float)) and 0 <= value <= 100 for value in values):
        raise InputError(where, f"{values} are not percentages", "give numbers between 0 and 100")
    train = 100 - validation - test if train is None else train
    if abs(train + validation + test - 100) > 1e-6:
        raise InputError(where, f"train {train} + validation {validation} + test {test} do not add to 100",
                         "change them so that they do")  # fmt: skip
    for name, value in (("train", train), ("test", test)):
        if value <= 0:
            raise InputError(where, f"the {name} part is {value}%", "give every fold a training and a test part")
    return train / 100, validation / 100, test / 100


def _ratio(unit, strata, percent, in_order, rng):
    if in_order:
        return _deal_in_order(unit, percent)
    return _deal(unit, strata, percent, rng)


def _kfold(unit, strata, k, validation, in_order, rng, where):
    units = len(np.unique(unit))
    if not isinstance(k, int) or k < 2:
        raise InputError(where, f"k is {k}", "give at least 2 folds")
    if units < k:
        raise InputError(where, f"{units} groups cannot fill {k} folds", "lower k, or group by something finer")
    shares = [1 / k] * k
    block = _deal_in_order(unit, shares) if in_order else _deal(unit, strata, shares, rng)
    return [_kfold_parts(block, i, k, unit, strata, validation, in_order, rng, where) for i in range(k)]


def _kfold_parts(block, i, k, unit, strata, validation, in_order, rng, where):
    part = np.where(block == i, 2, 0)
    if validation == "next":
        if k < 3:
            raise InputError(where, "validation: next needs a third fold to train on", "give k of at least 3")
        part[block == (i + 1) % k] = 1
        return part
    if not isinstance(validation, (int, float)) or not 0 <= validation < 100 * (1 - 1 / k):
        raise InputError(where, f"validation is {validation!r}",
                         f"give a percentage below {100 - 100 // k}, or next")  # fmt: skip
    rest = np.flatnonzero(part == 0)
    wanted = validation / 100 * len(unit)
    if in_order:
        # The stretch after the test block (from the start again after the last block).
        after = (unit[rest] - unit[block == i].max()) % len(unit)
        part[rest[after <= wanted]] = 1
    elif wanted:
        share = wanted / len(rest)
        part[rest] = _deal(unit[rest], strata[rest], [1 - share, share], rng)
    return part


# split column -----------------------------------------------------------------------------------------------------


def _by_split(examples, scheme, validation, test, group, seed, where):
    """Parts of every fold of the schemes split and custom."""
    known = known_groups(examples["split"]) if "split" in examples else np.zeros(len(examples), bool)
    if not known.any():
        raise InputError(where, f"scheme {scheme} needs a split column, and the dataset has none",
                         "name one under table: split: <column>, or use the scheme ratio")  # fmt: skip
    if not known.all():
        some = examples.loc[~known, "id"].iloc[0]
        raise InputError(where, f"example {some!r} has no split value", "fill the split column in every row")
    split = examples["split"].astype(str).to_numpy()
    if scheme == "custom":
        pairs = _custom_pairs(validation, test, where)
    else:
        pairs = [(_split_values(validation, "validation", split), _split_values(test, "test", split))]
        if not isinstance(pairs[0][1], list):
            there_are = ", ".join(dict.fromkeys(split))
            raise InputError(where, "scheme split needs the split values of the test part",
                             f"write test: [...] with some of: {there_are}")  # fmt: skip
    folds = []
    for number, (validation_values, test_values) in enumerate(pairs):
        here = where if scheme == "split" else f"{where}, fold {number}"
        part = np.zeros(len(split), int)
        for index, values in ((1, validation_values), (2, test_values)):
            if isinstance(values, list):
                for value in map(str, values):
                    part[_rows_of(value, split, part, here)] = index
        if not isinstance(validation_values, list) and validation_values:
            rest = np.flatnonzero(part == 0)
            unit = _units(examples.iloc[rest], None, None, where)
            share = validation_values / 100
            dealt = _deal(unit, _strata(examples.iloc[rest], True), [1 - share, share], np.random.default_rng(seed))
            part[rest] = dealt
        if group not in (None, "position"):
            _check_straddling(_units(examples, group, 0.5, where), part, group, here)
        folds.append(part)
    return folds


def _split_values(given, part, split):
    """A list of split values, or a percentage for validation."""
    if isinstance(given, list):
        return given
    if isinstance(given, str):
        return [given]
    known = [value for value in dict.fromkeys(split) if value.lower() in KNOWN_SPLITS[part]]
    return known or given


def _custom_pairs(validation, test, where):
    def is_list_of_lists(value):
        return isinstance(value, list) and value and all(isinstance(item, list) for item in value)

    if not is_list_of_lists(test):
        raise InputError(where, "scheme custom needs one list of split values per fold under test",
                         "write test: [[a], [b]] for two folds")  # fmt: skip
    if not is_list_of_lists(validation):
        return [(validation, values) for values in test]
    if len(validation) != len(test):
        raise InputError(where, f"{len(validation)} validation lists for {len(test)} test lists",
                         "give one list for each fold under both")  # fmt: skip
    return list(zip(validation, test, strict=True))


def _rows_of(value, split, part, where):
    rows = split == value
    if not rows.any():
        there_are = ", ".join(dict.fromkeys(split))
        raise InputError(where, f"no example has the split {value!r}", f"the splits there are: {there_are}")
    if part[rows].any():
        raise InputError(where, f"the split {value!r} is named twice", "name it for validation or for test, once")
    return rows


def _check_straddling(unit, part, group, where):
    parts_of = pd.Series(part).groupby(unit).nunique()
    straddling = int((parts_of > 1).sum())
    if straddling:
        raise InputError(where, f"{straddling} groups ({group}) have examples in several parts",
                         "change the split column, or drop group to allow it")  # fmt: skip


# checks -----------------------------------------------------------------------------------------------------------


def _clear_of_other_parts(examples, part, gap):
    """Which examples stay when windows of different parts must be `gap` bases apart: bool array (n,).

    The test part keeps all its windows, validation those clear of test, training those clear of both.
    """
    start, end = (examples[column].to_numpy(int) for column in ("start", "end"))
    chrom = pd.factorize(examples["chrom"])[0]
    keep = np.ones(len(part), bool)
    for lower in (1, 0):
        for name in np.unique(chrom):
            held = np.flatnonzero((chrom == name) & (part > lower) & keep)
            ours = np.flatnonzero((chrom == name) & (part == lower))
            if len(held) and len(ours):
                keep[ours] = ~_overlaps(start[ours] - gap, end[ours] + gap, start[held], end[held])
    return keep


def _overlaps(start, end, other_start, other_end):
    """Whether each interval overlaps any of the others (half-open)."""
    # Others that begin before our end, minus others that end at or before our start, overlap us.
    begun = np.searchsorted(np.sort(other_start), end, side="left")
    ended = np.searchsorted(np.sort(other_end), start, side="right")
    return begun > ended


def _check(examples, part, kept, validated, where):
    counts = np.bincount(part, minlength=3)
    for index, name in enumerate(PARTS):
        if counts[index] == 0 and (validated or name != "validation"):
            raise InputError(where, f"the {name} part is empty",
                             "use more examples, finer groups or other percentages or splits")  # fmt: skip
    target = examples.get("target")
    if target is not None and isinstance(next(iter(target.dropna()), None), str):
        target = target.to_numpy()[kept]
        unseen = sorted(set(target[part > 0]) - set(target[part == 0]))
        if unseen:
            raise InputError(where, f"class {unseen[0]!r} has no training example",
                             "add examples of it, remove it, or group by something finer")  # fmt: skip
