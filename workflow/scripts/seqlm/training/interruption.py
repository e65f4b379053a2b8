"""What a training does when it is asked to end: SIGTERM, a cluster's warning that time is up or of a cancelled job."""

import signal
import threading
from contextlib import contextmanager


class Interruption:
    """Whether this process was asked to end.

    Attributes
    ----------
    asked : bool
    """

    def __init__(self):
        self.asked = False

    def _ask(self, *_):
        self.asked = True

    @contextmanager
    def noticed(self):
        """Note SIGTERM instead of dying of it, within the block and in the main thread only."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.signal(signal.SIGTERM, self._ask)
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, before)
