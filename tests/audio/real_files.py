"""Which of the shared recordings a test takes: every third at once, all of them in a long run."""

from __future__ import annotations

import pytest

NUMBERS = [
    number if number % 3 == 0 else pytest.param(number, marks=pytest.mark.long)
    for number in range(75)
]
