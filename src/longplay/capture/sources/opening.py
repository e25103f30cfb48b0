"""From the settings of a source to the source itself, by its kind."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from longplay.capture.sources import Source
from longplay.errors import UsageError
from longplay.settings import Source as Settings

KINDS = {
    "http": ("longplay.capture.sources.http", "HttpSource"),
    "internetarchive": ("longplay.capture.sources.internetarchive", "InternetArchiveSource"),
    "ddex": ("longplay.capture.sources.ddex", "DdexSource"),
    "oai": ("longplay.capture.sources.oai", "OaiSource"),
    "s3": ("longplay.capture.sources.s3", "S3Source"),
}
"""Where each kind lives: loaded when it is used. `folder` is none of them: workers read it."""

KEEPING = ("internetarchive", "oai")
"""Kinds that keep what they have heard between runs, in the archive."""


def open_source(settings: Settings, folder: Path) -> Source:
    """The source that the settings of the archive in `folder` name. Raises UsageError for a kind
    that is not fetched from."""
    if settings.kind not in KINDS:
        raise UsageError(f"a source of kind {settings.kind} is not fetched from")
    module, name = KINDS[settings.kind]
    make: Callable[..., Source] = getattr(import_module(module), name)
    return make(settings, folder) if settings.kind in KEEPING else make(settings)
