# What every rule file uses: the study, and short names for its paths. Imports nothing heavy.
import sys
from pathlib import Path

from snakemake.utils import min_version

min_version("9.0")
WORKFLOW = Path(workflow.current_basedir).parent
sys.path.insert(0, str(WORKFLOW / "scripts"))

from seqlm.errors import one_line_errors
from seqlm.provenance import code_digest
from seqlm.study import Study, load_schema

# A study given with --configfile stands alone: the demo's keys must not leak into it.
if "sources" not in config:

    configfile: "config/config.yaml"


with one_line_errors():
    STUDY = Study(config, load_schema(WORKFLOW / "schemas" / "config.schema.yaml"))

R = STUDY.results
LOGS = f"{R}/logs"
BENCHMARKS = f"{R}/benchmarks"
JOB = "{dataset}/{model}/fold{fold}/seed{seed}"


wildcard_constraints:
    source=r"[A-Za-z0-9._-]+",
    dataset=r"[A-Za-z0-9._-]+",
    tokenizer=r"[A-Za-z0-9._-]+",
    backbone=r"[A-Za-z0-9._-]+",
    model=r"[A-Za-z0-9._-]+",
    fold=r"\d+",
    seed=r"\d+",
    files=r"[A-Za-z0-9._-]+",


def paths(names, pattern):
    """Fill a pattern's only field with each name."""
    return [pattern.format(name) for name in names]
