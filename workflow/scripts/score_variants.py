"""Score the variants of a VCF file by a language model (zero-shot) or a trained model.

A command only; see ``python score_variants.py --help``.
"""

if __name__ == "__main__":
    from seqlm.streaming.command import variant_command

    variant_command()
