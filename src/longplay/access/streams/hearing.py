"""How much of a track somebody heard, as far as the bytes tell that they were sent."""

from __future__ import annotations

from dataclasses import dataclass

from longplay.access.log import AccessLog, Play


@dataclass(frozen=True, slots=True)
class Heard:
    """Where it is told how much of a track was sent. `account` None is nobody known; `rate` are the
    bytes that make a second of sound, 0 where that is not known; `seconds` is how long all of it
    plays, 0 likewise."""

    log: AccessLog
    account: int | None
    address: str
    track: str
    rate: float
    seconds: float
    is_download: bool

    def sent(self, count: int) -> None:
        """So many bytes went out in one answer."""
        if not count:
            return
        listened = count / self.rate if self.rate and not self.is_download else 0.0
        play = Play(self.account, self.address, self.track, self.seconds)
        self.log.heard(play, count, listened, download=self.is_download)
