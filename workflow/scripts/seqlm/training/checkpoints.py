"""Checkpoints that survive a kill at any moment and are never used for another training.

A checkpoint is written beside its place, listed with the digest of every file, and renamed. What is half-written, cut
short or damaged, or belongs to other data, parameters or code is not continued from: the one before it is.
"""

import hashlib
import json
import os
import shutil
import sys
from contextlib import contextmanager, suppress
from pathlib import Path

from safetensors import SafetensorError

from seqlm.common.files import atomic_path


class Checkpoints:
    """A folder of complete checkpoints that belong to one fingerprint.

    Parameters
    ----------
    folder : path
    fingerprint : str or dict
        Checkpoints made under another fingerprint are deleted, with a message.
    keep : int
        Newest checkpoints to keep.
    """

    def __init__(self, folder, fingerprint=None, keep=2):
        self.folder, self.keep = Path(folder), keep
        self.folder.mkdir(parents=True, exist_ok=True)
        wanted = json.loads(json.dumps(fingerprint))
        identity = self.folder / "fingerprint.json"
        try:
            found = json.loads(identity.read_text())
        except (OSError, ValueError):
            found = None
        if found != {"fingerprint": wanted} and any(self.folder.iterdir()):
            say(f"{self.folder}: checkpoints of other data, parameters or code are discarded")
            shutil.rmtree(self.folder)
            self.folder.mkdir()
        with atomic_path(identity) as path:
            path.write_text(json.dumps({"fingerprint": wanted}))

    def note(self, spent):
        """Keep what has been spent until now, beside the checkpoints; a full disk is no matter here."""
        with suppress(OSError), atomic_path(self.folder / "spent.json") as path:
            path.write_text(json.dumps(spent))

    def noted(self):
        """What `note` kept last; empty without."""
        try:
            return json.loads((self.folder / "spent.json").read_text())
        except (OSError, ValueError):
            return {}

    def latest(self):
        """Path of the newest complete checkpoint, or None. Half-written ones are removed with a message."""
        for half in self.folder.glob(".tmp-*"):
            if half.is_dir():
                say(f"{half}: half-written checkpoint skipped")
                shutil.rmtree(half, ignore_errors=True)
            else:
                half.unlink()
        for folder in reversed(self._all()):
            try:
                digests = json.loads((folder / "complete.json").read_text())
                if all(_digest(folder / name) == digest for name, digest in digests.items()):
                    say(f"continuing from {folder}")
                    return folder
            except (OSError, ValueError):
                pass
            say(f"{folder}: incomplete or damaged checkpoint skipped")
            shutil.rmtree(folder)
        return None

    def _all(self):
        return sorted(self.folder.glob("step-*"))

    @contextmanager
    def writing(self, step):
        """Yield a folder to write in, and put it in place.

        A checkpoint that cannot be written (a full disk) is told in a line and does not end the training: the one
        before it stays.
        """
        place = self.folder / f"step-{step:09d}"
        half = place.with_name(f".tmp-{place.name}")
        try:
            half.mkdir(parents=True, exist_ok=True)
            yield half
            digests = {file.name: _digest(file) for file in half.iterdir()}
            (half / "complete.json").write_text(json.dumps(digests))
            if place.exists():
                shutil.rmtree(place)
            os.replace(half, place)
            for old in self._all()[: -self.keep]:
                shutil.rmtree(old, ignore_errors=True)
        # What torch and safetensors raise when a write fails is no OSError.
        except (OSError, RuntimeError, SafetensorError) as error:
            shutil.rmtree(half, ignore_errors=True)
            say(f"{place}: checkpoint not written ({' '.join(str(error).split())}); free disk space. Training goes on")


def _digest(path):
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def beside(folder):
    """Where the checkpoints of a training that makes `folder` live: a hidden sibling, so no declared output."""
    folder = Path(folder)
    return folder.with_name(f".{folder.name}.checkpoints")


def discard(folder):
    """Remove checkpoints that are no longer needed."""
    shutil.rmtree(folder, ignore_errors=True)


def say(message):
    """One line on stderr."""
    print(f"seqlm: {message}", file=sys.stderr, flush=True)
