"""Whatever is sent to the API: no answer that its description does not announce, and no 500."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.core.result import Ok

from tests.access.conftest import Served

SHORT, LONG = 2, 60
"""Examples of each operation."""


def check(served: Served, examples: int) -> int:
    """Send examples of every operation, sound and unsound, always the same; how many operations."""
    app: Any = served.web.app
    schema = schemathesis.openapi.from_asgi("/api/openapi.json", app)
    count = 0
    for result in schema.get_all_operations():
        assert isinstance(result, Ok)
        operation = result.ok()

        @settings(
            max_examples=examples,
            derandomize=True,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def send(case: schemathesis.Case) -> None:
            case.call_and_validate()

        send()
        count += 1
    return count


def test_no_example_finds_a_500_or_what_is_not_described(served: Served) -> None:
    assert check(served, SHORT) >= 12


@pytest.mark.long
def test_many_examples_find_none_either(served: Served) -> None:
    assert check(served, LONG) >= 12
