"""Collect what a page to browse in shows: scores, predictions and motif hits of a dataset's top examples."""

from seqlm.common.errors import one_line_errors
from seqlm.common.tables import read_json, read_scores, read_table, write_json
from seqlm.explanation.browsing import browsing


def main(snakemake):
    given, models = snakemake.input, snakemake.params.models
    with one_line_errors(snakemake.log[0] if snakemake.log else None):
        from seqlm.explanation.hits import read_hits

        summary = read_json(given.summary)
        by_model = dict(zip(models, map(read_scores, given.arrays), strict=True))
        predictions = {
            model: read_table(path, ["id", "prediction"]) for model, path in zip(models, given.predictions, strict=True)
        }
        hits = dict(zip(models, map(read_hits, given.get("hits", [])), strict=False))
        shown = browsing(by_model, predictions, read_table(given.examples), summary["target"], summary["classes"], hits)
        write_json(shown | {"dataset": snakemake.params.dataset, "edit": snakemake.params.edit}, snakemake.output.json)


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
