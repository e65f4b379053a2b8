"""Check a model's leave-one-out scores: deletion and insertion curves, agreement with other trainings and models."""

from pathlib import Path

from seqlm.common.runtime import network_job


def main(snakemake):
    with network_job(snakemake.resources, snakemake.log[0] if snakemake.log else None) as device:
        given, out, params = snakemake.input, snakemake.output, snakemake.params
        import pandas as pd

        from seqlm.common.tables import read_scores, write_table
        from seqlm.explanation import dataset_checks as checks

        dataset, names, arrays = Path(given.examples).parent, (params.dataset, params.model), read_scores(given.arrays)
        curves, areas = checks.check_curves(
            given.trained, dataset, arrays, names, 0, params.examples, params.loo["class_index"], params.seed, device
        )
        rows = []
        if given.get("again"):
            again = checks.retrained_scores(given.again, dataset, params.loo, params.examples, device)
            rows += checks.agreement_with(arrays, again, names, *params.other)
        for kind, name, path in zip(params.kinds, params.others, given.others, strict=True):
            rows += checks.agreement_with(arrays, read_scores(path), names, kind, name)
        write_table(curves, out.curves)
        write_table(areas, out.areas)
        write_table(pd.DataFrame(rows, columns=checks.AGREEMENT), out.agreement)


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
