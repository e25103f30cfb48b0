"""Where the real input lies that measurements take unless they are told of another: beside the
repository, as for the tests."""

from __future__ import annotations

import os
from pathlib import Path

DATA = Path(
    os.environ.get("LONGPLAY_TEST_DATA", Path(__file__).parents[2] / "shared" / "data")
).resolve()
AUDIO, CATALOGUES = DATA / "audio", DATA / "catalogues"
