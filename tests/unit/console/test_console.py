"""The command seqlm: its help is quick and complete, and a wrong word is one line."""

import os
import subprocess
import sys

import pytest

from seqlm.console.main import COMMANDS, help_text, main, whole_parser


def test_help_names_every_command_and_loads_nothing(root):
    code = "import sys; from seqlm.console.main import main; main(['--help']); print(sorted(sys.modules))"
    environment = {**os.environ, "PYTHONPATH": str(root / "workflow/scripts")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert all(f"  {name} " in done.stdout for name in COMMANDS)
    assert not {"torch", "transformers", "pandas", "numpy"} & set(done.stdout.splitlines()[-1].strip("[]").split("'"))


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_says_what_it_can_be_told(command, capsys):
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    said = capsys.readouterr().out
    assert ended.value.code == 0 and said.startswith(f"usage: seqlm {command} ")


def test_a_wrong_command_is_one_line(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["plann"])
    said = capsys.readouterr().err
    assert ended.value.code == 2 and said.count("\n") == 1 and "new, plan, run, predict" in said


def test_a_study_that_is_not_there_is_one_line(capsys):
    for command in ("plan", "run"):
        with pytest.raises(SystemExit) as ended:
            main([command, "none.yaml"])
        assert ended.value.code == 1
        assert (
            capsys.readouterr().err
            == "seqlm: none.yaml: there is no such file; check the path, or write one with seqlm new\n"
        )


def test_shells_complete_every_command_and_its_options(capsys):
    main(["completion", "bash"])
    script = capsys.readouterr().out
    assert all(f"{word}" in script for word in (*COMMANDS, "--genome", "--both-strands", "--pooling"))
    assert whole_parser().parse_args(["new", "x.fa", "y.tsv"]).labels == "y.tsv"
    assert "usage: seqlm COMMAND" in help_text()
