"""The report: one file, no requests, the verdict first."""

import re
from html.parser import HTMLParser
from pathlib import Path

import made_up
import numpy as np
import pandas as pd
import pytest
import yaml

from seqlm.common.errors import InputError
from seqlm.report.chapters import SECTIONS
from seqlm.report.class_tables import class_tables
from seqlm.report.collecting import collect_loo, count_parts
from seqlm.report.figures import performance
from seqlm.report.page import render_report
from seqlm.report.page_figures import LARGEST_SVG, data_uri, rst_to_html
from seqlm.study import model_kinds

REPORT = Path(__file__).parents[3] / "workflow/report"
FAMILIES = yaml.safe_load((REPORT / "figures.yaml").read_text())


class Page(HTMLParser):
    """What a browser would fetch, and which tags stay open."""

    def __init__(self, text):
        super().__init__()
        self.links, self.images, self.open, self.headings = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag in ("link", "script", "iframe", "source") or "srcset" in attributes:
            self.links += [value for key, value in attributes.items() if key in ("src", "href", "srcset")]
        if tag == "img":
            self.images.append(attributes)
        if tag not in ("meta", "img", "br", "link"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    rng = np.random.default_rng(0)
    data = made_up.dataset_tables(rng)
    tables = {
        "metrics": data["metrics"], "intervals": data["intervals"], "comparisons": data["comparisons"],
        "costs": made_up.cost_table(), "language": made_up.language_table(),
        "loo": collect_loo(made_up.loo_files(rng, folder)),
        "data": count_parts(data["examples"], data["folds"]).assign(dataset="tf_binding"),
    }  # fmt: skip
    png = folder / "figures" / "performance-tf_binding.png"
    performance.draw_performance(data["intervals"], data["metrics"], [png, png.with_suffix(".svg")], "tf_binding")
    return {"folder": folder, "tables": tables, "figures": [png]}


def render(study, **changes):
    output = study["folder"] / "report.html"
    given = {
        "config": made_up.CONFIG, "kinds": model_kinds(made_up.CONFIG), "tables": study["tables"],
        "figures": study["figures"],
        "template": REPORT / "report.html.j2", "families": FAMILIES,
        "summaries": [{"dataset": "tf_binding", "target": "track", "cleaning": {"invalid": 3}}],
    }  # fmt: skip
    render_report(output, **{**given, **changes})
    return output.read_text()


def test_classifiers_are_told_class_by_class_and_before_and_after_scaling(study):
    data = made_up.dataset_tables(np.random.default_rng(1), "class", dataset="insects")
    metrics = data["metrics"]
    rows = [("validation", "temperature", 1.25), ("test", "ece_calibrated", 0.0625)]
    extra = [[*key, *row] for key in {tuple(r) for r in metrics.iloc[:, :4].to_numpy()} for row in rows]
    metrics = pd.concat([metrics, pd.DataFrame(extra, columns=metrics.columns)], ignore_index=True)
    by_class, cells = class_tables({"insects": data["arrays"]})
    changed = {"metrics": metrics, "classes": by_class, "confusion": cells}
    text = render(study, tables=study["tables"] | changed)
    assert '<section id="task-insects-performance">' in text
    part = text[text.index("Class by class") : text.index("Temperature scaling")]
    assert all(f"<td>{name}</td>" in part for name in ("ant", "bee", "cow"))
    assert f'data-v="{float(by_class["precision"][0])!r}"' in part
    after = text[text.index("Temperature scaling") : text.index('id="tables"')]
    assert "1.250" in after and "0.062" in after and "ECE after scaling" in after
    assert "Temperature scaling" not in render(study)


def test_classes_and_devices_of_any_name_stay_text(study):
    """Nothing that a table holds becomes a tag or an entity, and nothing is renamed."""
    names = ["<b>bold</b>", "AT&amp;T", '"quoted"', "NA", "003"]
    rng = np.random.default_rng(0)
    arrays = {"target": "class", "classes": names, "models": ["_m"], "observed": rng.integers(0, 5, 50)}
    by_class, cells = class_tables({"d": {**arrays, "prediction": rng.dirichlet(np.ones(5), (1, 50))}})
    costs = study["tables"]["costs"].assign(device="<i>GPU</i> & co")
    text = render(study, tables=study["tables"] | {"classes": by_class, "confusion": cells, "costs": costs})
    assert "<b>bold" not in text and "<i>GPU" not in text
    found = Cells(text).words
    assert set(names) <= set(found) and "_m" in found
    assert not Page(text).open


class Cells(HTMLParser):
    """What a reader sees in the cells of tables."""

    def __init__(self, text):
        super().__init__()
        self.words, self.inside = [], False
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.inside = tag == "td"
        if self.inside:
            self.words.append("")

    def handle_endtag(self, tag):
        self.inside = False

    def handle_data(self, data):
        if self.inside:
            self.words[-1] += data


def test_of_many_classes_the_report_lists_only_the_most_confused_pairs(study):
    sizes = {}
    for n in (3, 60):
        arrays, wrong = made_up.classifier(n)
        by_class, cells = class_tables({"d": {**arrays, "target": "class"}})
        assert len(cells) == 2 * n * n  # the table itself is whole
        text = render(study, tables=study["tables"] | {"classes": by_class, "confusion": cells})
        part = text[text.index("tables/confusion.tsv") :]
        sizes[n] = part[: part.index("</table>")].count("<tr>") - 1
    assert sizes == {3: 18, 60: 2}
    assert "Classes that are confused most often" in text and f">{wrong}</td>" in part


def test_nested_counts_of_a_summary_are_words(study):
    label = {"per_class": 2000, "count": {"ant": 1472, "bee": 9}}
    text = render(study, summaries=[{"dataset": "tf_binding", "label": label}])
    assert "<dd>per class 2,000, count (ant 1,472, bee 9)</dd>" in text


def test_report_is_one_well_formed_file_that_asks_for_nothing(study):
    text = render(study)
    page = Page(text)
    assert page.open == []
    assert page.links == []
    assert not re.search(r"url\(|@import|fetch\(|XMLHttpRequest", text)
    assert all(image["src"].startswith("data:image/") and len(image["alt"]) > 20 for image in page.images)
    assert len(page.images) == 1


def test_report_opens_with_the_note_the_verdict_and_the_performance_figure(study):
    text = render(study)
    first = text[: text.index('<section id="task-tf_binding-')]
    assert "smaller than DNA-LLM&#39;s" in first
    assert "No: the language model gpt-vocab4 loses to the CNN" in first
    assert "(language models: gpt-vocab4, of 2; networks from scratch: cnn)" in first
    assert "language model, stands for language models" in first
    assert "Pretraining helped" in first
    assert 'id="performance-tf_binding"' in first
    assert "groups only, too few" in first  # the made-up test part has eight groups


def test_report_tells_data_costs_language_loo_and_provenance(study):
    text = render(study)
    for key in ("data", "costs", "loo"):
        assert f'<section id="task-tf_binding-{key}">' in text
        assert f'href="#task-tf_binding-{key}">{SECTIONS[key]}</a>' in text
    for key, title in {"language": "Language models", "tables": "All tables", "provenance": "Provenance"}.items():
        assert f'<section id="{key}">' in text and f'<a href="#{key}">{title}</a>' in text
    assert "markov bits per base" in text
    assert "average precision of −LOO" in text
    assert "steps: 300" in text  # the config
    assert "snakemake all --cores all --configfile study.yaml" in text
    assert "public domain" in text


def test_leaks_are_said(study):
    leaky = study["tables"]["data"].copy()
    leaky.loc[leaky["measure"] == "shared_groups", "value"] = 3
    columns = ["dataset", "against", "kind", "affected", "tested", "metric", "model", "value", "without"]
    leakage = pd.DataFrame([
        ["tf_binding", "training", "identical", 2, 16, "pearson", None, None, None],
        ["tf_binding", "training", "similar", 1, 16, "pearson", None, None, None],
        ["tf_binding", "training", "any", 3, 16, "pearson", "cnn", 0.98, 0.97],
        ["tf_binding", "gpt-full", "any", 0, 16, "pearson", None, None, None],
    ], columns=columns)  # fmt: skip
    text = render(study, tables={**study["tables"], "data": leaky, "leakage": leakage})
    assert "tf_binding leaks: 3 groups" in text
    assert "tf_binding leaks: 3 of 16 test examples are in or like the training part (2 identical, 1 similar)." in text
    assert "R of cnn 0.980, without them 0.970." in text
    assert "similar to one of what gpt-full was pretrained on" in text


def test_soft_masked_bases_that_a_tokenizer_deleted_are_said(study):
    counts = {"corpus_letters": 4000, "soft_masked_deleted": 1000, "other_letters_deleted": 7}
    rows = pd.DataFrame([("gpt-vocab4", *row) for row in counts.items()], columns=["backbone", "measure", "value"])
    language = pd.concat([study["tables"]["language"], rows], ignore_index=True)
    text = render(study, tables={**study["tables"], "language": language})
    assert "gpt-vocab4: 1,000 of the corpus&#39;s 4,000 bases (25%) are soft-masked" in text
    assert "gpt-full: " not in text[text.index('<section id="language">') :].split("</section>")[0]
    assert "soft-masked (" not in render(study)


def test_sections_without_content_are_left_out(study):
    bare = {name: table.iloc[:0] for name, table in study["tables"].items() if name in ("language", "loo", "costs")}
    text = render(study, tables={**study["tables"], **bare}, summaries=[], families={})
    assert '<section id="language">' not in text
    assert '<section id="task-tf_binding-loo">' not in text
    with pytest.raises(InputError, match="nothing to report"):
        render(study, tables={name: table.iloc[:0] for name, table in study["tables"].items()})


def test_names_from_a_config_are_escaped(study):
    text = render(study, config={**made_up.CONFIG, "note": "<script>alert(1)</script>"})
    assert "<script>alert(1)" not in text


def test_large_drawings_are_embedded_as_png(tmp_path):
    png, svg = tmp_path / "a.png", tmp_path / "a.svg"
    png.write_bytes(b"png")
    assert data_uri(png).startswith("data:image/png;base64,")
    svg.write_text("<svg/>")
    assert data_uri(png).startswith("data:image/svg+xml;base64,")
    svg.write_text("x" * (LARGEST_SVG + 1))
    assert data_uri(png).startswith("data:image/png;base64,")
    with pytest.raises(InputError, match="no such figure"):
        data_uri(tmp_path / "none.png")


def test_every_family_of_figures_has_a_section_a_caption_a_rule_and_a_script():
    rules = (REPORT.parent / "rules/plots.smk").read_text()
    for family, about in FAMILIES.items():
        assert about["section"] in ("verdict", "language", *SECTIONS) and about["caption"]
        assert set(about["of"]) <= {"study", "backbone", "dataset", "model"}
        assert f'**figure("{family}"' in rules and (REPORT.parent / f"scripts/plot_{family}.py").is_file()


def test_captions_are_plain_rst():
    assert (
        rst_to_html("One ``x < y``\nline.\n\nTwo *r*.")
        == "<p>One <code>x &lt; y</code> line.</p><p>Two <em>r</em>.</p>"
    )


def test_a_study_that_only_pretrains_has_a_report(study):
    bare = {name: table.iloc[:0] for name, table in study["tables"].items() if name not in ("language", "costs")}
    costs = study["tables"]["costs"]
    tables = {**study["tables"], **bare, "costs": costs[costs["dataset"] == "pretraining"]}
    text = render(study, tables=tables, figures=[], summaries=[])
    assert '<section id="language">' in text
    assert isinstance(tables["metrics"], pd.DataFrame)
