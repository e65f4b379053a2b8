"""Fetch a pretrained model from the hub or a folder, and keep it as a bundle. Writes the backbone's folder."""

from seqlm.common.errors import one_line_errors


def main(snakemake):
    with one_line_errors(snakemake.log[0] if snakemake.log else None):
        from seqlm.models.language.hub import fetch_bundle

        backbone = snakemake.params.backbone
        fetch_bundle(
            snakemake.output.folder,
            snakemake.params.name,
            backbone["hub"],
            revision=backbone.get("revision"),
            trust_remote_code=backbone.get("trust_remote_code", False),
            tokenizer=backbone.get("tokenizer_source"),
            classes=backbone.get("classes", ()),
        )


if "snakemake" in globals():
    main(snakemake)  # noqa: F821
