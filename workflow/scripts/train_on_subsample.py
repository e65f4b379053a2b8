"""Train one model on fewer labels and predict the validation and test parts. Reads what train_model reads.

Writes predictions; the model itself is not kept.
"""

import tempfile
from pathlib import Path

from seqlm.common.runtime import network_job
from seqlm.common.tables import read_json, write_parquet


def main(snakemake):
    with network_job(snakemake.resources, snakemake.log[0] if snakemake.log else None) as device:
        params, places = snakemake.params, snakemake.input.get("places")
        from seqlm.datasets import load_dataset
        from seqlm.datasets.subsampling import with_fewer_labels
        from seqlm.inference.dataset_predictions import predict_dataset
        from seqlm.training.fitting import fit_dataset_model

        data = load_dataset(Path(snakemake.input.examples).parent)
        data = with_fewer_labels(data, params.fold, params.size, params.seed)
        with tempfile.TemporaryDirectory() as folder:
            model, _ = fit_dataset_model(
                data, params.fold, params.model, params.training, params.seed, folder,
                backbone=snakemake.input.get("backbone") or None, names=(params.dataset_name, params.model_name),
                precision=snakemake.resources.precision, device=device, cache=Path(folder) / "cache",
                places=read_json(places) if places else None,
            )  # fmt: skip
        write_parquet(predict_dataset(model, data, params.fold, device=device)[0], snakemake.output[0])


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
