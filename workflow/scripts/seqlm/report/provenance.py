"""What one needs to know to get the same numbers again."""

import importlib.metadata
import platform
import subprocess
from pathlib import Path

PACKAGES = ("torch", "transformers", "numpy", "pandas", "scipy", "scikit-learn", "matplotlib", "snakemake", "biopython")


def provenance(config, costs):
    """(what, value) of everything that one needs to know to get the same numbers again."""
    versions = []
    for package in PACKAGES:
        try:
            versions.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    devices = sorted({str(device) for device in costs["device"].dropna() if str(device)}) if len(costs) else []
    facts = [
        ("Code", _commit()),
        ("Seeds", ", ".join(map(str, config.get("seeds", [])))),
        ("Precision of training", config.get("precision", "")),
        ("Threads of a job", config.get("threads", "")),
        ("Devices", ", ".join(devices)),
        ("Python", platform.python_version()),
        ("Packages", ", ".join(versions)),
        ("System", platform.platform()),
    ]
    return [(name, str(value)) for name, value in facts if str(value)]


def _commit():
    """Commit of the workflow's own checkout, with a mark when files differ from it; empty outside git."""
    here = Path(__file__).parent

    def git(*arguments):
        return subprocess.run(
            ["git", "-C", here, *arguments], capture_output=True, text=True, check=True
        ).stdout.strip()

    try:
        changed = git("status", "--porcelain", "--untracked-files=no", "--", ".")
        return f"commit {git('rev-parse', 'HEAD')}" + (" with uncommitted changes" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return ""
