"""Write docs/api.md from the docstrings of the library's public names, or check (--check) that it is up to date.

Nothing of the library is imported: files are read as they are.
"""

import ast
import inspect
import re
import sys
from pathlib import Path

HERE = Path(__file__).parent
WIDTH = 100  # of a signature on one line
LIBRARY = HERE.parent / "workflow" / "scripts"
HEAD = """# Python API

<!-- made from the docstrings by `make docs`; do not edit -->

`import seqlm` is quick: torch and transformers are loaded when a name that needs them is first used. It also tells
transformers of seqlm's models, so that `AutoModel.from_pretrained(bundle)` works, and adds the pipelines
`sequence-embedding` and `sequence-classification`. Everything else in the library serves the workflow and may change
from one version to the next.
"""
# Beside the public names: what they return, and what others load models by.
MORE = {
    "LeaveOneOut": "seqlm.attribution",
    "LeaveOneOut.to_table": "seqlm.attribution",
    "SequenceModel.encode": "seqlm.models.base",
    "SequenceModel.from_pretrained": "seqlm.models.base",
    "export_model": "seqlm.report.publishing.export",
}


def tree_of(module):
    path = LIBRARY.joinpath(*module.split("."))
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return ast.parse(path.read_text())


def public():
    """Name -> module, as seqlm/__init__.py says."""
    for node in tree_of("seqlm").body:
        if isinstance(node, ast.Assign) and node.targets[0].id == "_PUBLIC":
            return ast.literal_eval(node.value) | {"InputError": "seqlm.common.errors"}
    raise LookupError("seqlm/__init__.py names nothing public")


def definition(name, module):
    """The node of a function or class, and of the class around it; found where a package takes it from."""
    outer, _, inner = name.partition(".")
    for node in tree_of(module).body:
        if isinstance(node, ast.ImportFrom) and any(alias.name == outer for alias in node.names):
            return definition(name, node.module)
        if getattr(node, "name", None) == outer:
            return next(child for child in node.body if getattr(child, "name", None) == inner) if inner else node
    raise LookupError(f"{module} has no {name}")


def signature(name, node):
    function = node
    if isinstance(node, ast.ClassDef):
        function = next((child for child in node.body if getattr(child, "name", "") == "__init__"), None)
        if function is None:
            return name
    arguments = re.sub(r"^(self|cls)(, )?", "", ast.unparse(function.args))
    one_line = f"{name}({arguments})"
    if len(one_line) <= WIDTH:
        return one_line
    split = ast.unparse(function.args).split(", ")  # no default has a comma
    return "\n".join([f"{name}(", *(f"    {one}," for one in split if one not in ("self", "cls")), ")"])


def markdown(docstring):
    """A docstring in NumPy's style as Markdown: parts as headings, what they list as a list."""
    lines, part = [], None
    text = inspect.cleandoc(docstring).splitlines()
    for i, line in enumerate(text):
        following = text[i + 1] if i + 1 < len(text) else ""
        if set(following) == {"-"} and len(following) >= 3:
            part = line
            lines += ["", f"**{line}**", ""]
        elif set(line) == {"-"} and len(line) >= 3:
            continue
        elif part is None or part == "Notes":
            lines.append(line)
        elif line and not line.startswith(" "):
            names, _, kind = line.partition(" : ")
            lines.append(f"- `{names}`" + (f": {kind}" if kind else ""))
        else:
            lines.append(line)
    text = re.sub(r"``([^`]+)``", r"`\1`", "\n".join(lines))
    return re.sub(r"\n{3,}", "\n\n", text).strip()


def page():
    parts = [HEAD]
    for name, module in (public() | MORE).items():
        node = definition(name, module)
        shown = f"seqlm.{name}" if name in public() else f"{module}.{name}"
        parts += [f"## {shown}\n\n```text\n{signature(shown, node)}\n```\n", markdown(ast.get_docstring(node)) + "\n"]
    return "\n".join(parts)


def main():
    text, target = page(), HERE / "api.md"
    if "--check" in sys.argv[1:]:
        if not target.exists() or target.read_text() != text:
            sys.exit("docs/api.md: differs from the docstrings; run `make docs` and commit it")
    else:
        target.write_text(text)


if __name__ == "__main__":
    main()
