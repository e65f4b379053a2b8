"""The command `seqlm` and its subcommands. Light: `--help` and completion load no network."""

import importlib
import signal
import sys

# Word -> (what it does, module, stem of its functions <stem>_command(arguments, prog) and <stem>_parser(prog)).
COMMANDS = {
    "new": ("write a first study of your files, and say how long it will take", "seqlm.console.studies", "new"),
    "plan": ("say what a study will take here: jobs, time, memory, disk", "seqlm.console.studies", "plan"),
    "run": ("run a study, telling once a minute how far it is", "seqlm.console.studies", "run"),
    "predict": ("predict with trained models on a file", "seqlm.streaming.command", "predict"),
    "score": ("say which bases of a file's sequences a model reads", "seqlm.streaming.command", "score"),
    "variants": ("say what variants of a VCF file do", "seqlm.streaming.command", "variant"),
    "embed": ("turn the sequences of a file into vectors", "seqlm.streaming.command", "embed"),
    "export": ("write a trained model as a repository of a model hub", "seqlm.console.models", "export"),
    "completion": ("print a script by which your shell completes words", "seqlm.console.studies", "completion"),
}
ABOUT = "Does a pretrained DNA or RNA language model beat a plain CNN on your own sequences, by how much, at what cost?"


def help_text():
    """What `seqlm --help` prints."""
    lines = ["usage: seqlm COMMAND ...", "", ABOUT, "", "commands:"]
    lines += [f"  {name:<11} {about}" for name, (about, *_) in COMMANDS.items()]
    return "\n".join([*lines, "", "seqlm COMMAND --help says what a command can be told; --version, the version."])


def main(arguments=None):
    """Run a command of the line `arguments` (of this process when missing)."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    if not given or given[0] in ("-h", "--help"):
        print(help_text())
    elif given[0] == "--version":
        from seqlm import __version__

        print(f"seqlm {__version__}")
    elif given[0] in COMMANDS:
        if hasattr(signal, "SIGPIPE"):
            signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # what is piped to head ends without a word
        _, module, stem = COMMANDS[given[0]]
        getattr(importlib.import_module(module), f"{stem}_command")(given[1:], prog=f"seqlm {given[0]}")
    else:
        print(f"seqlm: there is no command {given[0]!r}; the commands are: {', '.join(COMMANDS)}", file=sys.stderr)
        sys.exit(2)


def whole_parser():
    """One parser with all commands, for completion."""
    import argparse

    parser = argparse.ArgumentParser(prog="seqlm", description=ABOUT)
    commands = parser.add_subparsers(dest="command")
    for name, (about, module, stem) in COMMANDS.items():
        own = getattr(importlib.import_module(module), f"{stem}_parser")
        commands.add_parser(name, help=about, parents=[own(add_help=False)])
    return parser
