"""Logging what strangers can cause: a few lines a minute for each of them, and how many were left out.

A line may be `about` somebody: an address. Whoever causes many lines gets `LINES_PER_ONE` in a window, so
that one who does it all day leaves room for what others do; the window's end tells who was left out, and how
often.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable

LINES_PER_WINDOW = 20
LINES_PER_ONE = 4
WINDOW_S = 60.0
ABOUT_MAX = 256
"""Whom a window tells apart; all others count as one."""
NAMED_MAX = 3
"""Of those who were left out most."""
OTHERS = "others"


class LogLimiter:
    """Logs to `logger` at most `LINES_PER_WINDOW` lines in each `WINDOW_S`, and `LINES_PER_ONE` about one.

    The next window says how many more there were, and about whom."""

    def __init__(self, logger: logging.Logger, clock: Callable[[], float] = time.monotonic) -> None:
        self._logger = logger
        self._clock = clock
        self._since = clock()
        self._lines = 0
        self._about: Counter[str] = Counter()
        self._left_out: Counter[str] = Counter()

    def info(self, text: str, *arguments: object, about: str = "") -> None:
        self.log(logging.INFO, text, *arguments, about=about)

    def warning(self, text: str, *arguments: object, about: str = "") -> None:
        self.log(logging.WARNING, text, *arguments, about=about)

    def error(self, text: str, *arguments: object, about: str = "") -> None:
        self.log(logging.ERROR, text, *arguments, about=about)

    def log(self, level: int, text: str, *arguments: object, about: str = "") -> None:
        """One line, unless there were too many of its kind lately."""
        if not self._logger.isEnabledFor(level):
            return
        self._turn(level)
        about = about if about in self._about or len(self._about) < ABOUT_MAX else OTHERS
        if about:
            self._about[about] += 1
        if self._lines >= LINES_PER_WINDOW or self._about[about] > LINES_PER_ONE:
            self._left_out[about] += 1
            return
        self._lines += 1
        self._logger.log(level, text, *arguments)

    def _turn(self, level: int) -> None:
        now = self._clock()
        if now - self._since < WINDOW_S:
            return
        self._since, self._lines = now, 0
        left_out, self._left_out = self._left_out, Counter()
        self._about.clear()
        if left_out:
            most = [f"{count} about {about}" for about, count in left_out.most_common(NAMED_MAX) if about]
            who = f" ({', '.join(most)})" if most else ""
            self._logger.log(level, "%d more lines like these were left out%s", left_out.total(), who)
