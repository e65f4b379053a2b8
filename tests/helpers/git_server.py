"""This repository as a hosting service serves it: over HTTP on 127.0.0.1, under the name it would have on GitHub."""

import subprocess
import threading
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def git(folder, *arguments):
    own = ["-c", "user.name=test", "-c", "user.email=test@example.org", "-c", "init.defaultBranch=main"]
    done = subprocess.run(["git", *own, *arguments], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def commit_of(root, folder, tag):
    """A repository with the working tree's files, uncommitted ones too, as one commit with a tag."""
    folder.mkdir(parents=True)
    git(folder, "init", "--quiet")
    files = git(root, "ls-files", "--cached", "--others", "--exclude-standard", "--", ".", ":!resources", ":!tests")
    there = [name for name in files.splitlines() if (root / name).exists()]
    for name in there:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes((root / name).read_bytes())
    git(folder, "add", "--all", "--force")
    git(folder, "commit", "--quiet", "--message", "all")
    git(folder, "tag", tag)
    return folder


@contextmanager
def served(repository, folder, name):
    """Serve a clone; the environment in which git finds it as https://github.com/<name>."""
    git(repository, "clone", "--quiet", "--bare", ".", str(folder / name))
    git(folder / name, "update-server-info")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield {
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": f"url.http://127.0.0.1:{server.server_port}/.insteadOf",
            "GIT_CONFIG_VALUE_0": "https://github.com/",
            "no_proxy": "127.0.0.1",
        }
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
