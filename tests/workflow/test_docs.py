"""What is written about the project agrees with the project."""

import itertools
import re
import subprocess
import sys

import yaml


def pins(text):
    return dict(re.findall(r"^[ -]*([A-Za-z0-9_-]+)==([^\s#]+)", text, re.M))


def test_config_readme_is_generated_from_the_schema(root):
    done = subprocess.run([sys.executable, root / "config/make_readme.py", "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_every_config_key_has_a_description(root):
    schema = yaml.safe_load((root / "workflow/schemas/config.schema.yaml").read_text())

    def keys(part):
        for name, child in part.get("properties", {}).items():
            yield name, child
            yield from keys(child)
        if isinstance(part.get("additionalProperties"), dict):
            yield from keys(part["additionalProperties"])

    assert not [name for name, child in keys(schema) if not child.get("description") and "$ref" not in child]


def test_conda_environments_repeat_the_pins(root):
    required = pins((root / "envs/requirements.txt").read_text())
    assert required["torch"] == "2.13.0"
    plotting = pins((root / "envs/plot.yaml").read_text())
    assert plotting and all(required[name] == version for name, version in plotting.items())
    assert "-r requirements.txt" in (root / "envs/train.yaml").read_text()


def test_readme_opens_with_the_two_commands(root):
    first = (root / "README.md").read_text().split("```")[1]
    assert [line.split("#")[0].strip() for line in first.splitlines()[1:3]] == ["make demo", "make test"]


def test_links_of_the_readme_lead_somewhere(root):
    for target in re.findall(r"\]\(([^)#]+)\)", (root / "README.md").read_text()):
        assert target.startswith("http") or (root / target).exists(), target


def commands(root):
    """Every command of Snakemake's that names a config file, where somebody might copy it from."""
    files = ["README.md", "Makefile", "benchmarks/README.md", "config/README.md", "workflow/report/report.html.j2"]
    for path in [*(root / name for name in files), *(root / "config").rglob("*.yaml")]:
        for line in path.read_text().splitlines():
            for command in re.findall(r"snakemake\b([^`<#]*--configfile[^`<#]*)", line):
                yield path.name, command


def test_targets_stand_before_config_files(root):
    """Snakemake takes every word after --configfile for a config file."""
    found = list(commands(root))
    assert {"README.md", "Makefile", "report.html.j2", "species.yaml"} <= {name for name, _ in found}
    for name, command in found:
        given = command.split("--configfile")[1].split()
        files = list(itertools.takewhile(lambda word: word[0] != "-", given))
        assert files and all(word == "$(CONFIG)" or word.endswith(".yaml") for word in files), f"{name}: {command}"


def test_the_readme_says_where_targets_stand_and_why_a_job_may_wait_for_ever(root):
    text = " ".join((root / "README.md").read_text().split())
    assert "Targets stand first" in text
    assert "PartitionTimeLimit" in text and "`runtime`" in text
    block = text[text.index("## Running parts of a study") :].split("```")[1]
    first = [command.split()[0] for command in block.split("snakemake ")[1:]]
    assert len(first) == 4 and all(word.isalpha() for word in first)  # a target, not an option
