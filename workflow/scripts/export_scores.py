"""Write leave-one-out scores for other tools: a CSV table, arrays for motif discovery, and a shap.Explanation.

Reads the tables and the arrays of all models of a dataset.
"""

from seqlm.common.errors import one_line_errors
from seqlm.common.files import atomic_folder
from seqlm.common.tables import read_arrays, read_table
from seqlm.report.fold_results import write_scores


def main(snakemake):
    given, output = snakemake.input, snakemake.output
    with one_line_errors(snakemake.log[0] if snakemake.log else None), atomic_folder(output.folder) as folder:
        for model, table, arrays in zip(snakemake.params.models, given.tables, given.arrays, strict=True):
            write_scores(folder / model, read_table(table, empty=True), read_arrays(arrays))


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
