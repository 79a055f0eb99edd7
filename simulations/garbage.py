"""Collecting garbage less often: a thousand machines are millions of objects that live as long as the run,
and going through all of them after every few hundred new ones takes as long as the machines themselves."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

_THRESHOLDS = (50_000, 20, 20)
"""Objects made before the young are looked at, and how often that is before the older ones are."""


@contextmanager
def rarely_collected() -> Iterator[None]:
    """While it lasts, cycles are collected after 50,000 new objects instead of 700."""
    before = gc.get_threshold()
    gc.set_threshold(*_THRESHOLDS)
    try:
        yield
    finally:
        gc.set_threshold(*before)
