"""The report: one self-contained HTML file made from a study's tables, figures and config."""

from seqlm.common.errors import InputError
from seqlm.evaluation.words import duration, number
from seqlm.report.chapters import chapter
from seqlm.report.collecting import cost_totals
from seqlm.report.page_figures import embedded
from seqlm.report.page_tables import all_tables, deletions, language_table
from seqlm.report.provenance import provenance
from seqlm.report.templates import write_page


def render_report(output, config, kinds, tables, figures, template, families=None, summaries=(), by_size=()):
    """Write the report: the answers first, then a chapter for each dataset, then what all of them share.

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
    if not len(tables["metrics"]) and not len(tables["language"]):
        raise InputError(output, "nothing to report: no metrics and no language model", "list something under runs")
    totals, drawn = cost_totals(tables["costs"], kinds), embedded(figures, families or {})
    datasets = list(dict.fromkeys(tables["metrics"]["dataset"].astype(str)))
    made = {summary.get("dataset", ""): summary for summary in summaries}
    own = {name: [figure for figure in drawn if name in figure["of"]] for name in datasets}
    content = {
        "study": config["study"],
        "note": config.get("note", ""),
        "chapters": [
            chapter(name, tables, totals, kinds, config, own[name], made.get(name), by_size) for name in datasets
        ],
        "figures": [figure for figure in drawn if not any(figure in some for some in own.values())],
        "sources": config.get("sources") or {},
        "language": language_table(tables["language"]),
        "deletions": deletions(tables["language"]),
        "tables": all_tables(tables),
        "provenance": provenance(config, tables["costs"]),
        "config": _yaml(config),
        "files": _files(config),
    }
    write_page(output, template, content, number=number, duration=duration)


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
        out.append(("attributions/", "and where examples lie in a genome, tracks for its browser: <dataset>/tracks/"))
    for name, run in (config.get("runs") or {}).items():
        if (run or {}).get("loo"):
            out.append((f"browse-{name}.html", f"the top examples of {name}, one by one"))
    if any((run or {}).get("motifs") for run in (config.get("runs") or {}).values()):
        out.append(("attributions/", "places of motifs: <dataset>/motifs/<model>.bed"))
    if any((run or {}).get("embeddings") for run in (config.get("runs") or {}).values()):
        out.append(("embeddings/", "embeddings (npz) and maps of them to look at dot by dot"))
    return out
