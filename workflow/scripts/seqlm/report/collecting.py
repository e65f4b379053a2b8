"""A study's tidy tables, collected from the files of its jobs and checked to hold the full grid exactly once."""

from pathlib import Path

import numpy as np
import pandas as pd

from seqlm.common.errors import InputError
from seqlm.common.tables import CELL, PRETRAINING, place_of, read_json, read_scores, read_table
from seqlm.datasets.separation.groups import group_numbers
from seqlm.datasets.storage import read_folds
from seqlm.evaluation.metrics import METRICS, average_precision

METRIC_COLUMNS = [*CELL, "part", "metric", "value"]
COST_COLUMNS = [*CELL, "stage", "quantity", "value", "unit", "device"]
HISTORY_COLUMNS = [*CELL, "epoch", "step", "part", "metric", "value"]
UNITS = {
    "seconds": "s", "seconds_to_best": "s", "samples": "samples", "tokens": "tokens", "samples_per_second": "samples/s",
    "tokens_per_second": "tokens/s", "peak_memory_bytes": "bytes", "parameters": "parameters",
    "trainable_parameters": "parameters", "threads": "threads", "epochs": "epochs", "steps": "steps",
    "wall_seconds": "s", "queue_seconds": "s", "energy_joules": "J", "peak_host_memory_bytes": "bytes",
    "attempts": "attempts", "devices": "devices",
}  # fmt: skip


def _labelled(paths, columns, order):
    """Concatenate TSVs, adding the cell each lies in."""
    frames = []
    for path in paths:
        table = read_table(path, columns)
        frames.append(table.assign(**place_of(path)))
    return _typed(pd.concat(frames, ignore_index=True)[order]) if frames else pd.DataFrame(columns=order)


def _typed(table):
    return table.astype({"fold": "Int64", "seed": "Int64"})


def _assert_unique(table, keys, where):
    twice = table.duplicated(keys)
    if twice.any():
        row = table.loc[twice.idxmax(), keys]
        raise InputError(where, "two rows for " + ", ".join(f"{k} {row[k]}" for k in keys), "give each file once")


def collect_metrics(paths, grid, targets=None, where="tables/metrics.tsv"):
    """metrics.tsv of a study.

    Parameters
    ----------
    paths : list of path
        ``predictions/<dataset>/<model>/fold<k>/seed<s>.metrics.tsv``, columns part, metric, value.
    grid : list of (dataset, model, fold, seed)
        Every cell that must be there, and no other may be.
    targets : dict, optional
        dataset -> target; then every metric of `seqlm.evaluation.metrics.METRICS` is required of each part.

    Returns
    -------
    DataFrame
        Columns dataset, model, fold, seed, part, metric, value.
    """
    table = _labelled(paths, ["part", "metric", "value"], METRIC_COLUMNS)
    _assert_unique(table, METRIC_COLUMNS[:-1], where)
    _assert_grid(table, grid, where)
    for (dataset, model, fold, seed, part), rows in table.groupby([*CELL, "part"]):
        missing = set(METRICS.get((targets or {}).get(dataset), ())) - set(rows["metric"])
        if missing:
            place = f"{where}: {dataset} {model} fold {fold} seed {seed} {part}"
            raise InputError(place, f"lacks {', '.join(sorted(missing))}", "predict this model again")
    return table


def _assert_grid(table, grid, where):
    expected = {(str(d), str(m), int(f), int(s)) for d, m, f, s in grid}
    tested = table[table["part"] == "test"]
    found = set(
        zip(tested["dataset"].astype(str), tested["model"].astype(str), tested["fold"], tested["seed"], strict=True)
    )
    every = set(
        zip(table["dataset"].astype(str), table["model"].astype(str), table["fold"], table["seed"], strict=True)
    )
    if expected - found:
        raise InputError(
            where, f"no test metrics of {_cells(expected - found)}", "predict these models, or take them out of runs"
        )
    if every - expected:
        raise InputError(
            where, f"{_cells(every - expected)} is not part of the study", "give only the files of the study's runs"
        )


def _cells(cells, most=3):
    cells = sorted(cells)
    words = "; ".join(f"{d} {m} fold {f} seed {s}" for d, m, f, s in cells[:most])
    return words + (f" and {len(cells) - most} more" if len(cells) > most else "")


def collect_settings(folders):
    """settings.tsv: what models were trained with where it follows from the data: pooling, epochs, batch size, ...

    Parameters
    ----------
    folders : list of path
        ``models/<dataset>/<model>/fold<k>/seed<s>``, bundles.

    Returns
    -------
    DataFrame
        Columns dataset, model, fold, seed, setting, value (text).
    """
    rows = []
    for folder in folders:
        config = read_json(Path(folder) / "config.json")
        settings = dict(config.get("trained_with") or {})
        if config.get("target") != "track" and "pooling" in config:
            settings = {"pooling": config["pooling"], **settings}
        place = place_of(Path(folder) / "config.json")
        rows += [{**place, "setting": name, "value": str(value)} for name, value in settings.items()]
    columns = [*CELL, "setting", "value"]
    return _typed(pd.DataFrame(rows, columns=columns)) if rows else pd.DataFrame(columns=columns)


def collect_costs(paths, where="tables/costs.tsv", price_per_hour=None):
    """costs.tsv: every number of every stage in cost.json files (one stage each, or a list of stages).

    With `price_per_hour`, of a device, there is the ``price`` of each stage: of all attempts on all its devices.
    """
    rows = []
    for path in paths:
        content = read_json(path)
        for stage in content if isinstance(content, list) else [content]:
            if "stage" not in stage:
                raise InputError(path, "names no stage", "delete it and run the job again")
            if price_per_hour is not None and "seconds" in stage:
                hours = stage.get("wall_seconds", stage["seconds"]) / 3600
                stage = stage | {"price": hours * stage.get("devices", 1) * price_per_hour}
            for quantity, value in stage.items():
                if isinstance(value, (int, float)) and not isinstance(value, bool):
                    unit, device = UNITS.get(quantity, ""), stage.get("device", "")
                    rows.append(
                        {
                            **place_of(path),
                            "stage": stage["stage"],
                            "quantity": quantity,
                            "value": value,
                            "unit": unit,
                            "device": device,
                        }
                    )
    table = _typed(pd.DataFrame(rows, columns=COST_COLUMNS))
    _assert_unique(table, COST_COLUMNS[:6], where)
    return table


def collect_history(paths, where="tables/history.tsv"):
    """history.tsv: the curves of every training, pretraining among them (dataset ``pretraining``)."""
    table = _labelled(paths, HISTORY_COLUMNS[4:], HISTORY_COLUMNS)
    _assert_unique(table, HISTORY_COLUMNS[:-1], where)
    return table


def collect_language(paths):
    """language.tsv: backbone, measure, value: every number of the backbones' bits_per_base.json files."""
    rows = []
    for path in paths:
        rows += [
            {"backbone": place_of(path)["model"], "measure": name, "value": value}
            for name, value in _numbers(read_json(path))
        ]
    return pd.DataFrame(rows, columns=["backbone", "measure", "value"])


def _numbers(content, prefix=""):
    """(name, number) of every number in nested dicts, names joined by underscores."""
    for name, value in content.items():
        if isinstance(value, dict):
            yield from _numbers(value, f"{prefix}{name}_")
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            yield prefix + name, value


def collect_data(paths):
    """data.tsv: how many examples and groups each part has, and what leaks between training and the other parts.

    Parameters
    ----------
    paths : list of path
        ``datasets/<dataset>/examples.parquet``, each with folds.tsv beside it.

    Returns
    -------
    DataFrame
        dataset, fold, part, measure, value (see `count_parts`).
    """
    frames = []
    for path in map(Path, paths):
        examples = read_table(path, ["id", "sequence", "target"])
        folds = read_folds(path.with_name("folds.tsv"))
        frames.append(count_parts(examples, folds).assign(dataset=path.parent.name))
    columns = ["dataset", "fold", "part", "measure", "value"]
    return pd.concat(frames, ignore_index=True)[columns] if frames else pd.DataFrame(columns=columns)


def count_parts(examples, folds):
    """Counts of one dataset: DataFrame of fold, part, measure, value.

    Measures: examples, labelled, groups, letters; for validation and test also shared_groups (groups that training has
    too) and shared_sequences (examples whose sequence training has letter by letter).
    """
    examples = examples.set_index("id")
    group = pd.Series(examples.index, examples.index, dtype=object)
    if "group" in examples:
        group = pd.Series(group_numbers(examples["group"]), examples.index)
    rows = []
    for fold, places in folds.groupby("fold"):
        ids = {part: own["id"] for part, own in places.groupby("part")}
        seen = ids.get("train", pd.Series(dtype=str))
        seen_groups, seen_sequences = set(group[seen]), set(examples["sequence"][seen])
        for part, own in ids.items():
            sequences, groups = examples["sequence"][own], group[own]
            values = {
                "examples": len(own),
                "labelled": int(examples["target"][own].notna().sum()),
                "groups": groups.nunique(),
                "letters": int(sequences.str.len().sum()),
            }
            if part != "train":
                values["shared_groups"] = int(groups.drop_duplicates().isin(seen_groups).sum())
                values["shared_sequences"] = int(sequences.isin(seen_sequences).sum())
            rows += [{"fold": fold, "part": part, "measure": k, "value": v} for k, v in values.items()]
    return pd.DataFrame(rows)


def cost_totals(costs, kinds):
    """What each model of each dataset costs to train, in seconds.

    Parameters
    ----------
    costs : DataFrame
        costs.tsv.
    kinds : dict
        As `seqlm.study.model_kinds` returns it: which backbone a model stands on.

    Returns
    -------
    DataFrame
        dataset, model, pretrain (of its backbone, once), features, fit (means over folds and seeds), total,
        samples_per_second (while fitting), peak_memory_bytes (highest of any stage), energy_joules and price (of the
        same stages as total; NaN where not known), device.
    """
    columns = [
        "dataset",
        "model",
        "pretrain",
        "features",
        "fit",
        "total",
        "samples_per_second",
        "peak_memory_bytes",
        "energy_joules",
        "price",
        "device",
    ]
    seconds = costs[costs["quantity"] == "seconds"]
    pretraining = (
        seconds[(seconds["dataset"] == PRETRAINING) & (seconds["stage"] == "pretrain")].groupby("model")["value"].sum()
    )
    rows = []
    for (dataset, model), own in costs[costs["dataset"] != PRETRAINING].groupby(["dataset", "model"], sort=False):
        backbone = kinds.get(model, {}).get("backbone")
        time = own[own["quantity"] == "seconds"].groupby("stage")["value"].mean()
        fitting = own[own["stage"] == "fit"]
        trained = own[own["stage"].isin(["fit", "features"]) | (own["stage"] == "predict")]
        row = {
            "dataset": dataset, "model": model, "pretrain": float(pretraining.get(backbone, 0.0)),
            "features": float(time.get("features", 0.0)), "fit": float(time.get("fit", np.nan)),
            "samples_per_second": fitting.loc[fitting["quantity"] == "samples_per_second", "value"].mean(),
            "peak_memory_bytes": trained.loc[trained["quantity"] == "peak_memory_bytes", "value"].max(),
            "device": next((name for name in fitting["device"].dropna() if name), ""),
        }  # fmt: skip
        row["total"] = row["pretrain"] + row["features"] + row["fit"]
        for quantity in ("energy_joules", "price"):
            row[quantity] = _of_training(costs, own, backbone, quantity)
        rows.append(row)
    return pd.DataFrame(rows, columns=columns)


def _of_training(costs, own, backbone, quantity):
    """Sum of a quantity over pretraining (of a backbone, once), features and fit (means); NaN where none is known."""
    chosen = own[own["quantity"] == quantity].groupby("stage")["value"].mean()
    pretraining = (costs["dataset"] == PRETRAINING) & (costs["model"] == backbone) & (costs["stage"] == "pretrain")
    once = costs.loc[pretraining & (costs["quantity"] == quantity), "value"]
    known = [*chosen[chosen.index.isin(["features", "fit"])], *once]
    return float(np.sum(known)) if known else np.nan


def collect_loo(paths):
    """loo.tsv: how well leave-one-out scores find the known motif bases.

    Average precision over all real bases of all scored windows: of ``-loo`` (leaving out a base that supports the
    prediction lowers it) and of ``|loo|``; ``chance`` is the share of motif bases. Models without known bases are left
    out.

    Returns
    -------
    DataFrame
        dataset, model, measure (ap_negative, ap_absolute, chance, windows, bases, motif_bases), value.
    """
    rows = []
    for path in paths:
        arrays, place = read_scores(path), place_of(path)
        if arrays.get("known") is None or arrays["known"].shape != arrays["codes"].shape:
            continue
        real = (arrays["codes"] < 4) & np.isfinite(arrays["scores"])
        known, scores = arrays["known"][real].astype(bool), arrays["scores"][real].astype(float)
        values = {
            "ap_negative": average_precision(known, -scores),
            "ap_absolute": average_precision(known, np.abs(scores)),
            "chance": known.mean() if len(known) else np.nan,
            "windows": len(arrays["id"]), "bases": len(known), "motif_bases": int(known.sum()),
        }  # fmt: skip
        rows += [
            {"dataset": place["dataset"], "model": place["model"], "measure": k, "value": v} for k, v in values.items()
        ]
    return pd.DataFrame(rows, columns=["dataset", "model", "measure", "value"])
