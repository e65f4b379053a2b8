"""`pip install .` gives the library, all of it, and the command seqlm, in any folder."""

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from seqlm.console.main import COMMANDS

pytestmark = pytest.mark.slow


def test_pip_installs_the_library_and_the_command(root, tmp_path):
    source, venv = tmp_path / "source", tmp_path / "venv"
    source.mkdir()
    for name in ("workflow", "envs"):
        shutil.copytree(root / name, source / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(root / name, source)
    subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    python = venv / "bin/python"

    def run(*command):
        done = subprocess.run([*map(str, command)], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout

    # What it needs is here already; --no-deps leaves it where it is.
    site = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    (site / "here.pth").write_text(sysconfig.get_path("purelib"))
    run(python, "-m", "pip", "install", "--quiet", "--no-deps", "--disable-pip-version-check", source)
    said = run(venv / "bin/seqlm", "--help")
    assert all(f"  {name} " in said for name in COMMANDS)
    assert run(python, "-c", "import seqlm; print(seqlm.__file__)").strip() == str(site / "seqlm/__init__.py")
    library = source / "workflow/scripts/seqlm"
    wanted = {path.relative_to(library) for path in library.rglob("*.py")}
    assert {path.relative_to(site / "seqlm") for path in (site / "seqlm").rglob("*.py")} == wanted
