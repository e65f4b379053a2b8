"""Write the study's report as one self-contained HTML file. Reads tables, figures and summaries."""

from seqlm.common.errors import one_line_errors
from seqlm.common.tables import join_tables, read_json, read_table
from seqlm.report.page import render_report

TABLES = ("metrics", "intervals", "comparisons", "costs", "language", "loo", "data", "classes", "confusion",
          "settings", "leakage")  # fmt: skip


def main(snakemake):
    given = snakemake.input
    by_size = zip(given.get("sizes", []), given.get("size_comparisons", []), strict=True)
    with one_line_errors(snakemake.log[0] if snakemake.log else None):
        motifs = {
            name: join_tables(given.get(name, []), ["dataset"])
            for name in ("motifs", "motifs_said", "pairs", "areas", "agreement")
        }
        render_report(
            snakemake.output.html,
            snakemake.params.config,
            snakemake.params.kinds,
            {name: read_table(given[name], empty=True) for name in TABLES} | motifs,
            given.get("figures", []),
            given.template,
            snakemake.params.families,
            [read_json(path) for path in given.get("summaries", [])],
            [(read_table(sizes), read_table(comparisons, empty=True)) for sizes, comparisons in by_size],
        )


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
