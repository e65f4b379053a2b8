"""Downloads that survive broken connections and killed jobs."""

import errno
import ftplib
import json
import re
import shutil
import sys
import time
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import unquote, urlsplit

from tqdm import tqdm

from seqlm.common.errors import InputError

_CHUNK = 1 << 20
_LONGEST_PAUSE = 60.0  # seconds
_RETRIED = (408, 425, 429, 500, 502, 503, 504)


class _Interrupted(Exception):
    """A transfer that may succeed when tried again: what happened and, if the server said so, the seconds to wait."""

    def __init__(self, problem, pause=None):
        super().__init__(problem)
        self.pause = pause


def download(url, part, retries=5, timeout=30, backoff=1.0):
    """Transfer a file to `part`, continuing what an earlier call left there.

    Parameters
    ----------
    url : str
        ``http(s)://`` or ``ftp://``.
    part : path
        Complete when this returns; the caller moves it on and calls `forget`.
    retries : int
        How often in a row the transfer may fail without getting any further.
    timeout : float
        Seconds without a byte after which it has failed.
    backoff : float
        Seconds before the first retry, doubled with each further one (a minute at most) unless the server says when.

    Raises
    ------
    InputError
        If the file cannot be had or the disk is too small for it.
    """
    transfer = {"http": _http, "https": _http, "ftp": _ftp}.get(urlsplit(url).scheme)
    if transfer is None:
        raise InputError(url, "this kind of address is not supported", "use http, https or ftp, or give a local file")
    target = _Part(url, part, timeout)
    failures, furthest = 0, target.size
    while True:
        try:
            return transfer(target)
        except _Interrupted as error:
            problem, pause = str(error), error.pause
        # A connection that breaks every gigabyte still arrives: only failures without progress count.
        failures = 1 if target.size > furthest else failures + 1
        furthest = max(furthest, target.size)
        if failures > retries:
            raise InputError(
                url,
                f"{problem} ({failures} attempts)",
                "check the address and the network, then run again (what has come is kept), or give a local file",
            )
        pause = min(backoff * 2 ** (failures - 1) if pause is None else pause, _LONGEST_PAUSE)
        print(f"seqlm: {url}: {problem}; trying again in {pause:.0f} s", file=sys.stderr)
        time.sleep(pause)


def progress(total, verb, name, initial=0):
    """A bar of bytes with rate and time left on stderr, for what takes long enough to be worth one."""
    # In a log file a line every half minute is enough; on a terminal the bar moves.
    interval = 0.5 if sys.stderr.isatty() else 30.0
    return tqdm(
        total=total,
        initial=initial,
        desc=f"{verb} {Path(str(name)).name}",
        unit="B",
        unit_scale=True,
        mininterval=interval,
        delay=interval,
    )


def _state_path(part):
    return part.with_name(part.name + ".json")


def forget(part):
    """Remove a transfer's file and its state."""
    part.unlink(missing_ok=True)
    _state_path(part).unlink(missing_ok=True)


class _Part:
    """What has come of a file so far.

    Beside it lies a small JSON file with the address and what the server said the file is (``validator``: ETag or
    date of change; ``total``: its size), so that a later attempt never joins pieces of two different files.
    """

    def __init__(self, url, path, timeout):
        self.url, self.path, self.timeout = url, Path(path), timeout
        self.state = self._read_state()

    def _read_state(self):
        try:
            state = json.loads(_state_path(self.path).read_text())
        except (OSError, ValueError):
            state = {}
        if state.get("url") != self.url or not self.path.exists():
            forget(self.path)
            state = {"url": self.url, "validator": None, "total": None}
        return state

    @property
    def size(self):
        return self.path.stat().st_size if self.path.exists() else 0

    def receive(self, chunks, start, total, validator):
        """Write what arrives behind the first `start` bytes; the whole must be `total` bytes long, if that is known."""
        if total is not None:
            free = shutil.disk_usage(self.path.parent).free
            if total - start > free:
                raise InputError(
                    self.url,
                    f"{total - start:,} bytes are to come, {free:,} are free in {self.path.parent}",
                    "free some space or move the results to a larger disk",
                )
        self.state = {"url": self.url, "validator": validator, "total": total}
        with open(self.path, "r+b" if start else "wb") as handle:
            handle.truncate(start)
            handle.seek(start)
            _state_path(self.path).write_text(json.dumps(self.state))
            with progress(total, "downloading", urlsplit(self.url).path, start) as bar:
                for chunk in chunks:
                    handle.write(chunk)
                    bar.update(len(chunk))
        if total is not None and self.size != total:
            raise _Interrupted(f"the connection ended after {self.size:,} of {total:,} bytes")


def _http(part):
    """One attempt over HTTP: from where the last one ended, if the server can and the file is still the same."""
    import requests
    import urllib3

    # identity: a server must not compress on the fly, or sizes and ranges would not be the file's own.
    headers = {"Accept-Encoding": "identity"}
    start, state = part.size, part.state
    if start and state["total"] == start:
        return
    if start:
        headers["Range"] = f"bytes={start}-"
        if state["validator"]:
            headers["If-Range"] = state["validator"]
    try:
        with requests.get(part.url, headers=headers, stream=True, timeout=part.timeout) as answer:
            if answer.status_code == 416:  # nothing there behind what we have: what we have is of another file
                forget(part.path)
                raise _Interrupted("the file has changed", 0)
            if answer.status_code in _RETRIED:
                raise _Interrupted(f"the server answers {answer.status_code} {answer.reason}", _retry_after(answer))
            if not answer.ok:
                raise InputError(
                    part.url, f"the server answers {answer.status_code} {answer.reason}", "check the address"
                )
            # A weak ETag does not promise identical bytes, so it cannot vouch for a continuation.
            etag = answer.headers.get("ETag", "")
            validator = answer.headers.get("Last-Modified") if etag.startswith("W/") or not etag else etag
            if answer.status_code == 206:
                at, total = _content_range(answer)
                same = validator == state["validator"] and total == state["total"]
                if at != start or not same:
                    forget(part.path)
                    raise _Interrupted("the file has changed", 0)
            else:
                start, length = 0, answer.headers.get("Content-Length", "")
                total = int(length) if length.isdigit() else None
            # read1 hands over what has come; iter_content would lose an unfinished chunk when the connection breaks.
            part.receive(iter(lambda: answer.raw.read1(_CHUNK), b""), start, total, validator)
    except requests.exceptions.InvalidURL as error:
        raise InputError(part.url, f"is no valid address ({error})", "correct it") from None
    except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError) as error:
        raise _Interrupted(_reason(error)) from None


def _content_range(answer):
    match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", answer.headers.get("Content-Range", ""))
    if not match:
        return None, None
    return int(match[1]), None if match[2] == "*" else int(match[2])


def _retry_after(answer):
    """Seconds the server asks to wait, given as a number or as a date."""
    value = answer.headers.get("Retry-After")
    if value is None:
        return None
    if value.isdigit():
        return float(value)
    try:
        return max(parsedate_to_datetime(value).timestamp() - time.time(), 0.0)
    except ValueError:
        return None


def _reason(error):
    """What went wrong with a connection, in words: requests' own messages are chains of object names."""
    import requests
    import urllib3

    if isinstance(error, (requests.exceptions.Timeout, urllib3.exceptions.TimeoutError)):
        return "the server does not answer"
    if isinstance(error, urllib3.exceptions.ProtocolError):
        return "the connection broke"
    if isinstance(error, requests.exceptions.SSLError):
        return "the secure connection was refused"
    if isinstance(error, requests.exceptions.ConnectionError):
        return "cannot be reached"
    return type(error).__name__


def _ftp(part):
    """One attempt over FTP, continued with REST."""
    address = urlsplit(part.url)
    try:
        with ftplib.FTP(timeout=part.timeout) as server:
            server.connect(address.hostname, address.port or ftplib.FTP_PORT)
            server.login(unquote(address.username or ""), unquote(address.password or ""))
            server.voidcmd("TYPE I")
            path = unquote(address.path)
            try:
                total = server.size(path)
            except ftplib.error_perm as error:
                raise InputError(part.url, f"the server answers {error}", "check the address") from None
            try:
                changed = server.voidcmd(f"MDTM {path}")
            except ftplib.error_perm:  # an extension (RFC 3659) that some servers lack
                changed = None
            start, state = part.size, part.state
            if state["validator"] != changed or state["total"] != total:
                start = 0
            if start and start == total:
                return
            with server.transfercmd(f"RETR {path}", rest=start or None) as connection:
                part.receive(iter(lambda: connection.recv(_CHUNK), b""), start, total, changed)
    except ftplib.all_errors as error:
        if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
            raise  # the disk, not the server
        raise _Interrupted(f"cannot be reached ({error})") from None
