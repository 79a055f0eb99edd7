"""Logging what strangers can cause: a few lines a minute, and how many were left out."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

LINES_PER_WINDOW = 20
WINDOW_S = 60.0


class Quiet:
    """Logs to `logger` at most `LINES_PER_WINDOW` lines in each `WINDOW_S`; the next window says how many
    more there were."""

    def __init__(self, logger: logging.Logger, clock: Callable[[], float] = time.monotonic) -> None:
        self._logger = logger
        self._clock = clock
        self._since = clock()
        self._lines = 0

    def info(self, text: str, *arguments: object) -> None:
        self._log(logging.INFO, text, arguments)

    def warning(self, text: str, *arguments: object) -> None:
        self._log(logging.WARNING, text, arguments)

    def error(self, text: str, *arguments: object) -> None:
        self._log(logging.ERROR, text, arguments)

    def _log(self, level: int, text: str, arguments: tuple[object, ...]) -> None:
        if not self._logger.isEnabledFor(level):
            return
        now = self._clock()
        if now - self._since >= WINDOW_S:
            if self._lines > LINES_PER_WINDOW:
                self._logger.log(
                    level, "%d more lines like these were left out", self._lines - LINES_PER_WINDOW
                )
            self._since, self._lines = now, 0
        self._lines += 1
        if self._lines <= LINES_PER_WINDOW:
            self._logger.log(level, text, *arguments)
