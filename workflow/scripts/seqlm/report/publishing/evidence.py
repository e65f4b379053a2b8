"""What a study's results say of one of its models: its data, its metrics, the licences of its sources."""

import json
from dataclasses import dataclass, field
from pathlib import Path

from seqlm.common.errors import InputError
from seqlm.common.tables import PRETRAINING, place_of, read_table


@dataclass
class Evidence:
    """Empty where a bundle no longer lies in its study.

    Attributes
    ----------
    place : dict
        dataset, model, fold, seed.
    summary : dict
        summary.json of the dataset.
    tested : dict of str to float
        Metric -> value of this very model on its test part.
    means : list of dict
        Metric, value, low, high, folds and seeds over all trainings of the model in the study.
    sources : list of dict
        Name and provenance of each source of the study.
    """

    place: dict = field(default_factory=dict)
    summary: dict = field(default_factory=dict)
    tested: dict = field(default_factory=dict)
    means: list = field(default_factory=list)
    sources: list = field(default_factory=list)


def evidence_of(bundle):
    """The `Evidence` of a bundle, from the results that it lies in.

    Parameters
    ----------
    bundle : path
    """
    bundle = Path(bundle).resolve()
    try:
        place = place_of(f"{bundle}/config.json")
    except InputError:
        return Evidence()
    up = 1 if place["dataset"] == PRETRAINING else 4
    results = bundle.parents[up]
    found = Evidence(place, sources=_sources(results))
    summary = results / "datasets" / place["dataset"] / "summary.json"
    if summary.is_file():
        found.summary = json.loads(summary.read_text())
    found.tested, found.means = _tested(results / "tables", place), _means(results / "tables", place)
    return found


def _sources(results):
    files = sorted(results.glob("sources/*.provenance.json"))
    return [{"name": path.name.split(".")[0], **json.loads(path.read_text())} for path in files]


def _tested(tables, place):
    if not (tables / "metrics.tsv").is_file():
        return {}
    table = read_table(tables / "metrics.tsv", [*place, "part", "metric", "value"])
    for key, value in (place | {"part": "test"}).items():
        table = table[table[key] == value]
    return dict(zip(table["metric"], table["value"].astype(float), strict=True))


def _means(tables, place):
    if not (tables / "intervals.tsv").is_file():
        return []
    columns = ["metric", "value", "low", "high", "folds", "seeds"]
    table = read_table(tables / "intervals.tsv", ["dataset", "model", *columns])
    own = table[(table["dataset"] == place["dataset"]) & (table["model"] == place["model"])]
    if "labels" in own:
        own = own[~(own["labels"] < own["labels"].max())]  # with all labels, where several numbers were tried
    return own[columns].to_dict("records")
