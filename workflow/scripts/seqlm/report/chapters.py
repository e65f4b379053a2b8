"""A chapter of the report: all that is known of one dataset and the models that were run on it."""

from seqlm.evaluation.metrics import LOWER_IS_BETTER
from seqlm.evaluation.size_verdict import verdict_by_labels
from seqlm.evaluation.verdict import verdict
from seqlm.evaluation.words import NAMES, duration, number
from seqlm.models.baselines import lacking
from seqlm.report.belief import beliefs, checks_of
from seqlm.report.page_tables import (
    calibration_table,
    classes_table,
    data_table,
    loo_table,
    motifs_table,
    pairs_table,
    plain,
    settings_table,
    totals_table,
)

FEW_GROUPS = 10
SECTIONS = {
    "performance": "Performance",
    "data": "Data",
    "loo": "Which bases are read",
    "costs": "Costs",
    "embeddings": "Embeddings",
    "more": "More figures",
}


def chapter(dataset, tables, totals, kinds, config, figures, summary=None, by_size=()):
    """What the report says of one dataset.

    Parameters
    ----------
    dataset : str
    tables, totals, kinds, config, by_size
        As for `seqlm.report.page.render_report`; totals as `seqlm.report.collecting.cost_totals` returns them.
    figures : list of dict
        Those of this dataset, as `seqlm.report.page_figures.embedded` returns them.
    summary : dict, optional
        The dataset's summary.json.

    Returns
    -------
    dict
        dataset, verdict (sentences, cards, metric), tables by name (see `seqlm.report.page_tables.as_cells`), facts,
        leaks, said (of motifs and checks), figures by section, browse (the page to browse examples in, empty without
        one), map (whether there is one), sections: (key, title) of those that hold something.
    """
    own = {name: _of(table, dataset) for name, table in tables.items()}
    shown = {
        "data": data_table(own["data"]),
        "totals": totals_table(_of(totals, dataset)),
        "loo": loo_table(own["loo"]),
        "motifs": motifs_table(own.get("motifs")),
        "pairs": pairs_table(own.get("pairs")),
        "settings": settings_table(own.get("settings")),
        "calibration": calibration_table(own["metrics"]),
        "classes": classes_table(own.get("classes")),
    }
    by_section = {key: [figure for figure in figures if figure["section"] == key] for key in ("verdict", *SECTIONS)}
    facts = _facts(summary) if summary else []
    run = (config.get("runs") or {}).get(dataset) or {}
    checks = checks_of(own)
    said = _said(own.get("motifs_said")) + (beliefs(*checks) if checks else [])
    holds = {
        "performance": shown["classes"] or shown["settings"] or shown["calibration"],
        "data": shown["data"] or facts,
        "loo": shown["loo"] or said or run.get("loo"),
        "costs": shown["totals"],
    }
    return {
        "dataset": dataset,
        "verdict": _with_baselines(_verdict(dataset, own, _of(totals, dataset), kinds, by_size), config, dataset),
        "tables": {name: _without_dataset(table) for name, table in shown.items()},
        "facts": facts,
        "said": said,
        "leaks": _leaks(dataset, own["data"], own.get("leakage")),
        "figures": by_section,
        "browse": f"browse-{dataset}.html" if run.get("loo") else "",
        "map": bool(run.get("embeddings")),
        "sections": [(key, title) for key, title in SECTIONS.items() if by_section[key] or holds.get(key)],
    }


def _of(table, dataset):
    """Rows of one dataset; None and tables without rows as they are."""
    return table if table is None or not len(table) or "dataset" not in table else table[table["dataset"] == dataset]


def _without_dataset(table):
    """A table as cells without its column of the dataset, which the chapter's heading names."""
    if table is None or table["columns"][0][0] != "dataset":
        return table
    return {"columns": table["columns"][1:], "rows": [row[1:] for row in table["rows"]]}


def _verdict(dataset, tables, totals, kinds, by_size=()):
    """Sentences and one card per model of a dataset."""
    intervals = tables["intervals"]
    sentences = verdict(intervals, tables["comparisons"], totals, kinds)
    for sizes, pairs in by_size:
        sentences += verdict_by_labels(_of(sizes, dataset), _of(pairs, dataset))
    if not len(intervals):
        return {"sentences": sentences, "cards": [], "metric": ""}
    metric = intervals["metric"].iloc[0]
    rows = intervals[intervals["metric"] == metric].sort_values("value", ascending=metric in LOWER_IS_BETTER)
    if rows["groups"].iloc[0] < FEW_GROUPS:
        sentences.append(
            f"Take the intervals with care: the test examples form {rows['groups'].iloc[0]} groups only, too few to "
            "tell how much chance there is in them."
        )
    seconds = totals.set_index("model")["total"] if len(totals) else {}
    cards = [
        {
            "model": row.model,
            "kind": kinds.get(row.model, {}).get("kind", ""),
            "stands": f"stands for {row.family}" if row.representative else "",
            "value": number(row.value),
            "interval": f"{number(row.low)} to {number(row.high)}",
            "time": duration(seconds[row.model]) if row.model in seconds and seconds[row.model] > 0 else "",
        }
        for row in rows.itertuples()
    ]
    return {"sentences": sentences, "cards": cards, "metric": NAMES.get(metric, metric)}


def _with_baselines(verdict, config, dataset):
    """A verdict that says what its run lacks to be compared with."""
    run = (config.get("runs") or {}).get(dataset) or {}
    models = [config["models"][name] for name in run.get("models", [])]
    target = config.get("datasets", {}).get(dataset, {}).get("target")
    sentence = lacking(models, target) if models else None
    return verdict | {"sentences": verdict["sentences"] + ([sentence] if sentence else [])}


def _leaks(dataset, data, leakage):
    """Sentences on what test parts share with training parts and with pretraining."""
    sentences = []
    groups = int(data.loc[(data["part"] == "test") & (data["measure"] == "shared_groups"), "value"].sum())
    if groups:
        sentences.append(f"{dataset} leaks: {groups:,} groups of the test parts are in training too.")
    if leakage is not None and len(leakage):
        sentences += [_leak(dataset, against, rows) for against, rows in leakage.groupby("against", sort=False)]
    return sentences


def _leak(dataset, against, rows):
    """What test examples have in common with one thing that was trained on, and the metric without them."""
    where = "the training part" if against == "training" else f"what {against} was pretrained on"
    every = rows[rows["kind"] == "any"]
    affected, tested = int(every["affected"].iloc[0]), int(every["tested"].iloc[0])
    if not affected:
        return f"{dataset}: no test example is the same as, the reverse complement of, or similar to one of {where}."
    kinds = rows[rows["kind"] != "any"]
    counts = ", ".join(f"{int(row.affected):,} {row.kind}" for row in kinds.itertuples())
    copies = kinds["kind"].isin(["identical", "reverse complement", "overlapping"]).any()
    metric = NAMES.get(every["metric"].iloc[0], every["metric"].iloc[0])
    values = "; ".join(
        f"{row.model} {number(row.value)}, without them {number(row.without)}"
        for row in every.itertuples()
        if isinstance(row.model, str)
    )
    start = f"{dataset} leaks:" if copies else f"{dataset}:"
    return f"{start} {affected:,} of {tested:,} test examples are in or like {where} ({counts})." + (
        f" {metric} of {values}." if values else ""
    )


def _said(notes):
    """Sentences on what motifs each model reads."""
    return [] if notes is None else [f"Motifs of {row.model}: {row.said}" for row in notes.itertuples()]


def _facts(summary):
    """A dataset's summary.json as (what, value), nested counts written out."""
    facts = []
    for key, value in summary.items():
        if key == "dataset" or value in (None, {}, []):
            continue
        if isinstance(value, dict):
            value = ", ".join(f"{name.replace('_', ' ')} {plain(v)}" for name, v in value.items() if v is not None)
        elif isinstance(value, list):
            value = ", ".join(map(str, value))
        facts.append((key.replace("_", " "), plain(value)))
    return facts
