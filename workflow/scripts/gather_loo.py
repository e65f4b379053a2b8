"""Join shards of leave-one-out scores, in order: what one job gives.

Reads each shard's table, arrays and cost; writes the same of all.
"""

import json
from pathlib import Path

import pandas as pd

from seqlm.attribution.pieces import join_arrays, join_costs
from seqlm.common.errors import one_line_errors
from seqlm.common.tables import read_arrays, write_arrays, write_json, write_parquet


def main(snakemake):
    with one_line_errors(snakemake.log[0] if snakemake.log else None):
        inputs, outputs = snakemake.input, snakemake.output
        every = [pd.read_parquet(path) for path in inputs.tables]
        tables = [table for table in every if len(table)] or every[:1]
        write_parquet(pd.concat(tables, ignore_index=True), outputs.table)
        write_arrays(join_arrays([read_arrays(path) for path in inputs.arrays]), outputs.arrays)
        write_json(join_costs([json.loads(Path(path).read_text()) for path in inputs.costs]), outputs.cost)


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
