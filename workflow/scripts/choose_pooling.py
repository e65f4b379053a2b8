"""Find on one fold whether heads are to keep positions, by its validation part. Writes a JSON file.

Sequences of several lengths are not tried: then there is nothing to choose.
"""

import json
from pathlib import Path

from seqlm.common.files import atomic_path
from seqlm.common.runtime import network_job


def main(snakemake):
    with network_job(snakemake.resources, snakemake.log[0] if snakemake.log else None) as device:
        params, precision = snakemake.params, snakemake.resources.precision
        from seqlm.datasets import load_dataset

        data = load_dataset(Path(snakemake.input.examples).parent)
        chosen = {"pooling": "mean_max"}
        if data.summary["aligned"]:
            from seqlm.training.places import choose_pooling

            chosen = choose_pooling(data, params.fold, params.training, precision=precision, device=device)
        with atomic_path(snakemake.output[0]) as path:
            path.write_text(json.dumps(chosen, indent=1) + "\n")


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
