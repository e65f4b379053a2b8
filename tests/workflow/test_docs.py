"""What is written about the project agrees with the project."""

import itertools
import re
import shlex
import subprocess
import sys

import yaml


def pins(text):
    return dict(re.findall(r"^[ -]*([A-Za-z0-9_-]+)==([^\s#]+)", text, re.M))


def test_config_readme_is_generated_from_the_schema(root):
    done = subprocess.run([sys.executable, root / "config/make_readme.py", "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_api_page_is_generated_from_the_docstrings(root):
    done = subprocess.run([sys.executable, root / "docs/make_api.py", "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    import seqlm

    page = (root / "docs/api.md").read_text()
    assert all(f"## seqlm.{name}\n" in page for name in seqlm.__all__)


def test_pictures_of_the_pages_are_small(root):
    assert sum(path.stat().st_size for path in (root / "docs/figures").iterdir()) < 300_000


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
    # Snakemake copies the file elsewhere: it must not lean on others.
    assert pins((root / "envs/train.yaml").read_text()) == required
    for name in ("train", "plot"):
        (python, _, packages) = yaml.safe_load((root / f"envs/{name}.yaml").read_text())["dependencies"]
        assert python == "python =3.11" and all("==" in package for package in packages["pip"])


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


def test_targets_stand_first_and_why_a_job_may_wait_for_ever(root):
    text = " ".join((root / "README.md").read_text().split())
    assert "Targets stand first" in text
    clusters = (root / "docs/clusters.md").read_text()
    assert "make slurm-check" in text and "PartitionTimeLimit" in clusters and "make slurm-check" in clusters
    block = text[text.index("## Running parts of a study") :].split("```")[1]
    first = [command.split()[0] for command in block.split("snakemake ")[1:]]
    assert len(first) == 4 and all(word.isalpha() for word in first)  # a target, not an option


# the pages of docs/ ---------------------------------------------------------------------------------------------------


def fenced(path, language):
    """Texts of a page's code blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", path.read_text(), re.M | re.S)


def pages(root):
    return [root / "README.md", *sorted((root / "docs").glob("*.md"))]


def shell_lines(root):
    """Every command of the pages, comments left out, with its page."""
    for page in pages(root):
        for block in fenced(page, "sh"):
            lines = re.sub(r" *\\\n *", " ", block).splitlines()
            yield from ((page.name, line.split("  #")[0].strip()) for line in lines if line.strip())


def test_links_of_the_pages_lead_somewhere(root):
    for page in pages(root):
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
            assert target.startswith("http") or (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_site_has_every_page(root):
    site = yaml.safe_load((root / "mkdocs.yml").read_text())
    listed = [next(iter(entry.values())) for entry in site["nav"]]
    assert sorted(listed) == sorted(path.name for path in (root / "docs").glob("*.md"))
    assert all(f"docs/{name}" in (root / "README.md").read_text() for name in listed if name != "index.md")


def test_every_command_of_the_pages_is_one_that_there_is(root):
    """Dry: make plans it, seqlm's and the scripts' parsers take it, snakemake knows the target."""
    from seqlm.console.main import whole_parser
    from seqlm.streaming.command import predict_parser, score_parser, variant_parser

    scripts = {"predict_targets": predict_parser, "score_loo": score_parser, "score_variants": variant_parser}
    seen = set()
    for page, line in shell_lines(root):
        words = shlex.split(line)
        if words[0] == "make":
            done = subprocess.run(["make", "-n", *words[1:]], cwd=root, capture_output=True, text=True)
            assert done.returncode == 0, f"{page}: {line}: {done.stderr}"
            found = re.search(r"-m seqlm.console ((?:new|plan|run) .*)", done.stdout.replace("\\\n", " "))
            if found:
                whole_parser().parse_args(shlex.split(found[1]))
        elif words[0] == "seqlm":
            if not words[1].startswith("-"):
                whole_parser().parse_args(words[1:])
        elif words[0] == "snakemake":
            assert words[1] in workflow_targets(root), f"{page}: {line}"
        elif words[0] == "python":
            script = root / words[1]
            assert script.exists(), f"{page}: {line}"
            if script.stem in scripts:
                scripts[script.stem]().parse_args(words[2:])
        elif words[0] in ("docker", "apptainer"):
            check_container(root, page, words)
        elif words[0] == "snakedeploy":  # tests/workflow/test_modules.py runs it
            assert words[1:3] == ["deploy-workflow", "https://github.com/OWNER/seqlm"] and "--tag" in words, page
        elif words[0] == ".venv/bin/pip":  # a version that tests run with
            assert words[2] in (root / "envs/requirements-dev.txt").read_text().split(), f"{page}: {line}"
        elif words[0] == "export":  # tests/integration/test_bucket.py sets the same
            names = {word.split("=")[0] for word in words[1:] if "=" in word}
            assert all(name in (root / "tests/integration/test_bucket.py").read_text() for name in names), page
        else:
            raise AssertionError(f"{page}: no test knows how to check: {line}")
        seen.add(words[0])
    known = {"make", "seqlm", "snakemake", "python", "docker", "apptainer", "snakedeploy", ".venv/bin/pip", "export"}
    assert seen == known


def check_container(root, page, words):
    """A container's recipe is there; what is run in it is a target of the workflow, or a command."""
    if words[1] == "build":
        file = words[-1] if words[0] == "apptainer" else "Dockerfile"
        assert (root / file).is_file(), f"{page}: {words}"
        return
    image = words.index("seqlm" if words[0] == "docker" else "seqlm.sif")
    assert words[1] == "run" and words[image + 1] in workflow_targets(root), f"{page}: {words}"


def workflow_targets(root):
    text = (root / "workflow/rules/targets.smk").read_text() + (root / "workflow/Snakefile").read_text()
    return re.findall(r"^rule (\w+):", text, re.M)


def test_every_study_of_the_pages_is_one(root):
    """Pieces of a config are completed with what they lean on; whole ones are taken as they stand."""
    from seqlm.study import Study, load_schema

    schema = load_schema(root / "workflow/schemas/config.schema.yaml")
    studies = 0
    for page in pages(root):
        for block in fenced(page, "yaml"):
            config = {"study": "x", "sources": {}} | yaml.safe_load(block)
            Study(config, schema)
            studies += 1
    assert studies >= 4


def test_sizes_of_language_models_are_as_the_page_says(root):
    from seqlm.models.language.sizes import SIZES

    rows = re.findall(r"^\| `([a-z-]+)` \| ([\d, ]+) \|", (root / "docs/start.md").read_text(), re.M)
    told = {name: [int(number.replace(",", "")) for number in numbers.split(", ")] for name, numbers in rows}
    assert told == {name: [own["layers"], own["width"], own["steps"]] for name, own in SIZES.items()}


def test_python_of_the_pages_names_what_there_is(root):
    import ast

    import seqlm

    seen = set()
    for page in pages(root):
        for block in fenced(page, "python"):
            if "\nmodule seqlm:" in block:
                continue  # a Snakefile: tests/workflow/test_modules.py runs one like it
            seen |= {node.attr for node in ast.walk(ast.parse(block)) if isinstance(node, ast.Attribute)
                     and isinstance(node.value, ast.Name) and node.value.id == "seqlm"}  # fmt: skip
    assert {"load_model", "predict", "leave_one_out"} <= seen <= set(seqlm.__all__)


def test_the_snakefile_of_the_page_is_the_one_that_is_tested(root):
    """But for paths and layout."""
    (block,) = [block for block in fenced(root / "docs/other-workflows.md", "python") if "module seqlm" in block]
    tested = (root / "tests/workflow/outer/Snakefile").read_text()

    def words(text):
        text = re.sub(r"snakefile:.*?config:", "config:", re.sub(r"#.*", "", text), flags=re.S)
        return re.sub(r"\s+|,", "", text).replace("importos", "").replace("my_study", "study")

    assert words(block) == words(tested)


def test_every_target_of_make_that_is_named_is_one(root):
    targets = re.findall(r"^([a-z-]+):", (root / "Makefile").read_text(), re.M)
    for page in [*pages(root), root / "CONTRIBUTING.md", root / "benchmarks/README.md", root / "config/README.md"]:
        named = re.findall(r"(?:`|^)make ([a-z-]+)", page.read_text(), re.M)
        assert set(named) <= set(targets), page.name


def test_messages_of_the_troubleshooting_page_are_those_that_are_told(root):
    """Each piece of a heading between its dots stands in the source of the library."""
    text = " ".join(path.read_text() for path in (root / "workflow/scripts/seqlm").rglob("*.py"))
    # Words of f-strings and of strings that go on in the next line stand side by side.
    text = re.sub(r"\{[^{}]*\}", "…", re.sub(r'"\s*,?\s*f?"', " ", text))
    said = re.sub(r"\s+", " ", text)
    page = (root / "docs/troubleshooting.md").read_text()
    ours = page[: page.index("## Snakemake")]
    messages = [message for line in re.findall(r"^### (.*)$", ours, re.M) for message in re.findall(r"`([^`]+)`", line)]
    assert len(messages) >= 30
    missing = [
        piece.strip()
        for message in messages
        for part in message.split("…")
        for piece in part.split(";")
        if piece.strip(" ,") and piece.strip() not in said and piece.strip() not in OTHERS
    ]
    assert missing == []


# Of the schema's validator; put together from parts.
OTHERS = {"is not one of [", "there is no source named", "there is no model named"}


def test_columns_that_the_code_knows_are_described(root):
    from documented import documented

    from seqlm.common.tables import NUMBERS
    from seqlm.datasets.storage import COLUMNS

    about = documented(root)
    always, perhaps = about["datasets/<dataset>/examples.parquet"]
    assert [*always, *perhaps] == list(COLUMNS)
    every = {column for columns in about.values() for part in columns for column in part}
    elsewhere = {"mean", "tokens", "x", "y"}  # of figures' own tables
    assert NUMBERS - elsewhere <= every
