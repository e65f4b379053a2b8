"""The container recipes: what they copy is there and is enough to plan a study; nothing in them runs as root."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib

import pytest
import yaml
from studies import small_study


def instructions(root):
    """(word, rest) of each instruction of the Dockerfile, in order."""
    text = re.sub(r"\\\n", " ", (root / "Dockerfile").read_text())
    return [line.split(maxsplit=1) for line in text.splitlines() if line.strip() and line[0] != "#"]


def copied(root):
    """Source -> where it lies below /opt/seqlm, as the Dockerfile says."""
    places = {}
    for word, rest in instructions(root):
        if word == "COPY":
            *sources, target = rest.split()
            for source in sources:
                own = target.removeprefix("./") + source.rpartition("/")[2] if target.endswith("/") else target
                places[source] = own
    return places


def section(root, name):
    """Lines of a section of the Apptainer definition."""
    text = (root / "envs/seqlm.def").read_text()
    found = re.search(rf"^%{name}\n(.*?)(?=^%|\Z)", text, re.M | re.S)
    return [line.strip() for line in found[1].splitlines() if line.strip() and line.strip()[0] != "#"]


def test_the_dockerfile_is_sound(root):
    words = [word for word, _ in instructions(root)]
    known = {"FROM", "ARG", "ENV", "WORKDIR", "COPY", "RUN", "USER", "ENTRYPOINT", "CMD"}
    assert words[0] == "FROM" and set(words) <= known
    rest = dict(instructions(root))
    wanted = tomllib.loads((root / "pyproject.toml").read_text())["project"]["requires-python"].removeprefix(">=")
    assert rest["FROM"] == f"python:{wanted}-slim"
    assert rest["USER"] not in ("root", "0") and words.index("USER") < words.index("ENTRYPOINT")
    assert not [line for word, line in instructions(root)[words.index("USER") :] if word == "RUN"]
    assert json.loads(rest["ENTRYPOINT"])[0] == "snakemake" and json.loads(rest["CMD"]) == ["--help"]
    # What is installed follows from the pins alone, and before the code, so that a change of code keeps that layer.
    runs = [line for word, line in instructions(root) if word == "RUN"]
    assert runs[0] == "pip install -r envs/requirements.txt" and "--no-deps" in runs[1]
    ignored = (root / ".dockerignore").read_text().splitlines()
    assert ignored[0] == "*" and {f"!{source.split('/')[0]}" for source in copied(root)} <= set(ignored)


def test_what_is_copied_is_there_and_the_same_in_both(root):
    sources = copied(root)
    assert sources and all((root / source).exists() for source in sources)
    files = dict(line.split() for line in section(root, "files"))
    assert all(target == f"/opt/seqlm/{source}" for source, target in files.items())
    assert set(files) == set(sources) - {"envs/requirements.txt"}
    (base,) = re.findall(r"^From: (.*)$", (root / "envs/seqlm.def").read_text(), re.M)
    assert base == dict(instructions(root))["FROM"]
    entry = " ".join(json.loads(dict(instructions(root))["ENTRYPOINT"]))
    assert section(root, "runscript") == [f'exec {entry} "$@"']


@pytest.mark.slow
def test_what_is_copied_is_enough_to_plan_a_study(root, tmp_path):
    place, study = tmp_path / "opt/seqlm", tmp_path / "study"
    study.mkdir()
    for source, target in copied(root).items():
        (place / target).parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (root / source).is_dir() else shutil.copy
        copy(root / source, place / target, **({"dirs_exist_ok": True} if copy is shutil.copytree else {}))
    (study / "my_study.yaml").write_text(yaml.safe_dump(small_study()))
    entry = [word.replace("/opt/seqlm", str(place)) for word in json.loads(dict(instructions(root))["ENTRYPOINT"])]
    command = [sys.executable, "-m", *entry, "all", "-n", "--cores", "2", "--configfile", "my_study.yaml"]
    done = subprocess.run(command, cwd=study, capture_output=True, text=True, env={**os.environ, "HOME": str(tmp_path)})
    assert done.returncode == 0 and re.search(r"^train_model +4$", done.stdout, re.M), done.stderr[-3000:]
