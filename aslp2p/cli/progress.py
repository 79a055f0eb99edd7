"""Progress on standard error for what takes more than a second, where somebody watches; rich is loaded only
then.
"""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any, Self

from aslp2p.artifacts.text import terminal_safe

PATIENCE_S = 1.0


class Progress:
    """A line that says how far `what` is. `total` 0 means that nobody knows. Use as a context manager."""

    def __init__(self, what: str, total: int = 0, *, bytes_: bool = False) -> None:
        self._what = terminal_safe(what)
        self._total = total
        self._bytes = bytes_
        self._done = 0
        self._started = time.monotonic()
        self._shown: Any = None
        self._task: Any = None
        self._watched = sys.stderr.isatty()

    def step(self, count: int = 1, *, total: int | None = None) -> None:
        """`count` more are done."""
        self._done += count
        self._total = self._total if total is None else total
        if not self._watched:
            return
        if self._shown is None:
            if time.monotonic() - self._started < PATIENCE_S:
                return
            self._begin()
        self._shown.update(self._task, completed=self._done, total=self._total or None)

    def expect(self, count: int) -> None:
        """`count` more are to come than was known before."""
        self._total += count

    def _begin(self) -> None:
        from rich import progress
        from rich.console import Console

        figures: list[progress.ProgressColumn] = (
            [progress.DownloadColumn(), progress.TransferSpeedColumn()]
            if self._bytes
            else [progress.MofNCompleteColumn()]
        )
        self._shown = progress.Progress(
            progress.TextColumn("{task.description}", markup=False),
            progress.BarColumn(),
            *figures,
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._shown.add_task(self._what, total=self._total or None)
        self._shown.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._shown is not None:
            self._shown.stop()
