"""The page to browse in: one file that asks for nothing, whatever its ids and labels are called."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

from seqlm.report.browse_page import render_browsing

TEMPLATE = Path(__file__).parents[3] / "workflow/report/browse.html.j2"
ODD = "</script><script>alert(1)</script><!-- & \u2028 \"'"


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.data, self.inside = [], "", False
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self.inside = tag == "script" and dict(attributes).get("id") == "data"

    def handle_endtag(self, tag):
        self.inside = False

    def handle_data(self, data):
        self.data += data if self.inside else ""


def shown(target="class", scored=60):
    own = {"predicted": ODD, "probability": 0.5, "error": 0.5, "track": None, "first": 0, "scale": 1.0,
           "scores": [1000, None, -3], "hits": [[0, 2, "-", ODD]]}  # fmt: skip
    example = {"id": ODD, "place": "", "sequence": "ACG", "observed": ODD, "track": None, "models": [own]}
    return {"dataset": "d", "edit": "mask", "target": target, "scored": scored, "models": ["_m"], "examples": [example]}


def render(tmp_path, **changes):
    render_browsing(tmp_path / "browse-d.html", shown(**changes), TEMPLATE, ["other", "_m"])
    return (tmp_path / "browse-d.html").read_text()


def test_names_that_look_like_tags_come_back_as_they_are_and_open_none(tmp_path):
    page = Page(render(tmp_path))
    assert [tag for tag, _ in page.tags].count("script") == 2  # the data and the page's own
    data = json.loads(page.data)
    (example,) = data["examples"]
    assert example["id"] == example["observed"] == example["models"][0]["predicted"] == ODD
    assert example == shown()["examples"][0]


def test_the_page_asks_for_nothing_and_links_to_the_report_alone(tmp_path):
    text = render(tmp_path)
    page = Page(text)
    links = [value for _, attributes in page.tags for name, value in attributes.items() if name in ("src", "href")]
    assert links == ["report.html"]
    assert not re.search(r"https?://|@import|url\(", text)
    assert "default-src 'none'" in text
    assert "innerHTML" not in text and "document.write" not in text


def test_it_says_how_many_of_the_examples_it_shows(tmp_path):
    assert "1 of 1,234 scored test examples" in render(tmp_path, scored=1234)
    assert "All 1 scored test examples" in render(tmp_path, scored=1)


def test_every_canvas_and_field_has_a_name(tmp_path):
    text = render(tmp_path)
    for tag, attributes in Page(text).tags:
        if tag in ("input", "select"):
            assert f'for="{attributes["id"]}"' in text or re.search(
                rf'<label[^>]*>[^<]*<select id="{attributes["id"]}"', text
            )
        if tag == "canvas":
            assert attributes["role"] == "img"
    assert text.count('setAttribute("role", "img")') == 2 and text.count('setAttribute("aria-label"') >= 4
