"""The command about trained models: export."""

import argparse
from pathlib import Path

from seqlm.common.errors import one_line_errors


def export_parser(prog=None, **options):
    """The parser of `export_command`."""
    parser = argparse.ArgumentParser(
        prog=prog,
        **options,
        description="Write a trained model or a language model as a folder in the layout of a model hub: config, "
        "weights (safetensors), tokenizer, and a model card with its data, metrics, licence and intended use, taken "
        "from the results of the study that it lies in. Others load it with transformers after import seqlm.",
        epilog="To publish it: hf upload OWNER/NAME FOLDER (of huggingface_hub), or git. Nothing is sent anywhere by "
        "this command. Look the card over first: the hub shows it as it is.",
    )
    parser.add_argument("bundle", metavar="BUNDLE", help="folder of a trained model or a backbone")
    parser.add_argument("folder", metavar="FOLDER", help="what is written; must not hold anything yet")
    parser.add_argument(
        "--name", metavar="OWNER/NAME", help="what it will be called on the hub, for the card's examples"
    )
    parser.add_argument("--license", metavar="ID", help="licence, as the hub names it: mit, apache-2.0, cc-by-4.0")
    parser.add_argument(
        "--datasets", nargs="+", default=(), metavar="OWNER/NAME", help="its data, where the hub has them"
    )
    parser.add_argument("--no-validation", action="store_true", help="leave out ids, labels and predictions of the "
                        "validation part; predictions then come without intervals and uncalibrated")  # fmt: skip
    return parser


def export_command(arguments=None, prog="seqlm export"):
    """Write a model as a hub repository."""
    given = export_parser(prog).parse_args(arguments)
    with one_line_errors():
        from seqlm.report.publishing.export import export_model

        names = export_model(
            given.bundle, given.folder, license=given.license, datasets=given.datasets, name=given.name,
            validation=not given.no_validation,
        )  # fmt: skip
    print(f"Written to {given.folder}: {', '.join(names)}")
    if "license: unknown" in (Path(given.folder) / "README.md").read_text():
        print(
            "Its licence is unknown. Name one with --license, if those of its data and of what it stands on allow it."
        )
