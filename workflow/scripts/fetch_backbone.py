"""Fetch a pretrained model from the hub or a folder, and keep it as a bundle. Writes the backbone's folder."""

from pathlib import Path

from seqlm.common.errors import one_line_errors


def main(snakemake):
    with one_line_errors(snakemake.log[0] if snakemake.log else None):
        from seqlm.models.bundle import save_bundle
        from seqlm.models.language.hub import load_language_model

        backbone = snakemake.params.backbone  # hub, revision, trust_remote_code, tokenizer_source
        model = load_language_model(
            backbone["hub"],
            revision=backbone.get("revision"),
            trust_remote_code=backbone.get("trust_remote_code", False),
            tokenizer=backbone.get("tokenizer_source"),
        )
        origin = {"source": backbone["hub"], "revision": backbone.get("revision", "as found")}
        save_bundle(model, Path(snakemake.output.folder), card={"title": snakemake.params.name, "Origin": origin})


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
