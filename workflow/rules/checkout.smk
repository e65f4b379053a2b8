# Where the workflow's own files are. As a module of a hosting service (github(...), which snakedeploy writes) Snakemake
# reads rules and scripts one by one and knows nothing of the library, schemas and templates beside them. These are
# unpacked from Snakemake's own clone, once for each commit, where the jobs of a cluster see them too.
import io
import os
import shutil
import sys
import tarfile
from pathlib import Path


def checkout_of(basedir):
    """The folder workflow/ that a Snakefile's folder is of.

    Parameters
    ----------
    basedir : snakemake.sourcecache.SourceFile
        Of workflow/rules.
    """
    if not hasattr(basedir, "hosted_repo"):
        return Path(basedir).parent
    basedir.fetch_if_required()
    repository = basedir.hosted_repo.repo
    commit = repository.commit(basedir.ref).hexsha
    folder = Path(".snakemake", "seqlm", commit).absolute()
    if not folder.exists():
        temporary = folder.with_name(f".tmp-{os.getpid()}-{commit}")
        packed = io.BytesIO()
        repository.archive(packed, commit, path=["workflow", "envs", "profiles"])
        packed.seek(0)
        with tarfile.open(fileobj=packed) as files:
            files.extractall(temporary, filter="data")
        try:
            os.rename(temporary, folder)
        except OSError:  # another job was first
            shutil.rmtree(temporary)
    # Scripts of such a module lie alone in a cache.
    there = [part for part in os.environ.get("PYTHONPATH", "").split(os.pathsep) if part]
    own = str(folder / "workflow/scripts")
    os.environ.update(PYTHONPATH=os.pathsep.join(dict.fromkeys([own, *there])))
    return folder / "workflow"


WORKFLOW = checkout_of(workflow.current_basedir)
sys.path.insert(0, str(WORKFLOW / "scripts"))
