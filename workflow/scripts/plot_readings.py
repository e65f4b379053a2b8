"""Draw what each way to read a language model gives on a dataset. Reads intervals.tsv."""

from seqlm.common.errors import one_line_errors
from seqlm.common.tables import read_table
from seqlm.report.figures.readings import draw_readings


def main(snakemake):
    outputs, params = [snakemake.output.png, snakemake.output.svg], snakemake.params
    with one_line_errors(snakemake.log[0] if snakemake.log else None):
        intervals = read_table(snakemake.input.intervals)
        draw_readings(
            intervals, outputs, params.dataset, params.readings, params.kinds, params.get("metric"), params.names
        )


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
