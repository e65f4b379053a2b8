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

    if os.path.isdir(name):
        return None
    try:
        api = huggingface_hub.HfApi()
        files = list(api.list_repo_tree(name, revision=revision, recursive=False))
    except Exception:  # the hub has many ways not to answer
        return None
    kept = (".safetensors", ".json", ".txt", ".model")
    return sum(file.size for file in files if hasattr(file, "size") and file.path.endswith(kept)) or None
