"""Write config/README.md from the config schema, or check (--check) that it is up to date.

Reads workflow/schemas/config.schema.yaml; writes config/README.md beside this file.
"""

import sys
from pathlib import Path

import yaml

sys.path.insert(0, str(Path(__file__).parent.parent / "workflow" / "scripts"))

from seqlm.study import load_schema

HERE = Path(__file__).parent
SCHEMA = HERE.parent / "workflow" / "schemas" / "config.schema.yaml"

INTRODUCTION = """# The config of a study

<!-- made from workflow/schemas/config.schema.yaml by `make docs`; do not edit -->

{description}

`config/config.yaml` is the demo study; `config/studies/` holds full-scale ones. Run a study of yours with
`make study CONFIG=path/to/study.yaml`, or change single values with
`snakemake --configfile path/to/study.yaml override.yaml` (later files win; targets such as `models` stand before
`--configfile`).

In the tables, `<name>` is a name that you choose: letters, digits, `.`, `_` and `-`, beginning with none of `.` and
`-`. Write it in quotes where YAML would read something else than text: `"2024"`, `"null"`, `"yes"`.
"""


def allowed(schema):
    """A property's type, in words."""
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if "anyOf" in schema:
        return " or ".join(allowed(option) for option in schema["anyOf"])
    if "$ref" in schema:
        return "see `training`"
    kind = schema.get("type", "any")
    if isinstance(kind, list):
        return " or ".join(kind)
    if kind == "array":
        return f"list of {allowed(schema.get('items', {}))}"
    return kind


def default(schema):
    if "default" not in schema:
        return ""
    value = yaml.safe_dump(schema["default"], default_flow_style=True, width=10**6).strip()
    return f"`{value.removesuffix('...').strip()}`"


def rows(schema, prefix, definitions):
    """One table row for each key below `schema`, in the schema's order."""
    if "$ref" in schema and prefix == "training.":
        schema = definitions[schema["$ref"].split("/")[-1]]
    required = schema.get("required", [])
    for key, child in schema.get("properties", {}).items():
        text = child.get("description", "")
        value = "required" if key in required else default(child)
        yield f"| `{prefix}{key}` | {allowed(child)} | {value} | {text} |"
        if child.get("type") == "object":
            yield from rows(child, f"{prefix}{key}.", definitions)
    names = schema.get("additionalProperties")
    if isinstance(names, dict) and "properties" in names:
        yield from rows(names, f"{prefix}<name>.", definitions)


def undescribed(schema, path=""):
    """Keys without a description."""
    for key, child in {**schema.get("properties", {}), **schema.get("$defs", {})}.items():
        if "description" not in child and "$ref" not in child:
            yield f"{path}{key}"
        yield from undescribed(child, f"{path}{key}.")
    if isinstance(schema.get("additionalProperties"), dict):
        yield from undescribed(schema["additionalProperties"], f"{path}<name>.")


def readme(schema):
    parts = [INTRODUCTION.format(description=schema["description"])]
    definitions = schema.get("$defs", {})
    top = [(key, child) for key, child in schema["properties"].items()]
    simple = {key: child for key, child in top if child.get("type") != "object" and "$ref" not in child}
    head = "| key | value | default | meaning |\n| --- | --- | --- | --- |"
    table = [head, *rows({**schema, "properties": simple}, "", definitions)]
    parts.append("## The study\n\n" + "\n".join(table) + "\n")
    for key, child in top:
        if key not in simple:
            text = child.get("description") or definitions[child["$ref"].split("/")[-1]]["description"]
            parts.append(f"## {key}\n\n{text}\n\n" + "\n".join([head, *rows(child, f"{key}.", definitions)]) + "\n")
    return "\n".join(parts)


def main():
    schema = load_schema(SCHEMA)
    missing = list(undescribed(schema))
    if missing:
        sys.exit(f"{SCHEMA.name}: keys without a description: {', '.join(missing)}; describe them")
    text, target = readme(schema), HERE / "README.md"
    if "--check" in sys.argv[1:]:
        if not target.exists() or target.read_text() != text:
            sys.exit("config/README.md: differs from the schema; run `make docs` and commit it")
    else:
        target.write_text(text)


if __name__ == "__main__":
    main()
