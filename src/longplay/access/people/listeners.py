"""Who listens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Role = Literal["admin", "member", "guest"]


@dataclass(frozen=True, slots=True)
class Listener:
    """Somebody who asks for something: an account, or nobody known (`account` is None)."""

    account: int | None
    name: str
    role: Role | None
    language: str | None = None

    @property
    def signed_in(self) -> bool:
        """Whether restricted music may be heard: guests hear what anybody hears."""
        return self.role in ("admin", "member")

    @property
    def is_admin(self) -> bool:
        """Whether accounts, claims and the archive are theirs to look after."""
        return self.role == "admin"


ANONYMOUS = Listener(None, "", None)
