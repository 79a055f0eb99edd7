"""Where a command's answers come from: the running daemon, or the store of a stopped home.

Both answer the same questions (`aslp2p.views.queries`) in the same words, so a command does not care which it
has.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any, Protocol

from aslp2p.cli.settings import Settings
from aslp2p.control.client import Client, File
from aslp2p.errors import NoDaemon, UserError
from aslp2p.home import Home
from aslp2p.views.conditions.find import Lasting

SETTLE_S = 5.0
_PAUSE_S = 0.1


class Source(Protocol):
    """Answers about the Commons of one home."""

    live: bool
    """Whether a daemon answers."""

    def ask(self, question: str, **params: Any) -> dict[str, Any]:
        """The answer to one of `views.queries` about the Common that the command means."""

    def write_out(
        self, content: str, size: int, descriptor: int, look: Callable[[], object] = lambda: None
    ) -> None:
        """Write the content of `size` bytes into an open file; `look` is called meanwhile, now and then."""

    def status(self) -> dict[str, Any]:
        """What `status` answers (`docs/control.md`); `daemon` is null for a stopped home, and `conditions`
        are there always."""


class DaemonSource:
    """The running daemon as a `Source`, and for what only it can do."""

    live = True

    def __init__(self, client: Client, common: str) -> None:
        self.client = client
        self._common = common

    def ask(self, question: str, **params: Any) -> dict[str, Any]:
        return self.call(question, **params)

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """The answer to a method that is about one Common."""
        answer: dict[str, Any] = self.client.call(method, common=self._common, **params)
        return answer

    def call_long(self, look: Callable[[], object], method: str, **params: Any) -> dict[str, Any]:
        """As `call`, for what takes as long as it takes; `look` is called meanwhile."""
        answer: dict[str, Any] = self.client.call_long(look, method, common=self._common, **params)
        return answer

    def write_out(
        self, content: str, size: int, descriptor: int, look: Callable[[], object] = lambda: None
    ) -> None:
        self.call_long(look, "content.write", id=content, size=size, file=File(descriptor))

    def request(self, method: str, **params: Any) -> tuple[str, dict[str, Any]]:
        """The same as a request for `Client.call_many`."""
        return method, {"common": self._common, **params}

    def status(self) -> dict[str, Any]:
        answer: dict[str, Any] = self.client.call("status")
        if "conditions" not in answer:  # a daemon of an older version, which still runs
            answer["conditions"] = Lasting().look(answer, 0)
        return answer


def pages(source: Source, question: str, what: str) -> Iterator[dict[str, Any]]:
    """All that a question gives as `what`, page by page."""
    page = source.ask(question)
    while True:
        yield from page[what]
        if page["next"] is None:
            return
        page = source.ask(question, after=page["next"])


def home_of(settings: Settings) -> Home:
    """The home that the options name; it may not exist."""
    return Home.locate(settings.home)


def existing_home(settings: Settings) -> Home:
    """The home, which is there and ours. Raises `UserError` with how to make one."""
    home = home_of(settings)
    if not home.exists():
        raise UserError(f"there is no home at {home}", remedy="type `asl init NAME` or `asl join INVITE`")
    home.check()
    return home


@contextmanager
def open_source(settings: Settings) -> Iterator[Source]:
    """The daemon if one is running, else the stopped home's stores, which nobody writes meanwhile."""
    home = existing_home(settings)
    with ExitStack() as stack:
        if client := _daemon_or_lock(home, stack):
            yield DaemonSource(stack.enter_context(client), settings.common)
        else:
            from aslp2p.cli.stopped import Stopped  # msgspec, PyNaCl and SQLite load only here

            yield stack.enter_context(Stopped(home, settings.common))


def _daemon_or_lock(home: Home, stack: ExitStack) -> Client | None:
    """The running daemon; without one nothing, and `stack` holds the home's lock to read.

    A daemon that starts or stops just now has the lock and does not answer: it is given `SETTLE_S`.
    """
    until = time.monotonic() + SETTLE_S
    while True:
        with suppress(NoDaemon):
            return Client.of_home(str(home))
        from aslp2p.home.lock import READER, HomeHeld, HomeLock

        try:
            stack.enter_context(HomeLock(home, READER, shared=True))
        except HomeHeld:
            if time.monotonic() > until:
                raise
            time.sleep(_PAUSE_S)
        else:
            return None


@contextmanager
def open_daemon(settings: Settings) -> Iterator[DaemonSource]:
    """The running daemon. Raises `NoDaemon` when there is none."""
    home = existing_home(settings)
    with Client.of_home(str(home)) as client:
        yield DaemonSource(client, settings.common)
