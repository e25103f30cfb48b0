"""A collector of metrics and traces, in memory."""

from __future__ import annotations

from typing import Any

import pytest


class Seen:
    """An in-memory collector."""

    def __init__(self) -> None:
        metrics = pytest.importorskip("opentelemetry.sdk.metrics")
        export = pytest.importorskip("opentelemetry.sdk.metrics.export")
        trace = pytest.importorskip("opentelemetry.sdk.trace")
        spans = pytest.importorskip("opentelemetry.sdk.trace.export")
        memory = pytest.importorskip("opentelemetry.sdk.trace.export.in_memory_span_exporter")
        self.reader = export.InMemoryMetricReader()
        self.spans = memory.InMemorySpanExporter()
        self.metrics = metrics.MeterProvider([self.reader], shutdown_on_exit=False)
        self.traces = trace.TracerProvider(shutdown_on_exit=False)
        self.traces.add_span_processor(spans.SimpleSpanProcessor(self.spans))

    def points(self, name: str) -> dict[str, Any]:
        """A metric's points by the one attribute that it has."""
        data = self.reader.get_metrics_data()
        return {
            next(iter(point.attributes.values())): getattr(point, "value", None) or point.count
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == name
            for point in metric.data.data_points
        }
