"""Write the page to browse a dataset's top examples in, as one HTML file. Reads browse.json."""

from seqlm.common.errors import one_line_errors
from seqlm.common.tables import read_json
from seqlm.report.browse_page import render_browsing


def main(snakemake):
    with one_line_errors(snakemake.log[0] if snakemake.log else None):
        shown = read_json(snakemake.input.json)
        render_browsing(snakemake.output.html, shown, snakemake.input.template, snakemake.params.names)


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
