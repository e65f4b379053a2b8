"""How large what a study fetches is, where its server says so: asked for in a moment, without fetching anything."""

SECONDS = 5  # that a server may take to answer


def file_size(address):
    """Bytes of a file at an http address, or None where the server does not say or cannot be reached."""
    import requests

    if not str(address).startswith(("http://", "https://")):
        return None
    try:
        answer = requests.head(address, allow_redirects=True, timeout=SECONDS, headers={"Accept-Encoding": "identity"})
    except requests.RequestException:
        return None
    length = answer.headers.get("Content-Length", "")
    return int(length) if answer.ok and length.isdecimal() else None


def model_size(name, revision=None):
    """Bytes of the files of a published model that would be fetched, or None where the hub cannot be asked."""
    import os

    import huggingface_hub
    from huggingface_hub.utils import filter_repo_objects

    from seqlm.models.language.fetching import wanted

    if os.path.isdir(name):
        return None
    try:
        listed = list(huggingface_hub.HfApi().list_repo_tree(name, revision=revision, recursive=False))
    except Exception:  # the hub has many ways not to answer
        return None
    files = [file for file in listed if hasattr(file, "size")]
    return sum(file.size for file in filter_repo_objects(files, key=lambda file: file.path, **wanted())) or None
