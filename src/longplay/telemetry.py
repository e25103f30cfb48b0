"""Metrics and traces for OpenTelemetry, where the extra `telemetry` is installed and
OTEL_EXPORTER_OTLP_ENDPOINT says where they go. Everywhere else every function here does nothing.

Names and units are listed in docs/operations.md; nothing that is sent names a file or a person.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from longplay import clock

if TYPE_CHECKING:
    from opentelemetry.metrics import Counter, Histogram, Meter
    from opentelemetry.trace import Tracer

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"

TIMEOUT_SECONDS = 5
"""For one export: who collects may be away, and then nobody waits for them."""

Value = str | int | float | bool


class _Signals(Protocol):
    def span(self, name: str, facts: dict[str, Value]) -> Any: ...

    def count(self, name: str, unit: str, amount: float, facts: dict[str, Value]) -> None: ...

    def measure(self, name: str, seconds: float, facts: dict[str, Value]) -> None: ...

    def stop(self) -> None: ...


class _OpenTelemetry:
    """Signals through a tracer and a meter; `shutdowns` are what sends the rest at the end."""

    def __init__(
        self, tracer: Tracer, meter: Meter, shutdowns: tuple[Callable[[], object], ...]
    ) -> None:
        self._tracer, self._meter, self._shutdowns = tracer, meter, shutdowns
        self._counters: dict[str, Counter] = {}
        self._histograms: dict[str, Histogram] = {}

    def span(self, name: str, facts: dict[str, Value]) -> Any:
        # What an exception says may name a file.
        return self._tracer.start_as_current_span(
            name, attributes=facts, record_exception=False, set_status_on_exception=False
        )

    def count(self, name: str, unit: str, amount: float, facts: dict[str, Value]) -> None:
        if name not in self._counters:
            self._counters[name] = self._meter.create_counter(name, unit)
        self._counters[name].add(amount, facts)

    def measure(self, name: str, seconds: float, facts: dict[str, Value]) -> None:
        if name not in self._histograms:
            self._histograms[name] = self._meter.create_histogram(name, "s")
        self._histograms[name].record(seconds, facts)

    def stop(self) -> None:
        for shutdown in self._shutdowns:
            shutdown()


_current: _Signals | None = None


def start(version: str) -> str | None:
    """Begin to send, if that is wanted; returns why it cannot be, if so. Once in a process."""
    global _current  # noqa: PLW0603 - one process, one collector, as in OpenTelemetry itself
    if _current is not None or not _is_wanted():
        return None
    try:
        _current = _over_http(version)
    except ImportError as error:
        return f"{ENDPOINT} is set, and {error.name} is missing: install longplay[telemetry]"
    except ValueError as error:  # the SDK reads more of the environment than we do
        return f"OpenTelemetry refuses its settings: {error}"
    return None


def use(tracer: Tracer, meter: Meter) -> None:
    """Send by these, whose owner shuts them down."""
    global _current  # noqa: PLW0603 - as above
    _current = _OpenTelemetry(tracer, meter, ())


def stop() -> None:
    """Send what is left, and send nothing more."""
    global _current  # noqa: PLW0603 - as above
    if _current is not None:
        _current.stop()
        _current = None


@contextmanager
def span(name: str, **facts: Value) -> Iterator[None]:
    """A stretch of work, inside the one that surrounds it."""
    if _current is None:
        yield
        return
    with _current.span(name, facts):
        yield


def files(outcome: str, count: int) -> None:
    """So many files were `captured`, `quarantined`, `failed`, `skipped` or `postponed`."""
    _count("longplay.files", "{file}", count, outcome=outcome)


def fetched(count: int, *, again: int = 0) -> None:
    """Bytes that came from sources over a network, `again` of them for a second time."""
    _count("longplay.bytes", "By", count - again, direction="fetched")
    _count("longplay.bytes", "By", again, direction="fetched again")


def stored(count: int) -> None:
    """Bytes of new objects."""
    _count("longplay.bytes", "By", count, direction="stored")


def took(step: str, seconds: float) -> None:
    """One execution of a step (`decode`, `ledger`, …) took so long."""
    if _current is not None:
        _current.measure("longplay.step.duration", seconds, {"step": step})


@contextmanager
def step(name: str) -> Iterator[None]:
    """One execution of a step (`fetch`, `store`, …), however it ends."""
    started = clock.monotonic()
    try:
        yield
    finally:
        took(name, clock.monotonic() - started)


def _count(name: str, unit: str, amount: int, **facts: Value) -> None:
    if _current is not None and amount > 0:
        _current.count(name, unit, amount, facts)


def _is_wanted() -> bool:
    names = (ENDPOINT, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT")
    off = os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
    return not off and any(os.environ.get(name) for name in names)


def _over_http(version: str) -> _OpenTelemetry:
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    # A collector that is away is no news for who keeps music: the SDK would tell of it, at length.
    for name in ("opentelemetry", "urllib3"):
        logging.getLogger(name).addHandler(logging.NullHandler())
        logging.getLogger(name).propagate = False
    named = os.environ.get("OTEL_SERVICE_NAME", "longplay")
    resource = Resource.create({"service.name": named, "service.version": version})
    traces = TracerProvider(resource=resource, shutdown_on_exit=False)
    traces.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(timeout=TIMEOUT_SECONDS)))
    reader = PeriodicExportingMetricReader(
        OTLPMetricExporter(timeout=TIMEOUT_SECONDS), export_timeout_millis=TIMEOUT_SECONDS * 1000
    )
    metrics = MeterProvider([reader], resource, shutdown_on_exit=False)
    tracer, meter = traces.get_tracer("longplay", version), metrics.get_meter("longplay", version)
    return _OpenTelemetry(tracer, meter, (traces.shutdown, metrics.shutdown))
