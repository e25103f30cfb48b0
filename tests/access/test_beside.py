"""What goes on beside answers: one thing at a time, and waited for at the end."""

from __future__ import annotations

import threading

from longplay.access.beside import Beside


def test_one_thing_is_done_at_a_time_and_waited_for_at_the_end() -> None:
    gate, done = threading.Event(), []
    beside = Beside("test")
    assert not beside.is_busy

    def work() -> None:
        gate.wait()
        done.append("first")

    first = beside.begin(work)
    assert beside.is_busy
    assert beside.begin(lambda: done.append("never")) is first
    gate.set()
    beside.close()
    assert done == ["first"]
    beside.begin(lambda: done.append("next")).join()
    assert done == ["first", "next"]
