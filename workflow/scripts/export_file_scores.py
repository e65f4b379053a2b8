"""Write leave-one-out scores of new files for other tools: arrays for motif discovery, and a shap.Explanation.

In the workflow: the tables of all models of a file. By itself: any table of scores; see
``python export_file_scores.py --help``.
"""

import argparse

from seqlm.attribution.score_tables import arrays_of, read_score_table
from seqlm.common.errors import one_line_errors
from seqlm.common.files import atomic_folder
from seqlm.report.fold_results import write_scores


def main(snakemake):
    output = snakemake.output
    with one_line_errors(snakemake.log[0] if snakemake.log else None), atomic_folder(output.folder) as folder:
        for model, path in zip(snakemake.params.models, snakemake.input, strict=True):
            table = read_score_table(path)
            write_scores(folder / model, table, arrays_of(table))


def command():
    parser = argparse.ArgumentParser(description="Scores of score_loo.py in the files that other tools read.")
    parser.add_argument("--input", required=True, metavar="TABLE", help="scores: .parquet, .csv or .tsv")
    parser.add_argument(
        "--output", required=True, metavar="FOLDER",
        help="receives one_hot.npz and contributions.npz (n, 4, L), explanation.pkl and explanation.npz, scores.csv",
    )  # fmt: skip
    with one_line_errors():
        options = parser.parse_args()
        table = read_score_table(options.input)
        with atomic_folder(options.output) as folder:
            write_scores(folder, table, arrays_of(table))


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
elif __name__ == "__main__":
    command()
