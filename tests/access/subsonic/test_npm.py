"""`subsonic-api` from npm, as it is published, through every call that it has."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from longplay.access.subsonic import absent
from tests.access.subsonic import clients
from tests.access.subsonic.serving import serving

pytestmark = [pytest.mark.real, pytest.mark.long]

MODULE = Path(sys.prefix) / "node" / "node_modules" / "subsonic-api" / "lib" / "index.js"
SCRIPT = Path(__file__).with_name("subsonic_api.mjs")

ABSENT = {*absent.NO_ROLE, *absent.NO_ROOM, *absent.NO_SUCH, "getAvatar"}


def test_every_call_it_has(shelved: Path, tmp_path: Path, program: Callable[[str], str]) -> None:
    node = program("node")
    if not MODULE.exists():
        pytest.skip("the client is not here: `make node-clients`")
    with serving(shelved, tmp_path) as served:
        done = subprocess.run(
            [node, SCRIPT, MODULE, served.address, "client", served.app_password],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        said = [json.loads(line) for line in done.stdout.splitlines()]
        # Users are changed by who sends the password itself; this client sends tokens.
        refused = ABSENT | {"createUser", "updateUser", "deleteUser", "changePassword"}
        for one in said:
            works = one["outcome"] not in ("failed", "application/json")
            assert works == (one["name"] not in refused), one
        clients.check("subsonic-api 3.3 (npm)", served.between.calls)
