"""Work that goes on beside the answers, and that a process does not end in the middle of."""

from __future__ import annotations

import threading
from collections.abc import Callable

STOP_SECONDS = 15.0
"""How long the end of a process waits for such work. Threads that are in a library's code when the
interpreter goes make it abort."""


class Beside:
    """Does one piece of work at a time."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def begin(self, work: Callable[[], None]) -> threading.Thread:
        """The thread that is at work: it begins `work`, unless there is one already."""
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=work, name=self._name, daemon=True)
                self._thread.start()
            return self._thread

    @property
    def is_busy(self) -> bool:
        """Whether something is being done."""
        thread = self._thread
        return thread is not None and thread.is_alive()

    def close(self) -> None:
        """Wait for what is being done, but not for ever."""
        thread = self._thread
        if thread is not None:
            thread.join(STOP_SECONDS)
