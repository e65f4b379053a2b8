"""From a bundle to a folder in the layout of a model repository of a hub."""

import json
import shutil
from pathlib import Path

from seqlm.common.errors import InputError
from seqlm.common.files import atomic_folder
from seqlm.evaluation.validation import FILE as VALIDATION
from seqlm.models.language.hub import load_any
from seqlm.models.origin import origin_of
from seqlm.report.publishing.card import hub_card, is_hub_name
from seqlm.report.publishing.evidence import evidence_of

# What makes a model; logs, costs and what else lies in a bundle stay at home.
FILES = ("config.json", "generation_config.json", "model.safetensors", "*token*", "vocab*", "merges.txt", "*.model")


def export_model(bundle, folder, *, license=None, datasets=(), name=None, validation=True):
    """Write a bundle as a model repository: config, weights, tokenizer, card.

    Parameters
    ----------
    bundle : path
        Of a model or a backbone.
    folder : path
        Must not exist, or be empty.
    license : str, optional
        The hub's short name of the licence; that of the published model which the bundle stands on when left out, else
        unknown.
    datasets : sequence of str
        Names on the hub of the data, where they are there.
    name : str, optional
        What the repository will be called (owner/name), for the examples in the card.
    validation : bool
        Also give away ids, labels and predictions of the validation part, by which predictions get intervals and
        calibrated probabilities.

    Returns
    -------
    list of str
        Names of the files.

    Raises
    ------
    InputError
        The bundle cannot be loaded, the folder holds files already, or a name is none of a hub's.
    """
    bundle, folder = Path(bundle), Path(folder)
    for given in [*([name] if name else []), *datasets]:
        if not is_hub_name(given):
            raise InputError(given, "is no name on a hub", "write it as owner/name")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(folder, "is there already and holds something", "name another folder")
    config = _config(bundle)
    own_code = origin_of(config).get("code", {}).get("files", [])
    if not own_code:
        load_any(bundle)  # what others cannot load is not written
    text = hub_card(bundle, config, evidence_of(bundle), license=license, datasets=datasets, name=name or folder.name)
    patterns = [*FILES, *own_code, *([VALIDATION] if validation else [])]
    with atomic_folder(folder) as temporary:
        for path in sorted({path for pattern in patterns for path in bundle.glob(pattern)}):
            shutil.copyfile(path, temporary / path.name)
        (temporary / "config.json").write_text(json.dumps(_without_paths(config), indent=2) + "\n")
        (temporary / "README.md").write_text(text)
        return sorted(path.name for path in temporary.iterdir())


def _config(bundle):
    path = bundle / "config.json"
    if not path.is_file():
        raise InputError(bundle, "no model bundle there (no config.json)", "give the folder that a model was saved to")
    try:
        config = json.loads(path.read_text())
    except ValueError as error:
        raise InputError(path, f"not readable as JSON ({error})", "copy the bundle again") from None
    if not isinstance(config, dict):
        raise InputError(path, "holds no settings", "copy the bundle again")
    return config


def _without_paths(value):
    """A config in which what came from a folder of this machine has that folder's own name alone."""
    if isinstance(value, dict):
        return {
            key: Path(part).name if key in ("source", "_name_or_path") and isinstance(part, str) and _is_path(part)
            else _without_paths(part)
            for key, part in value.items()
        }  # fmt: skip
    return [_without_paths(part) for part in value] if isinstance(value, list) else value


def _is_path(text):
    return not is_hub_name(text) or Path(text).exists()
