"""Pictures of tracks, albums and artists, in the few sizes that pages and clients ask for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from longplay.access.context import Context


class Hears(Protocol):
    """A listener, as far as the library needs to know one."""

    @property
    def signed_in(self) -> bool:
        """Whether restricted music may be heard."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture's bytes. `tag` names them for ever, for ETags."""

    data: bytes
    media_type: str
    tag: str


def picture(here: Context, listener: Hears, identity: str, size: int | None) -> Picture | None:
    """The picture of a cover, track, album or artist by id, at most `size` pixels wide and high;
    None where there is none that this listener may see."""
    return None
