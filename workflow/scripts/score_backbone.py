"""Bits per base of a fetched language model, beside a Markov chain. Reads its folder and FASTA; writes a JSON file."""

import json

from seqlm.common.files import atomic_path
from seqlm.common.runtime import network_job


def main(snakemake):
    with network_job(snakemake.resources, snakemake.log[0] if snakemake.log else None) as device:
        from seqlm.models.language.hub import load_any
        from seqlm.pretraining.published import bits_beside_markov

        model = load_any(snakemake.input.backbone)
        sources, validation = list(snakemake.input.sources), snakemake.params.validation
        report = bits_beside_markov(model, sources, validation, device=device)
        with atomic_path(snakemake.output.report) as path:
            path.write_text(json.dumps(report, indent=1) + "\n")


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
