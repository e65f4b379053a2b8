"""Whether settings of leave-one-out scores make sense for a dataset and its models, told before anything is run."""

from seqlm.common.classes import class_number
from seqlm.common.errors import InputError

# Of scores that something else of a run needs; as in the schema.
DEFAULT_LOO = {"edit": "mask", "examples": 50, "class_index": "predicted", "shards": 1}
REPLACING = ("replace", "replacespecifier")


def check_loo(loo, dataset, models, where):
    """Refuse settings that no model could follow.

    Parameters
    ----------
    loo : dict
        edit, replacements, class_index of a config, defaults filled in.
    dataset : dict
        Its entry under `datasets:`.
    models : dict of str to dict
        Entries under `models:` of the models that are scored.
    where : str
        Names the section in errors.

    Raises
    ------
    InputError
        Replacements for an edit that puts nothing; several bases in the place of one; a class of a target without
        classes, or one that is not there; specifiers dropped where none are read.
    """
    edit, replacements = loo["edit"], loo.get("replacements")
    if replacements is not None and edit not in REPLACING:
        raise InputError(where, f"replacements mean nothing for edit: {edit}", "use edit: replace, or drop them")
    table = dataset.get("table", {})
    if not (table.get("tokens") or dataset.get("transcripts")):
        longer = [name for names in (replacements or {}).values() for name in names if len(name) != 1]
        if longer:
            raise InputError(where, f"{longer[0]!r} is not one base", "replace a base by a base")
    if edit == "replacespecifier":
        if not table.get("specifiers"):
            mend = "name their separator in the dataset's table, specifiers: '#', or use edit: replace"
            raise InputError(where, "replacespecifier, but the dataset's tokens carry no specifiers", mend)
        unable = [name for name, model in models.items() if model.get("network") != "saluki"]
        if unable:
            mend = "list those that do (network: saluki) under loo: {models: [..]}"
            raise InputError(where, f"replacespecifier, but {unable[0]} reads no specifiers", mend)
    _check_class(loo["class_index"], dataset, where)


def check_interactions(dataset, where):
    """Refuse interactions of tokens: they are of bases, masked or replaced by another."""
    if dataset.get("transcripts") or dataset.get("table", {}).get("tokens"):
        raise InputError(where, "the dataset's sequences are tokens, interactions are of bases", "leave them out")


def _check_class(wanted, dataset, where):
    if wanted == "predicted":
        return
    if dataset["target"] != "class":
        problem = f"class_index is {wanted}, but the target is {dataset['target']}"
        raise InputError(where, problem, "leave it out, or use a dataset with target: class")
    # Of other datasets only their files know the classes.
    names = [str(name) for name in dataset.get("windows", {}).get("sources", {})]
    if names and wanted != "all":
        class_number(wanted, names, f"{where}, class_index")
