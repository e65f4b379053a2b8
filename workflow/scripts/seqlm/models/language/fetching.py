"""Files of a published model, from the Hugging Face hub or its local cache, at one commit.

All of a model's files are fetched before any is read: so they belong together, an interrupted download goes on where it
stopped, and whatever the network does is told here and nowhere else. Weights are read as safetensors only. Pickled ones
(``pytorch_model.bin``) run whatever code they hold when they are read, and are not even fetched.
"""

import re
from pathlib import Path

from seqlm.common.errors import InputError

COMMIT = re.compile(r"[0-9a-f]{40}")
_FILES = ("*.json", "*.txt", "*.model", "*.safetensors", "README.md")
_CODE = ("*.py",)
_ELSEWHERE = ["*/*", "consolidated*.safetensors"]  # the same weights for other software
_PICKLED = ("*.bin", "*.pt", "*.pth", "*.ckpt")


def wanted(code=False):
    """Which files of a model are fetched, as the hub's functions are told."""
    return {"allow_patterns": [*_FILES, *(_CODE if code else ())], "ignore_patterns": _ELSEWHERE}


def fetch(source, revision=None, code=False):
    """Folder with the files of a model, and its commit.

    Parameters
    ----------
    source : str
        Name on the hub.
    revision : str, optional
        Commit, branch or tag.
    code : bool
        Its Python files too.

    Returns
    -------
    Path, str

    Raises
    ------
    InputError
        The hub cannot be reached and the files are not in the cache; or there is no such model, revision or access.
    """
    import huggingface_hub
    from huggingface_hub import errors

    try:
        found = huggingface_hub.snapshot_download(source, revision=revision, **wanted(code))
    except errors.GatedRepoError:
        raise InputError(
            source,
            "its authors give access only to those who ask",
            "accept their terms on its page, then log in (hf auth login) or set HF_TOKEN",
        ) from None
    except errors.RevisionNotFoundError:
        problem = f"there is no such revision ({revision})"
        raise InputError(source, problem, "check revision: against the model's commits on the hub") from None
    except (errors.RepositoryNotFoundError, errors.HFValidationError):
        raise InputError(
            source, "there is no such model on the hub", "check the name; private models need a login (hf auth login)"
        ) from None
    except errors.LocalEntryNotFoundError as error:
        part = (
            "only a part of the model is" if isinstance(error, errors.IncompleteSnapshotError) else "the model is not"
        )
        raise InputError(
            source,
            f"the hub cannot be reached and {part} in the local cache",
            "fetch it where there is a network (hf download NAME --revision COMMIT), give its folder or set HF_HOME",
        ) from None
    except Exception as error:  # whatever the network and the disk raise
        message = " ".join(str(error).split())[:150]
        problem = f"the download was interrupted ({message})"
        raise InputError(source, problem, "try again: it goes on where it stopped") from None
    return Path(found), Path(found).name


def require_files(folder, source, commit=None):
    """Refuse a folder without config or weights, and say why the weights are not there.

    Parameters
    ----------
    folder : path
    source : str
        Name on the hub or folder, as given.
    commit : str, optional
        On the hub.
    """
    folder = Path(folder)
    if not (folder / "config.json").is_file():
        problem = "has no config.json, so that nothing says what model it is"
        raise InputError(source, problem, "use a model in the layout of transformers, or classes: with its package")
    if list(folder.glob("*.safetensors")):
        return
    pickled = [name for name in _names(folder, source, commit) if any(Path(name).match(p) for p in _PICKLED)]
    if pickled:
        raise InputError(
            source,
            f"has its weights only pickled ({pickled[0]}), which can run any code when they are read",
            "give revision: of a conversion to safetensors (often refs/pr/1, see the discussions on the model's page), "
            "or convert them where you trust them and give the folder",
        )
    raise InputError(source, "has no weights (model.safetensors)", "check that the folder or name is that of a model")


def _names(folder, source, commit):
    if commit is None:
        return sorted(path.name for path in folder.iterdir())
    import huggingface_hub

    try:
        return [file.path for file in huggingface_hub.get_cached_repo_tree(source, revision=commit)]
    except Exception:  # a cache filled by other tools has no list
        return []
