"""Looks that requests share, and the one that they must not share."""

from __future__ import annotations

import asyncio
from itertools import count

from longplay.access.glances import Glance


def numbered() -> Glance[int]:
    """Looks that find the numbers from 0 on, one after the other."""
    looks = count()
    return Glance(lambda: next(looks))


def test_requests_that_wait_already_share_a_look() -> None:
    glance = numbered()
    found: list[int] = []

    async def ask() -> None:
        found.append(glance())

    async def come_together() -> None:
        await asyncio.gather(*(ask() for _ in range(5)))

    asyncio.run(come_together())
    assert found == [0] * 5


def test_who_comes_after_a_change_sees_it() -> None:
    state = ["before"]
    glance = Glance(lambda: state[0])
    found: list[str] = []

    def ask() -> None:
        found.append(glance())

    async def change() -> None:
        loop = asyncio.get_running_loop()
        loop.call_soon(ask)
        await asyncio.sleep(0)  # while the look still holds
        state[0] = "after"
        loop.call_soon(ask)
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    asyncio.run(change())
    assert found == ["before", "after"]


def test_every_turn_of_the_loop_looks_anew() -> None:
    glance = numbered()

    async def ask() -> list[int]:
        found = []
        for _ in range(3):
            found.append(glance())
            await asyncio.sleep(0)
        return found

    assert asyncio.run(ask()) == [0, 1, 2]


def test_threads_look_each_time_and_loops_keep_nothing_for_one_another() -> None:
    glance = numbered()

    async def ask() -> int:
        return glance()

    assert [glance(), glance()] == [0, 1]
    assert [asyncio.run(ask()), asyncio.run(ask()), glance()] == [2, 3, 4]


def test_a_look_that_fails_is_taken_again() -> None:
    answers = iter([OSError("gone"), 7])

    def look() -> int:
        found = next(answers)
        if isinstance(found, OSError):
            raise found
        return found

    glance = Glance(look)

    async def ask() -> list[object]:
        found: list[object] = []
        for _ in range(2):
            try:
                found.append(glance())
            except OSError as error:
                found.append(str(error))
        return found

    assert asyncio.run(ask()) == ["gone", 7]
