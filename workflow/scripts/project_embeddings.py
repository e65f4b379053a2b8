"""Map embeddings of one dataset side by side. Reads .npz files, examples and folds; writes a table and an HTML page."""

from pathlib import Path

from seqlm.common.errors import one_line_errors
from seqlm.common.files import atomic_path
from seqlm.common.tables import write_table
from seqlm.datasets import load_dataset
from seqlm.inference.projection import map_page, maps, read_embeddings
from seqlm.report.drawing.style import PALETTE


def main(snakemake):
    params = snakemake.params
    with one_line_errors(snakemake.log[0] if snakemake.log else None):
        examples = load_dataset(Path(snakemake.input.examples).parent).part(params.fold, params.part)
        panels = zip(params.panels, snakemake.input.embeddings, strict=True)
        table = maps({panel: read_embeddings(path) for panel, path in panels}, examples, params.seed)
        write_table(table, snakemake.output.table)
        with atomic_path(snakemake.output.page) as path:
            path.write_text(map_page(table, params.title, PALETTE))


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
