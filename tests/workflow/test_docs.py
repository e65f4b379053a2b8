"""What is written about the project agrees with the project."""

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
