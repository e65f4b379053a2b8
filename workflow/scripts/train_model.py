"""Train one model on one fold with one seed.

Reads examples.parquet, folds.tsv and the backbone's folder; writes a bundle, history.tsv and cost.json.
"""

from pathlib import Path

from seqlm.common.files import atomic_folder
from seqlm.common.runtime import network_job
from seqlm.common.tables import read_json
from seqlm.training.checkpoints import beside, discard


def main(snakemake):
    with network_job(snakemake.resources, snakemake.log[0] if snakemake.log else None) as device:
        params, resources, folder = snakemake.params, snakemake.resources, Path(snakemake.output.folder)
        places = snakemake.input.get("places")
        from seqlm.training.fitting import fit_dataset_model

        with atomic_folder(folder) as output:
            fit_dataset_model(
                Path(snakemake.input.examples).parent, params.fold, params.model, params.training, params.seed, output,
                backbone=snakemake.input.get("backbone") or None, names=(params.dataset_name, params.model_name),
                precision=resources.precision, device=device, checkpoints=beside(folder),
                checkpoint_seconds=resources.checkpoint_seconds,
                cache=folder.parents[4] / "cache" / params.dataset_name / params.model_name, code=params.code,
                places=read_json(places) if places else None,
            )  # fmt: skip
        discard(beside(folder))


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
