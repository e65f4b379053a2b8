"""Write leave-one-out scores for other tools: a CSV table, arrays for motif discovery, and a shap.Explanation.

Reads the table and the arrays of one model.
"""

from seqlm.errors import one_line_errors
from seqlm.files import atomic_folder
from seqlm.fold_results import scores_by_base, write_explanation, write_motif_arrays
from seqlm.tables import read_arrays, read_table


def main(snakemake):
    with one_line_errors(snakemake.log[0] if snakemake.log else None):
        table, arrays = read_table(snakemake.input.table), read_arrays(snakemake.input.arrays)
        with atomic_folder(snakemake.output.folder) as folder:
            table.to_csv(folder / "scores.csv", index=False)
            scores = arrays["scores"]
            if "replaced" in arrays:
                scores = scores_by_base(arrays["replaced"], arrays["replacements"])
            write_motif_arrays(folder, arrays["codes"], scores)
            write_explanation(folder, table, arrays["prediction"])


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
