"""The report: one self-contained HTML file made from a study's tables, figures and config."""

import base64
import html
import importlib.metadata
import platform
import re
import subprocess
from pathlib import Path

from seqlm.common.errors import InputError
from seqlm.common.files import atomic_path
from seqlm.evaluation.metrics import LOWER_IS_BETTER
from seqlm.evaluation.size_verdict import verdict_by_labels
from seqlm.evaluation.verdict import verdict
from seqlm.evaluation.words import NAMES, duration, number
from seqlm.models.baselines import lacking
from seqlm.report.collecting import cost_totals
from seqlm.report.page_tables import (
    all_tables,
    calibration_table,
    classes_table,
    data_table,
    deletions,
    language_table,
    loo_table,
    plain,
    settings_table,
    totals_table,
)

SECTIONS = {
    "verdict": "Verdict",
    "data": "Data",
    "language": "Language models",
    "performance": "Performance",
    "costs": "Costs",
    "loo": "Which bases are read",
    "embeddings": "Embeddings",
    "more": "More figures",
    "tables": "All tables",
    "provenance": "Provenance",
}
PACKAGES = ("torch", "transformers", "numpy", "pandas", "scipy", "scikit-learn", "matplotlib", "snakemake", "biopython")
LARGEST_SVG = 400_000  # bytes; above it the PNG is embedded instead
FEW_GROUPS = 10


def render_report(output, config, kinds, tables, figures, template, families=None, summaries=(), by_size=()):
    """Write the report.

    Parameters
    ----------
    output : path
        ``results/<study>/report.html``; links to files are relative to its folder.
    config : dict
        The study's config, defaults filled in.
    kinds : dict
        What each model is, as `seqlm.study.model_kinds` returns it.
    tables : dict of DataFrame
        metrics, intervals, comparisons, costs, language, loo, data, classes, confusion; empty ones leave their section
        out.
    figures : list of path
        PNGs, named ``<family>[-<subject>].png``; an SVG beside one is embedded in its place when small enough.
    template : path
        Jinja2 template.
    families : dict, optional
        workflow/report/figures.yaml: family of figures -> its section, heading and caption, in reading order.
    summaries : list of dict
        The datasets' summary.json.
    by_size : list of (DataFrame, DataFrame)
        Intervals and comparisons at several numbers of labels, of the datasets that have them.

    Raises
    ------
    InputError
        When the study has measured nothing.
    """
    import jinja2

    if not len(tables["metrics"]) and not len(tables["language"]):
        raise InputError(output, "nothing to report: no metrics and no language model", "list something under runs")
    totals = cost_totals(tables["costs"], kinds)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(template).parent), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"number": number, "duration": duration}
    content = {
        "study": config["study"],
        "note": config.get("note", ""),
        "verdicts": [
            _with_baselines(_verdict(name, tables, totals, kinds, by_size), config) for name in _datasets(tables)
        ],
        "figures": _by_section(figures, families or {}),
        "data": data_table(tables["data"]),
        "leaks": _leaks(tables["data"], tables.get("leakage")),
        "summaries": [_summary_words(summary) for summary in summaries],
        "sources": config.get("sources") or {},
        "language": language_table(tables["language"]),
        "deletions": deletions(tables["language"]),
        "totals": totals_table(totals),
        "loo": loo_table(tables["loo"]),
        "settings": settings_table(tables.get("settings")),
        "calibration": calibration_table(tables["metrics"]),
        "classes": classes_table(tables.get("classes")),
        "tables": all_tables(tables),
        "provenance": provenance(config, tables["costs"]),
        "config": _yaml(config),
        "files": _files(config),
        "maps": [name for name, run in (config.get("runs") or {}).items() if (run or {}).get("embeddings")],
    }
    content["sections"] = {key: title for key, title in SECTIONS.items() if _has(key, content)}
    page = environment.get_template(Path(template).name).render(content)
    with atomic_path(output) as temporary:
        temporary.write_text(page, encoding="utf-8")


def _has(section, content):
    tables = {"data": "data", "language": "language", "performance": "classes", "costs": "totals", "loo": "loo"}
    always = section in ("verdict", "tables", "provenance")
    return always or bool(content["figures"].get(section)) or bool(content.get(tables.get(section)))


def _datasets(tables):
    return list(dict.fromkeys(tables["metrics"]["dataset"].astype(str)))


def _verdict(dataset, tables, totals, kinds, by_size=()):
    """Sentences and one card per model of a dataset."""
    intervals = tables["intervals"][tables["intervals"]["dataset"] == dataset]
    comparisons = tables["comparisons"][tables["comparisons"]["dataset"] == dataset]
    own = totals[totals["dataset"] == dataset]
    sentences = verdict(intervals, comparisons, own, kinds)
    for sizes, pairs in by_size:
        sentences += verdict_by_labels(sizes[sizes["dataset"] == dataset], pairs[pairs["dataset"] == dataset])
    if not len(intervals):
        return {"dataset": dataset, "sentences": sentences, "cards": [], "metric": ""}
    metric = intervals["metric"].iloc[0]
    rows = intervals[intervals["metric"] == metric].sort_values("value", ascending=metric in LOWER_IS_BETTER)
    if rows["groups"].iloc[0] < FEW_GROUPS:
        sentences.append(
            f"Take the intervals with care: the test examples form {rows['groups'].iloc[0]} groups only, too few to "
            "tell how much chance there is in them."
        )
    seconds = own.set_index("model")["total"] if len(own) else {}
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
    return {"dataset": dataset, "sentences": sentences, "cards": cards, "metric": NAMES.get(metric, metric)}


def _with_baselines(verdict, config):
    """A verdict that says what its run lacks to be compared with."""
    run = (config.get("runs") or {}).get(verdict["dataset"]) or {}
    models = [config["models"][name] for name in run.get("models", [])]
    target = config.get("datasets", {}).get(verdict["dataset"], {}).get("target")
    sentence = lacking(models, target) if models else None
    return verdict | {"sentences": verdict["sentences"] + ([sentence] if sentence else [])}


def rst_to_html(text):
    """Paragraphs, ``literals`` and *emphasis* of a caption: all that captions use."""
    paragraphs = [" ".join(part.split()) for part in re.split(r"\n\s*\n", text.strip())]
    out = []
    for paragraph in paragraphs:
        paragraph = html.escape(paragraph, quote=False)
        paragraph = re.sub(r"``(.+?)``", r"<code>\1</code>", paragraph)
        out.append("<p>" + re.sub(r"\*(.+?)\*", r"<em>\1</em>", paragraph) + "</p>")
    return "".join(out)


def _by_section(paths, families):
    """section -> its figures in reading order, each embedded as a data URI."""
    order = list(families)
    figures = {}
    known = [(Path(path), *Path(path).stem.partition("-")[::2]) for path in paths]
    for path, family, subject in sorted(known, key=lambda f: (order.index(f[1]) if f[1] in order else 99, f[1], f[2])):
        about = {"section": "more", "heading": family.replace("_", " "), "caption": "", **families.get(family, {})}
        section, heading, caption = about["section"], about["heading"], rst_to_html(about["caption"])
        title = f"{heading}: {subject}" if subject else heading
        figures.setdefault(section, []).append({
            "title": title, "uri": data_uri(path), "caption": caption, "name": path.stem,
            "alt": f"{title}. " + html.unescape(re.sub(r"<[^>]+>", "", caption)),
        })  # fmt: skip
    return figures


def data_uri(path):
    """An image as a data URI: the SVG beside a PNG when it is there and small enough, else the PNG itself."""
    path = Path(path)
    vector = path.with_suffix(".svg")
    if vector.is_file() and vector.stat().st_size <= LARGEST_SVG:
        path = vector
    if not path.is_file():
        raise InputError(path, "there is no such figure", "run the study's plots target first")
    kind = {".svg": "svg+xml", ".png": "png"}.get(path.suffix)
    if kind is None:
        raise InputError(path, "is no PNG or SVG figure", "give the PNG figures of the study")
    return f"data:image/{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"


def _leaks(data, leakage):
    """Sentences on what test parts share with training parts and with pretraining, dataset by dataset."""
    sentences = []
    for dataset, own in data[data["part"] == "test"].groupby("dataset", sort=False):
        groups = int(own.loc[own["measure"] == "shared_groups", "value"].sum())
        if groups:
            sentences.append(f"{dataset} leaks: {groups:,} groups of the test parts are in training too.")
        if leakage is not None and len(leakage):
            found = leakage[leakage["dataset"] == dataset]
            sentences += [_leak(dataset, against, rows) for against, rows in found.groupby("against", sort=False)]
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


def _summary_words(summary):
    """A dataset's summary.json as short facts, nested counts written out."""
    facts = []
    for key, value in summary.items():
        if key == "dataset" or value in (None, {}, []):
            continue
        if isinstance(value, dict):
            value = ", ".join(f"{name.replace('_', ' ')} {plain(v)}" for name, v in value.items() if v is not None)
        elif isinstance(value, list):
            value = ", ".join(map(str, value))
        facts.append((key.replace("_", " "), plain(value)))
    return {"dataset": summary.get("dataset", ""), "facts": facts}


def provenance(config, costs):
    """(what, value) of everything that one needs to know to get the same numbers again."""
    versions = []
    for package in PACKAGES:
        try:
            versions.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    devices = sorted({str(device) for device in costs["device"].dropna() if str(device)}) if len(costs) else []
    facts = [
        ("Code", _commit()),
        ("Seeds", ", ".join(map(str, config.get("seeds", [])))),
        ("Precision of training", config.get("precision", "")),
        ("Threads of a job", config.get("threads", "")),
        ("Devices", ", ".join(devices)),
        ("Python", platform.python_version()),
        ("Packages", ", ".join(versions)),
        ("System", platform.platform()),
    ]
    return [(name, str(value)) for name, value in facts if str(value)]


def _commit():
    """Commit of the workflow's own checkout, with a mark when files differ from it; empty outside git."""
    here = Path(__file__).parent

    def git(*arguments):
        return subprocess.run(
            ["git", "-C", here, *arguments], capture_output=True, text=True, check=True
        ).stdout.strip()

    try:
        changed = git("status", "--porcelain", "--untracked-files=no", "--", ".")
        return f"commit {git('rev-parse', 'HEAD')}" + (" with uncommitted changes" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return ""


def _yaml(config):
    import yaml

    return yaml.safe_dump(config, sort_keys=False, allow_unicode=True)


def _files(config):
    """(path below the report's folder, what is there)."""
    out = [
        ("tables/", "every number of this report as tidy TSV"),
        ("figures/", "every figure as PNG and SVG"),
        ("datasets/", "examples and folds as they were used"),
        ("models/", "trained models as bundles: seqlm.load_model(folder)"),
        ("predictions/", "predictions of every model, fold and seed"),
    ]
    if config.get("backbones"):
        out.append(("backbones/", "pretrained language models, loadable with transformers"))
    if any((run or {}).get("loo") for run in (config.get("runs") or {}).values()):
        out.append(("attributions/", "leave-one-out scores of every base"))
    if any((run or {}).get("embeddings") for run in (config.get("runs") or {}).values()):
        out.append(("embeddings/", "embeddings (npz) and maps of them to look at dot by dot"))
    return out
