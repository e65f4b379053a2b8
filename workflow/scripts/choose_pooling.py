"""Find on one fold how heads are to gather positions, by its validation part. Writes a JSON file."""

import json
from pathlib import Path

from seqlm.common.files import atomic_path
from seqlm.common.runtime import network_job


def main(snakemake):
    with network_job(snakemake.resources, snakemake.log[0] if snakemake.log else None) as device:
        params, precision = snakemake.params, snakemake.resources.precision
        from seqlm.datasets import load_dataset
        from seqlm.training.places import choose_pooling

        data = load_dataset(Path(snakemake.input.examples).parent)
        chosen = choose_pooling(data, params.fold, params.training, precision=precision, device=device)
        with atomic_path(snakemake.output[0]) as path:
            path.write_text(json.dumps(chosen, indent=1) + "\n")


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
