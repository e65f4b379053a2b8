"""HTML pages out of Jinja2 templates, in which names and labels are only ever text."""

from pathlib import Path

from seqlm.common.files import atomic_path


def write_page(output, template, content, **filters):
    """Fill a template and write the page.

    Parameters
    ----------
    output, template : path
    content : dict
        What the template's names stand for.
    **filters
        Functions that it writes values by.
    """
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(template).parent), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= filters
    page = environment.get_template(Path(template).name).render(content)
    with atomic_path(output) as temporary:
        temporary.write_text(page, encoding="utf-8")
