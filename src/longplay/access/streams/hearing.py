"""How much of a track somebody heard, and which part of it, as far as the bytes tell that they were
sent."""

from __future__ import annotations

from dataclasses import dataclass

from longplay.access.log import AccessLog, Part, Play

LEAST_OF_RATE = 0.9
"""What a smaller copy mostly has at least of the bytes by its rate. Of one that is left before it
is made, it is not known; of soft music at a variable rate the part that was sent is told too small
then."""


@dataclass(frozen=True, slots=True)
class Heard:
    """Where it is told how much of a track was sent. `account` None is nobody known; `rate` are the
    bytes that make a second of sound, 0 where that is not known; `seconds` is how long all of it
    plays, 0 likewise; what is sent begins at `begins` of those seconds."""

    log: AccessLog
    account: int | None
    address: str
    track: str
    rate: float
    seconds: float
    is_download: bool
    begins: float = 0.0

    def sent(self, first: int, count: int, of: int) -> None:
        """So many bytes went out in one answer, from the one numbered `first` on, of so many (0:
        that is not known)."""
        if not count:
            return
        listened = count / self.rate if self.rate and not self.is_download else 0.0
        play = Play(self.account, self.address, self.track, self.seconds)
        part = self._part(first, count, of)
        self.log.heard(play, count, listened, part, download=self.is_download)

    def _part(self, first: int, count: int, of: int) -> Part | None:
        """From where to where in the track that was, in shares of it; None if that is not known."""
        before = min(self.begins / self.seconds, 1.0) if self.seconds else 0.0
        of = of or int(self.rate * self.seconds * (1 - before) * LEAST_OF_RATE)
        if not of or (self.begins and not self.seconds):
            return None
        low, high = first / of, min((first + count) / of, 1.0)
        return before + (1 - before) * min(low, high), before + (1 - before) * high
