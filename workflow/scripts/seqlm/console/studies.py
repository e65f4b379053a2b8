"""The commands about studies: new, plan, run; and completion."""

import argparse
import sys

from seqlm.common.errors import one_line_errors


def new_parser(prog=None, **options):
    """The parser of `new_command`."""
    parser = argparse.ArgumentParser(
        prog=prog,
        **options,
        description="Look at your files and write a commented study of them, with folds, baselines and a language "
        "model that suit the files and this machine. Says what it saw, what it chose and why, and how long it takes.",
        epilog="Examples: seqlm new regions.fa activity.tsv --genome genome.fa; seqlm new table.tsv; seqlm new "
        "peaks.bed --genome genome.fa; seqlm new genes.gtf half_lives.tsv --genome genome.fa",
    )
    parser.add_argument("sequences", metavar="FILE", help="FASTA, BED, GFF, GTF, GenBank, or a table with sequences")
    parser.add_argument("labels", nargs="?", help="a table of labels, for FASTA and annotations")
    parser.add_argument("--genome", metavar="FASTA", help="genome that the file refers to; also what is pretrained on")
    parser.add_argument("--label", metavar="COLUMN", help="column to predict; of a BED file its number")
    parser.add_argument("--id", metavar="COLUMN", help="column of the sequences' ids in the table of labels")
    parser.add_argument("--output", default="my_study.yaml", metavar="YAML", help="what is written (%(default)s)")
    parser.add_argument("--unmeasured", action="store_true", help="do not measure this machine")
    _add_machine(parser)
    return parser


def new_command(arguments=None, prog="seqlm new"):
    """Write a first study."""
    options = new_parser(prog).parse_args(arguments)
    with one_line_errors():
        from seqlm.planning.newcomer import new_study

        given = sys.argv[1:] if arguments is None else arguments
        new_study(
            options.sequences, options.labels, options.genome, label=options.label, id=options.id,
            output=options.output, cores=options.cores, workflow=options.workflow, measured=not options.unmeasured,
            command=" ".join(["seqlm new", *given]),
        )  # fmt: skip


def plan_parser(prog=None, **options):
    """The parser of `plan_command`."""
    parser = argparse.ArgumentParser(
        prog=prog,
        **options,
        description="Say what a study will take on this machine: jobs by a dry run of Snakemake's; time by some ten "
        "seconds of measuring, and by the study's last runs; memory, disk, GPUs, what is fetched.",
    )
    parser.add_argument("config", metavar="YAML", help="the study")
    _add_machine(parser)
    return parser


def plan_command(arguments=None, prog="seqlm plan"):
    """Say what a study will take."""
    options, more = plan_parser(prog).parse_known_args(arguments)
    with one_line_errors():
        from seqlm.planning.plan import plan

        plan(options.config, options.cores, options.workflow, more)


def run_parser(prog=None, **options):
    """The parser of `run_command`."""
    parser = argparse.ArgumentParser(
        prog=prog,
        **options,
        description="Run a study with Snakemake. Once a minute a line says how many jobs are done, which run, and "
        "about how much time is left; what Snakemake says goes to a log file, errors are shown too. Options that are "
        "not listed here are Snakemake's, such as --workflow-profile profiles/slurm.",
    )
    parser.add_argument("config", metavar="YAML", help="the study")
    parser.add_argument("--every", type=float, default=60, metavar="SECONDS", help="between lines (%(default)g)")
    _add_machine(parser)
    return parser


def run_command(arguments=None, prog="seqlm run"):
    """Run a study; the exit status is Snakemake's."""
    options, more = run_parser(prog).parse_known_args(arguments)
    with one_line_errors():
        from seqlm.planning.running import run

        status = run(options.config, options.cores, options.workflow, more, options.every)
    sys.exit(status)


def completion_parser(prog=None, **options):
    """The parser of `completion_command`."""
    parser = argparse.ArgumentParser(
        prog=prog,
        **options,
        description="Print a script by which your shell completes commands and options. For bash: seqlm completion "
        "bash > ~/.local/share/bash-completion/completions/seqlm",
    )
    parser.add_argument("shell", choices=("bash", "zsh", "tcsh"))
    return parser


def completion_command(arguments=None, prog="seqlm completion"):
    """Print a shell's completion script."""
    options = completion_parser(prog).parse_args(arguments)
    import shtab

    from seqlm.console.main import whole_parser

    print(shtab.complete(whole_parser(), options.shell))


def _add_machine(parser):
    parser.add_argument("--cores", type=int, help="cores that may be used (all)")
    parser.add_argument("--workflow", metavar="FOLDER", help="the workflow's folder, where this is not its checkout")
