"""What follows from the history and the open set alone: worked out once, until one of them changes.

A node asks the same questions after every step, and most steps change neither.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from aslp2p.core.context import Context
from aslp2p.core.pending import Pending
from aslp2p.ledger.history import Ledger

T = TypeVar("T")


class Memo:
    """Answers of one node, by question. Only what depends on nothing else may be asked through it: not on
    the time, on links, or on what this node has promised."""

    def __init__(self, context: Context, pending: Pending) -> None:
        self._context = context
        self._pending = pending
        self._since: tuple[Ledger | None, int, int] | None = None
        self._answers: dict[Any, Any] = {}

    def ask(self, question: Any, work: Callable[[], T]) -> T:
        """The answer to `question`, from `work` where it is not known any more; nobody changes it."""
        now = self._now()
        if now != self._since:
            self._since = now
            self._answers.clear()
        if question in self._answers:
            return self._answers[question]  # type: ignore[no-any-return]
        answer = work()
        if self._now() == self._since == now:  # the floor may move while it is looked at (F5)
            self._answers[question] = answer
        return answer

    def _now(self) -> tuple[Ledger | None, int, int]:
        if not self._context.founded:
            return None, 0, self._pending.revision
        ledger = self._context.ledger
        return ledger, ledger.revision, self._pending.revision
