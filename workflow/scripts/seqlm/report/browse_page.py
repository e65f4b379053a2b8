"""A page to browse scored examples in: one HTML file that asks for nothing, drawn by its own small script."""

from seqlm.report.drawing.style import BASE_COLOURS, looks
from seqlm.report.templates import write_page

# What an importance is the fall of, and what was done to a base.
FALLS = {"track": "the sum of the track", "scalar": "the prediction", "class": "the logit of the class"}
EDITS = {
    "mask": "is masked", "remove": "is removed", "replace": "becomes another (mean over the others)",
    "replacespecifier": "becomes another, or loses its specifiers",
}  # fmt: skip


def render_browsing(output, shown, template, names=None):
    """Write the page.

    Parameters
    ----------
    output : path
        ``results/<study>/browse-<dataset>.html``, beside the report.
    shown : dict
        What `seqlm.explanation.browsing.browsing` returns, and dataset and edit.
    template : path
        Jinja2 template.
    names : list of str, optional
        The study's models, for their colours.
    """
    look = looks(names or shown["models"])
    content = {
        "dataset": shown["dataset"],
        "count": len(shown["examples"]),
        "scored": shown["scored"],
        "falls": FALLS[shown["target"]],
        "edited": EDITS[shown["edit"]],
        "data": shown | {"colours": [look[model]["color"] for model in shown["models"]], "bases": BASE_COLOURS},
    }
    write_page(output, template, content)
