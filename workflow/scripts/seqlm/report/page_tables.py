"""The report's tables: what of a study's tables it shows, under which headings, as text."""

import math

import pandas as pd

from seqlm.evaluation.words import duration
from seqlm.report.class_tables import MOST_WRITTEN, most_confused

MOST_PAIRS = 50


def data_table(data):
    """One row per dataset, fold and part with its measures as columns."""
    if not len(data):
        return None
    table = data.pivot(index=["dataset", "fold", "part"], columns="measure", values="value").reset_index()
    table["part"] = pd.Categorical(table["part"], ["train", "validation", "test"])
    table = table.sort_values(["dataset", "fold", "part"]).astype({"part": str})
    names = {
        "examples": "examples", "labelled": "labelled", "groups": "groups", "letters": "bases or tokens",
        "shared_groups": "groups shared with train", "shared_sequences": "sequences shared with train",
    }  # fmt: skip
    kept = ["dataset", "fold", "part", *(name for name in names if name in table)]
    return as_cells(table[kept].rename(columns=names), digits=0)


def plain(value):
    if isinstance(value, dict):
        return "(" + ", ".join(f"{name} {plain(own)}" for name, own in value.items()) + ")"
    if value is None or value != value:
        return ""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


def language_table(language):
    if not len(language):
        return None
    table = language.pivot(index="backbone", columns="measure", values="value").reset_index()
    return as_cells(table.rename(columns=lambda name: name.replace("_", " ")))


def deletions(language):
    """One sentence per backbone whose tokenizer deleted soft-masked bases of the corpus."""
    if not len(language):
        return []
    table = language.pivot(index="backbone", columns="measure", values="value")
    if "soft_masked_deleted" not in table:
        return []
    return [
        f"{name}: {int(row['soft_masked_deleted']):,} of the corpus's {int(row['corpus_letters']):,} bases "
        f"({row['soft_masked_deleted'] / row['corpus_letters']:.0%}) are soft-masked (lower case) and not in the "
        "tokenizer's alphabet. They were deleted and what remained was spliced; case: upper keeps them."
        for name, row in table.iterrows()
        if row["soft_masked_deleted"] > 0
    ]


def totals_table(totals):
    if not len(totals):
        return None
    table = totals.copy()
    for stage in ("pretrain", "features", "fit", "total"):
        table[stage] = [duration(value) if value == value else "n/a" for value in table[stage]]
    table["peak_memory_bytes"] = table["peak_memory_bytes"] / 1e6
    table["energy_joules"] = table["energy_joules"] / 1e3
    table["price"] = [f"{value:.3g}" if value == value else "n/a" for value in table["price"]]
    unknown = [key for key in ("energy_joules", "price") if totals[key].isna().all()]
    names = {"samples_per_second": "samples/s (fit)", "peak_memory_bytes": "peak memory (MB)"}
    names |= {"energy_joules": "energy (kJ)"}
    return as_cells(table.drop(columns=unknown).rename(columns=names), digits=0)


def loo_table(loo):
    if not len(loo):
        return None
    table = loo.pivot(index=["dataset", "model"], columns="measure", values="value").reset_index()
    names = {
        "ap_negative": "average precision of −LOO", "ap_absolute": "average precision of |LOO|", "chance": "chance",
        "windows": "windows", "bases": "bases", "motif_bases": "known motif bases",
    }  # fmt: skip
    kept = ["dataset", "model", *(name for name in names if name in table)]
    return as_cells(table[kept].rename(columns=names))


def motifs_table(motifs):
    """Motifs of all models, each with the known motif it resembles."""
    if motifs is None or not len(motifs):
        return None
    table = motifs.assign(match=[_named(row) for row in motifs.itertuples()])
    names = {"p_value": "p", "q_value": "q"}
    kept = ["dataset", "model", "motif", "effect", "seqlets", "consensus", "match", "family", "p_value", "q_value"]
    return as_cells(table[kept].rename(columns=names))


def pairs_table(pairs, most=10):
    """The strongest interactions of each model."""
    if pairs is None or not len(pairs):
        return None
    strongest = pairs.assign(size=pairs["interaction"].abs()).sort_values("size", ascending=False, kind="stable")
    models = list(dict.fromkeys(pairs["model"]))
    top = strongest.groupby("model", sort=False).head(most)
    top = top.sort_values("model", key=lambda column: column.map(models.index), kind="stable")
    for end in "ab":
        top[f"base {end}"] = top[f"base_{end}"] + " " + top[f"position_{end}"].astype(int).astype(str)
    kept = ["dataset", "model", "sequence", "base a", "base b", "effect_a", "effect_b", "together", "interaction"]
    return as_cells(top[kept].rename(columns=lambda name: name.replace("_", " of ")))


def _named(row):
    return f"{row.match} ({row.match_id})" if row.match_id not in ("", row.match) else row.match or "none"


def settings_table(settings):
    """One row per dataset and model: how positions are gathered and how it was trained, by its first fold and seed."""
    if settings is None or not len(settings):
        return None
    first = settings.drop_duplicates(["dataset", "model", "setting"])
    table = first.pivot(index=["dataset", "model"], columns="setting", values="value").reset_index().fillna("")
    kept = [*dict.fromkeys(["dataset", "model", "pooling", "pooling_chosen_by", *first["setting"]])]
    return as_cells(table[[name for name in kept if name in table]].rename(columns=lambda name: name.replace("_", " ")))


def calibration_table(metrics):
    """What temperature scaling does to each classifier: means over folds and seeds."""
    names = {
        "temperature": "temperature", "ece": "ECE", "ece_calibrated": "ECE after scaling", "log_loss": "log loss",
        "log_loss_calibrated": "log loss after scaling",
    }  # fmt: skip
    fitted = metrics[metrics["metric"] == "temperature"]
    own = pd.concat([fitted, metrics[(metrics["part"] == "test") & metrics["metric"].isin(names)]])
    own = own[own["dataset"].isin(fitted["dataset"])]
    if not len(own):
        return None
    table = own.groupby(["dataset", "model", "metric"], sort=False)["value"].mean().unstack()
    return as_cells(table[[name for name in names if name in table]].rename(columns=names).reset_index())


def classes_table(classes):
    return None if classes is None else as_cells(classes)


def all_tables(tables):
    """(heading, file, HTML) of the tables that a reader may want to sort."""
    metrics = tables["metrics"]
    by_model = (
        metrics.groupby(["dataset", "model", "part", "metric"], sort=False)["value"].agg(["mean", "std", "count"])
    ).reset_index()  # fmt: skip
    by_model = by_model.rename(columns={"count": "runs"})
    intervals = tables["intervals"].drop(columns=["pooled_low", "pooled_high"], errors="ignore")
    out = [
        ("Metrics, mean over folds and seeds", "tables/metrics.tsv", as_cells(by_model)),
        ("Metrics with intervals", "tables/intervals.tsv", as_cells(intervals)),
        ("Comparisons", "tables/comparisons.tsv", as_cells(tables["comparisons"])),
    ]  # fmt: skip
    if "confusion" in tables:
        out.append(_confusion_table(tables["confusion"]))
    costs = tables["costs"]
    if len(costs):
        mean = costs.groupby(["dataset", "model", "stage", "quantity", "unit"], sort=False, dropna=False)[
            "value"
        ].mean()
        out.append(("Costs, mean over folds and seeds", "tables/costs.tsv", as_cells(mean.reset_index())))
    return [entry for entry in out if entry[2] is not None]


def _confusion_table(cells):
    """All cells of the confusion matrices, or where classes are many the pairs that are confused most often."""
    file, classes = "tables/confusion.tsv", cells.groupby("dataset")["observed"].nunique()
    if (classes > MOST_WRITTEN).any():
        pairs = as_cells(most_confused(cells, MOST_PAIRS))
        return f"Classes that are confused most often, at most {MOST_PAIRS} pairs a model", file, pairs
    return "Confusion of classes", file, as_cells(cells)


def as_cells(table, digits=3):
    """A table as text: what the template needs to write and sort it (None when it is empty).

    Returns
    -------
    dict
        columns: (name, whether numbers); rows: lists of (text, value to sort by or None for words).
    """
    if not len(table):
        return None
    columns, cells = [], []
    for name in table.columns:
        numeric = pd.api.types.is_numeric_dtype(table[name])
        columns.append((str(name), numeric))
        cells.append(_numbers(table[name], digits) if numeric else [(plain(value), None) for value in table[name]])
    return {"columns": columns, "rows": [list(row) for row in zip(*cells, strict=True)]}


def _numbers(column, digits):
    """Cells of a column of numbers: counts without decimals, other numbers with `digits`."""
    values = [float("nan") if pd.isna(value) else float(value) for value in column]
    if all(value == int(value) for value in values if math.isfinite(value)):
        digits = 0
    cells = []
    for value in values:
        if not math.isfinite(value):
            cells.append(("–", ""))
            continue
        small = digits and 0 < abs(value) < 0.5 * 10**-digits
        cells.append(((f"{value:.1g}" if small else f"{value:,.{digits}f}").replace("-", "−"), repr(value)))
    return cells
