"""The Hugging Face hub's file protocol on 127.0.0.1, for models that lie in folders.

What the hub does and a client must be ready for: a branch is looked up to a commit, files are listed, each is asked for
by HEAD, large ones are elsewhere (a redirect to a store without the header of the commit), errors say their kind in a
header. And what goes wrong: access is restricted, a repository is private or not there, a download breaks off.
"""

import hashlib
import json
import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

LARGE = (".safetensors", ".bin")


class LocalHub:
    """Repositories by name, ``add``\\ ed from folders; served while `serving` is open.

    Attributes
    ----------
    breaks : dict
        Name of a file -> how many more times a download of it breaks off half way.
    requests : list of (method, path, status)
    """

    def __init__(self):
        self.folders, self.gated, self.breaks, self.requests, self.ranges = {}, set(), {}, [], []
        self.url = self.store = None

    def add(self, name, folder, gated=False):
        """Publish a folder; its commit."""
        self.folders[name] = Path(folder)
        if gated:
            self.gated.add(name)
        return self.commit(name)

    def commit(self, name):
        text = "".join(f"{path.name}{path.stat().st_size}" for path in self.files(name))
        return hashlib.sha1(f"{name} {text}".encode()).hexdigest()

    def files(self, name):
        return sorted(path for path in self.folders[name].rglob("*") if path.is_file())

    @contextmanager
    def serving(self):
        handler = type("Handler", (_Handler,), {"hub": self})
        servers = [ThreadingHTTPServer(("127.0.0.1", 0), handler) for _ in range(2)]
        threads = [threading.Thread(target=server.serve_forever, daemon=True) for server in servers]
        for thread in threads:
            thread.start()
        self.url, self.store = (f"http://127.0.0.1:{server.server_port}" for server in servers)
        try:
            yield self
        finally:
            for server, thread in zip(servers, threads, strict=True):
                server.shutdown()
                server.server_close()
                thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub = None

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self._answer()

    def do_GET(self):
        self._answer()

    def _answer(self):
        path = unquote(urlsplit(self.path).path)
        if match := re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/(revision|tree)/([^/]+))?", path):
            return self._api(match[1], match[2], match[3] or "main")
        if match := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            return self._resolve(*match.groups())
        if match := re.fullmatch(r"/store/([^/]+/[^/]+)/(.+)", path):
            return self._content(self.hub.folders[match[1]] / match[2], {})
        return self._send(404)

    def _allowed(self, name, revision):
        """The commit, or None when an error has been sent."""
        if name not in self.hub.folders:
            return self._send(404, {"X-Error-Code": "RepoNotFound", "X-Error-Message": "Repository not found"})
        if name in self.hub.gated:
            status = 403 if "authorization" in self.headers else 401
            return self._send(status, {"X-Error-Code": "GatedRepo", "X-Error-Message": "Access is restricted"})
        commit = self.hub.commit(name)
        if revision not in ("main", commit):
            return self._send(404, {"X-Error-Code": "RevisionNotFound", "X-Error-Message": "Invalid rev id"})
        return commit

    def _api(self, name, what, revision):
        # Anyone may look a gated model up, and see the names of its files.
        commit = self.hub.commit(name) if name in self.hub.gated else self._allowed(name, revision)
        if commit is None:
            return None
        if what == "tree":
            root = self.hub.folders[name]
            return self._json([self._entry(path, root) for path in self.hub.files(name)])
        return self._json({"_id": "0", "id": name, "modelId": name, "sha": commit, "siblings": [], "tags": []})

    @staticmethod
    def _entry(path, root):
        size, name = path.stat().st_size, str(path.relative_to(root))
        entry = {"type": "file", "oid": hashlib.sha1(name.encode()).hexdigest(), "size": size, "path": name}
        if path.name.endswith(LARGE):
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            entry["lfs"] = {"oid": digest, "size": size, "pointerSize": 134}
        return entry

    def _resolve(self, name, revision, file):
        commit = self._allowed(name, revision)
        if commit is None:
            return None
        path = self.hub.folders[name] / file
        if not path.is_file():
            return self._send(404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": commit})
        etag = f'"{hashlib.sha256(path.read_bytes()).hexdigest()}"'
        headers = {"X-Repo-Commit": commit, "ETag": etag}
        if not path.name.endswith(LARGE):
            return self._content(path, headers)
        headers |= {"X-Linked-ETag": etag, "X-Linked-Size": str(path.stat().st_size)}
        return self._send(302, headers | {"Location": f"{self.hub.store}/store/{name}/{file}"})

    def _content(self, path, headers):
        data, status = path.read_bytes(), 200
        if match := re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", "")):
            self.hub.ranges.append((path.name, int(match[1])))
            headers = headers | {"Content-Range": f"bytes {match[1]}-{len(data) - 1}/{len(data)}"}
            data, status = data[int(match[1]) :], 206
        left = self.hub.breaks.get(path.name, 0) if self.command == "GET" else 0
        if left:
            self.hub.breaks[path.name] = left - 1
            self._send(status, headers | {"Content-Length": str(len(data))}, data[: len(data) // 2])
            self.wfile.flush()
            self.close_connection = True
            return self.connection.shutdown(2)
        return self._send(status, headers | {"Content-Length": str(len(data))}, data)

    def _json(self, content):
        data = json.dumps(content).encode()
        self._send(200, {"Content-Type": "application/json", "Content-Length": str(len(data))}, data)

    def _send(self, status, headers=None, data=b""):
        self.hub.requests.append((self.command, self.path, status))
        headers = {"Content-Length": "0"} | (headers or {})
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data)
