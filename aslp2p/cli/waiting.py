"""Waiting until the witness has listed, or refused, what was proposed.

The daemon tells of each proposal that is settled (topic `proposal`). Events may be lost to a slow reader, so
while nothing comes the daemon is asked what has become of those that wait. Whoever cannot reach the witness
is told so and does not wait: the proposal stays, and is listed when the witness returns.
"""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any, Self

import click

from aslp2p.cli.output import count_text, note, say, say_json
from aslp2p.cli.settings import Settings
from aslp2p.cli.source import DaemonSource
from aslp2p.control.client import NoAnswer, Subscription
from aslp2p.limits import PUTS_IN_FLIGHT_MAX

LOOK_S = 0.5
"""Without an event for so long, the daemon is asked."""
LOOK_AGAIN_S = 2.0
"""It is asked so often even while there are events: one may have been lost."""
_EARLY_MAX = 1024
UNREACHABLE_S = 2.0
"""How long nothing may move before a witness that is not linked is not waited for."""
STUCK_S = 30.0
"""The same for one that is."""

ADMISSION_S = 20.0
"""How long a machine that has just joined waits to be let in: its admission is a proposal like any other."""
_ADMISSION_LOOK_S = 0.2


def wait_for_admission(daemon: DaemonSource) -> None:
    """Until this machine, which may have joined a moment ago, is a member; a while at most. Whoever is not
    let in meanwhile is told so by what it asks next."""
    until = time.monotonic() + ADMISSION_S
    told = False
    while time.monotonic() < until and daemon.call("summary")["standing"] == "unknown":
        if not told:
            note("waiting to be let in")
            told = True
        time.sleep(_ADMISSION_LOOK_S)


def why_never(daemon: DaemonSource) -> str:
    """Why nothing that this machine proposes can be listed, as far as is known here; empty where it can."""
    standing = daemon.ask("summary")["standing"]
    if standing != "admitted":
        return "this machine was not let in yet" if standing == "unknown" else f"this key was {standing}"
    id_ = daemon.ask("show", at=0)["id"]
    live = next((one.get("live") for one in daemon.status()["commons"] if one["id"] == id_), None)
    return str((live or {}).get("shut_out", ""))


class Waiter:
    """Proposals under way, each with the words for when it is done; use as a context manager."""

    def __init__(self, daemon: DaemonSource, *, wait: bool = True) -> None:
        self._daemon = daemon
        self._wait = wait
        self._events: Subscription | None = None
        self._moved = time.monotonic()
        self._looked = self._moved
        self._given_up = False
        self._early: dict[str, dict[str, Any]] = {}
        """What was told of proposals before their ids were."""
        self._called: str | None = None
        """How the Common is called in answers, once somebody asked."""
        self.pending: dict[str, str] = {}
        self.witnessed: list[tuple[str, str, int | None]] = []
        """(id, words, height)"""
        self.refused: list[tuple[str, str, str, str]] = []
        """(id, words, code, reason)"""
        self.hopeless = ""
        """Why nothing that is pending can be listed, as far as is known here: this machine is no member."""

    def __enter__(self) -> Self:
        if self._wait:
            self._events = self._daemon.client.subscribe(["proposal"], timeout_s=LOOK_S)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._events is not None:
            self._events.close()

    def add(self, proposal: str, words: str) -> None:
        """Wait for `proposal` too, not letting more than `PUTS_IN_FLIGHT_MAX` wait at once."""
        if not self.pending:
            self._moved = time.monotonic()
        self.pending[proposal] = words
        if proposal in self._early:
            self._settle(self._early.pop(proposal))
        self._until(PUTS_IN_FLIGHT_MAX - 1)

    def finish(self) -> None:
        """Wait until nothing is pending that can be waited for."""
        self._until(0)
        if self.pending:
            self.hopeless = why_never(self._daemon)

    @property
    def failed(self) -> bool:
        """Whether something was refused, or can never be listed."""
        return bool(self.refused or self.hopeless)

    def _until(self, count: int) -> None:
        while self._events is not None and not self._given_up and len(self.pending) > count:
            try:
                self._hear(next(self._events))
            except NoAnswer:
                self._look()
            if time.monotonic() - self._looked > LOOK_AGAIN_S:
                self._look()

    def _hear(self, event: dict[str, Any]) -> None:
        if event.get("topic") == "overflow":
            self._look()
        elif event.get("id") in self.pending:
            self._settle(event)
        elif len(self._early) < _EARLY_MAX:
            self._early[str(event.get("id"))] = event

    def _settle(self, state: dict[str, Any]) -> None:
        id_ = state["id"]
        if state["state"] == "witnessed":
            self.witnessed.append((id_, self.pending.pop(id_), state.get("height")))
        elif state["state"] == "rejected":
            self.refused.append((id_, self.pending.pop(id_), state.get("code", ""), state.get("text", "")))
        else:
            return
        self._moved = time.monotonic()

    def _look(self) -> None:
        self._looked = time.monotonic()
        for state in self._daemon.ask("settled", ids=list(self.pending)[:PUTS_IN_FLIGHT_MAX])["settled"]:
            self._settle(state)
        still = time.monotonic() - self._moved
        if self.pending and (still > STUCK_S or (still > UNREACHABLE_S and not self._witness_is_reachable())):
            self._given_up = True

    def _witness_is_reachable(self) -> bool:
        witness = self._daemon.ask("summary")["witness"]
        links = self._daemon.call("peers")["peers"]
        return witness["self"] or any(link["key"] == witness["key"] for link in links)

    def version(self, height: int | None) -> str:
        """`@42`; where this home follows several Commons, with its name: `home@42`."""
        if self._called is None:
            several = len(self._daemon.client.call("commons")["commons"]) > 1
            self._called = str(self._daemon.ask("summary")["name"]) if several else ""
        return f"{self._called}@{height}"

    # --- saying what came of it -------------------------------------------------------------------

    def report(self, settings: Settings) -> None:
        """Says what became of each of a few proposals; ends with 1 if one is refused or hopeless."""
        if settings.json:
            say_json(self.as_json())
        else:
            for _, words, height in self.witnessed:
                say(words if height is None else f"{words}, at {self.version(height)}")
            self.note_others()
        if self.failed:
            raise click.exceptions.Exit(1)

    def note_others(self) -> None:
        """Lines for what was refused and for what is pending."""
        for _, words, code, reason in self.refused[:20]:
            note(f"refused: {words}: {reason} ({code})")
        if len(self.refused) > 20:
            note(f"refused: {len(self.refused) - 20} more; see `asl proposals`")
        if self.pending:
            note(self._pending_words())

    def _pending_words(self) -> str:
        what = count_text(len(self.pending), "proposal")
        if self.hopeless:
            return (
                f"not listed: {self.hopeless}; {what} can only wait here; ask a member, or see `asl status`"
            )
        if not self._wait:
            return f"pending: {what}; see `asl proposals`"
        witness = self._daemon.ask("summary")["witness"]
        if self._witness_is_reachable():
            return (
                f"pending: {what}; the witness ({witness['shown']}) has not answered yet; see `asl proposals`"
            )
        return (
            f"pending: the witness ({witness['shown']}) is not reachable; "
            f"{what} will be witnessed when it returns"
        )

    def as_json(self) -> dict[str, Any]:
        """What became of each, for scripts."""
        return {
            "witnessed": [
                {"proposal": id_, "what": words, "height": at} for id_, words, at in self.witnessed
            ],
            "rejected": [
                {"proposal": id_, "what": words, "code": code, "reason": reason}
                for id_, words, code, reason in self.refused
            ],
            "pending": [{"proposal": id_, "what": words} for id_, words in self.pending.items()],
            "hopeless": self.hopeless,
        }
