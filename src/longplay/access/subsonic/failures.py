"""What goes wrong in a call, by the specification's own numbers.

https://opensubsonic.netlify.app/docs/responses/error/
"""

from __future__ import annotations

from enum import IntEnum

from longplay.access.guarding import Refused


class Code(IntEnum):
    """The specification's error codes. 60 (a trial that is over) is nobody's here."""

    GENERIC = 0
    MISSING_PARAMETER = 10
    CLIENT_TOO_OLD = 20
    SERVER_TOO_OLD = 30
    WRONG_PASSWORD = 40
    NO_TOKENS = 41
    UNKNOWN_MECHANISM = 42
    CONFLICTING_MECHANISMS = 43
    INVALID_KEY = 44
    NOT_AUTHORIZED = 50
    NOT_FOUND = 70


NEEDS_HELP = (Code.NO_TOKENS, Code.UNKNOWN_MECHANISM, Code.INVALID_KEY)
"""Codes whose answers say where keys and app passwords are made."""


class CallError(Exception):
    """A call that fails: the code, words for a person, and seconds to wait where that helps."""

    def __init__(self, code: Code, message: str, *, seconds: float | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.seconds = seconds


def missing(name: str) -> CallError:
    """A parameter that must be there is not."""
    return CallError(Code.MISSING_PARAMETER, f"the parameter {name} is missing")


def malformed(name: str, what: str) -> CallError:
    """A parameter that cannot be understood counts as missing: no other code would fit."""
    return CallError(Code.MISSING_PARAMETER, f"the parameter {name} {what}")


def not_found(what: str) -> CallError:
    """Nothing by that id, or nothing that this listener may hear: the same answer for both."""
    return CallError(Code.NOT_FOUND, f"{what} was not found")


def by_guard(refused: Refused) -> CallError:
    """The guard's refusal."""
    return CallError(Code.NOT_AUTHORIZED, refused.words, seconds=refused.seconds)


def not_authorized(what: str) -> CallError:
    """The listener may not do this."""
    return CallError(Code.NOT_AUTHORIZED, f"you may not {what}")
