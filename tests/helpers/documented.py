"""What docs/files.md says about the columns of files."""

import re
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq


def documented(root):
    """Pattern of a file below a study's results -> (columns that are always there, columns that may be), in order."""
    found = {}
    for name, cells in re.findall(r"^\| `([^`]+)` \| ([^|]+) \|$", (root / "docs/files.md").read_text(), re.M):
        columns = [cell.strip() for cell in cells.split(", ")]
        found[name] = [c for c in columns if c[0] != "("], [c.strip("()") for c in columns if c[0] == "("]
    return found


def columns_of(path):
    """Names of a table's columns."""
    if path.suffix == ".parquet":
        return pq.read_schema(path).names
    return list(pd.read_csv(path, sep="\t" if path.suffix == ".tsv" else ",", nrows=0).columns)


def disagreements(root, results):
    """Sentences on what files of a study and docs/files.md say differently; and the patterns that no file matched."""
    wrong, unseen = [], []
    for pattern, (always, perhaps) in documented(root).items():
        files = [path for path in Path(results).glob(re.sub(r"<[^>]+>", "*", pattern)) if path.is_file()]
        if not files:
            unseen.append(pattern)
        for path in files:
            there = columns_of(path)
            free = [column.removesuffix(" …") for column in perhaps if column.endswith(" …")]
            more = [c for c in there if c not in [*always, *perhaps] and not any(c.startswith(f + " ") for f in free)]
            if more or [column for column in there if column in always] != always:
                wrong.append(f"{pattern}: {there}")
    return wrong, unseen
