"""What a fetched model remembers of where it comes from, and what must be there before it loads again.

It is kept in the model's config as ``seqlm_origin``, and goes on in that of every model that stands on it:

========  ==============================================================================================
source    name on the hub, or the folder
revision  as asked for
commit    as found
licence   what the source's model card says: license, and license_name and license_link where there are
classes   packages that bring the model's classes
code      files of the model's own code that lie in the bundle, and the sha256 of them all
========  ==============================================================================================

Code of a model's own runs when the user trusts it: by ``trust_remote_code`` where a model is loaded, or by naming it in
``SEQLM_TRUST_REMOTE_CODE`` (``name@commit``, several with commas), which the workflow sets in all its jobs for what the
study trusts. That a bundle says of itself that it was trusted once is not enough, it may be somebody else's.
"""

import hashlib
import importlib
import os
import re
import shutil
import sys
from pathlib import Path

from seqlm.common.errors import InputError

TRUSTED = "SEQLM_TRUST_REMOTE_CODE"
_LICENCE = ("license", "license_name", "license_link")
_PACKAGE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
_DYNAMIC = "transformers_modules"


def origin_of(config):
    """The origin of a model, or of the encoder it stands on; empty for models made here.

    Parameters
    ----------
    config : PreTrainedConfig or dict
    """
    config = config if isinstance(config, dict) else config.__dict__
    own = config.get("backbone_config") or {}
    return config.get("seqlm_origin") or (own if isinstance(own, dict) else own.__dict__).get("seqlm_origin") or {}


def import_classes(packages, where):
    """Import packages that announce their models to transformers' Auto classes.

    Parameters
    ----------
    packages : list of str
        As in an import statement.
    where : str
        What errors name.
    """
    for package in packages:
        if not _PACKAGE.fullmatch(package):
            raise InputError(where, f"{package!r} is no name of a package", "give classes: as in an import statement")
        try:
            importlib.import_module(package)
        except ImportError as error:
            missing = getattr(error, "name", None) or package
            mend = (
                f"install it ({sys.executable} -m pip install {package.split('.')[0]}; make extras for multimolecule)"
            )
            problem = f"its classes come from the package {package}, and {missing} is not installed"
            raise InputError(where, problem, mend) from None
        except Exception as error:  # whatever a package's own code raises
            message = " ".join(str(error).split())[:150]
            problem = f"the package {package} of its classes cannot be imported ({message})"
            raise InputError(where, problem, "install a version that fits transformers") from None


def licence_of(text):
    """What the head of a model card (README.md) says of the licence, dict; empty where it says nothing.

    Parameters
    ----------
    text : str
    """
    import yaml

    head = re.match(r"\s*---\s*\n(.*?)\n---\s*(\n|$)", text, re.DOTALL)
    try:
        said = yaml.safe_load(head[1]) if head else None
    except yaml.YAMLError:
        said = None
    said = said if isinstance(said, dict) else {}
    return {key: said[key] for key in _LICENCE if isinstance(said.get(key), str)}


def own_code(*objects):
    """Paths of the files that hold the classes of objects (model, config, tokenizer), where these are not installed."""
    modules = {type(one).__module__ for one in objects if one is not None}
    found = [Path(sys.modules[name].__file__).parent for name in modules if name.split(".")[0] == _DYNAMIC]
    files = {path.name: path for folder in found for path in folder.glob("*.py")}
    return [files[name] for name in sorted(files) if name != "__init__.py"]


def keep_code(folder, *objects):
    """Copy the code of models (see `own_code`) into a bundle; what ``code`` of their origin says, or None."""
    paths = own_code(*objects)
    for path in paths:
        shutil.copyfile(path, Path(folder) / path.name)
    return code_record(folder, [path.name for path in paths]) if paths else None


def code_record(folder, names):
    """Names of files in a folder, and the sha256 of their names and content."""
    digest = hashlib.sha256()
    for name in sorted(names):
        digest.update(name.encode() + b"\0" + (Path(folder) / name).read_bytes() + b"\0")
    return {"files": sorted(names), "sha256": digest.hexdigest()}


def check_trust(folder, config, trust_remote_code=False):
    """Whether a bundle brings code that may run: False when it brings none.

    Raises
    ------
    InputError
        It brings code that nobody trusts, or that is not what was fetched.
    """
    origin = origin_of(config)
    record = origin.get("code")
    if not record:
        return False
    name = trust_name(origin["source"], origin.get("revision"))
    names = [str(file) for file in record["files"] if Path(str(file)).name == str(file)]
    try:
        same = code_record(folder, names) == record
    except OSError:
        same = False
    if not same:
        raise InputError(folder, "the model's own code in it is not what was fetched", "fetch the model again")
    if not trust_remote_code and name not in os.environ.get(TRUSTED, "").split(","):
        mend = f"read the .py files, then load it with trust_remote_code=True or set {TRUSTED}={name}"
        raise InputError(folder, f"the model brings its own code, from {name}", mend)
    return True


def trust_name(source, revision=None):
    """How code is named in ``SEQLM_TRUST_REMOTE_CODE``."""
    return f"{source}@{revision}" if revision else str(source)
