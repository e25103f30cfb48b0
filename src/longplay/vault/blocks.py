"""Where the blocks for a repair come from: what every source keeps to, and how it is held to it.

Nothing that a source says is believed. What it gives is proved block by block before it counts, by
whoever asked (`repair`); the wrapper here bounds what a bad one costs, and keeps the account.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from longplay.errors import StoreError
from longplay.model import ObjectKey
from longplay.vault.objects import object_path
from longplay.vault.replicas import ReplicaStore

PATIENCE = 3
"""Failures in a row after which a source is asked no more in this run: one that hangs costs its
time limit so many times."""

MOST_REFUSALS = 100
"""Refusals that are told one by one: a lying source makes one for each block."""


class BlockSource(Protocol):
    """Somebody who may have an object's bytes: a replica, a web seed, the swarm.

    `read` gives the bytes of the object from `start`, at most `length` of them and fewer where the
    source's copy ends before; None when the source does not have the object. They are unproved. It
    raises StoreError when no answer comes, or one that is no answer; it ends in bounded time, and
    takes no more than it was asked for, but for its protocol's overhead. It may be repeated.

    `received` counts the bytes of content that have travelled so far, whether they were of use
    or not.
    """

    @property
    def name(self) -> str:
        """What people call it."""

    @property
    def received(self) -> int:
        """Bytes of content that have travelled."""

    def read(self, key: ObjectKey, start: int, length: int) -> bytes | None:
        """Bytes of an object, unproved; None when it is not there."""


class FromReplica:
    """A replica store as a source of blocks; `suffix` gives the suffix of an object's name."""

    def __init__(self, store: ReplicaStore, suffix: Callable[[ObjectKey], str]) -> None:
        self._store = store
        self._suffix = suffix
        self.name = f"replica {store.name}"
        self.received = 0

    def read(self, key: ObjectKey, start: int, length: int) -> bytes | None:
        """Bytes of an object, unproved; None when it is not there."""
        data = self._store.read(object_path(key, self._suffix(key)), start, length)
        self.received += len(data or b"")
        return data


@dataclass(frozen=True, slots=True)
class Refusal:
    """Something that a source gave and that was not what it should be, or why it was dropped."""

    source: str
    object: str
    why: str


@dataclass(frozen=True, slots=True)
class Account:
    """What a source did: requests, blocks that were proved, blocks that were refused, bytes of
    content that travelled; `given_up` says why it is asked no more, if it is so."""

    name: str
    requests: int
    blocks: int
    refused: int
    bytes: int
    given_up: str


class Watched:
    """A source with an account, that is given up after `PATIENCE` failures in a row."""

    def __init__(self, source: BlockSource) -> None:
        self._source = source
        self._failures = 0
        self.name = source.name
        self.requests = self.proved = self.refused = 0
        self.given_up = ""
        self.refusals: list[Refusal] = []

    @property
    def received(self) -> int:
        """Bytes of content that have travelled."""
        return self._source.received

    def read(self, key: ObjectKey, start: int, length: int) -> bytes | None:
        """Bytes of an object, unproved; None when it is not there, or the source failed."""
        if self.given_up:
            return None
        self.requests += 1
        try:
            data = self._source.read(key, start, length)
        except StoreError as error:
            self._failures += 1
            self._note(key, str(error))
            if self._failures >= PATIENCE:
                self.given_up = str(error)
            return None
        self._failures = 0
        return data

    def prove(self, blocks: int) -> None:
        """Count blocks that were what they should be."""
        self.proved += blocks

    def refuse(self, key: ObjectKey, block: int) -> None:
        """Count a block that was not."""
        self.refused += 1
        self._note(key, f"block {block} is not the object's")

    def account(self) -> Account:
        """What it did so far."""
        return Account(
            self.name, self.requests, self.proved, self.refused, self.received, self.given_up
        )

    def _note(self, key: ObjectKey, why: str) -> None:
        if len(self.refusals) < MOST_REFUSALS:
            self.refusals.append(Refusal(self.name, key.hex, why))
