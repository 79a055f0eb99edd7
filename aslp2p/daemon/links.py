"""The links of one Common's node: who may stay, and one link for each machine.

Two links to one process: both ends agree which goes. Dialled by both, it is the one whose initiator has the
greater key; dialled twice by the same end, the newer. The initiator of the link that goes closes it at once.
Where the other end does that, it gets `DUPLICATE_S`; if nothing happens then it knows nothing of the older
link, which died without a word with its cable, and that one is closed here. Of two processes with one key
the core finds out whether both are there (`core/duplicate_keys.py`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial

import trio

from aslp2p.artifacts.keys import short_key
from aslp2p.core.inputs import LinkDown, LinkUp, Received
from aslp2p.core.jobs import Inputs, Spent
from aslp2p.daemon.blame import Blame
from aslp2p.daemon.bulk import Bulk
from aslp2p.daemon.fair import Fair, Load, by_kind
from aslp2p.daemon.link import Link
from aslp2p.daemon.listening import has_address
from aslp2p.daemon.log_limiter import LogLimiter
from aslp2p.daemon.room import Room
from aslp2p.limits import MIB, PEERS_MAX
from aslp2p.link.session import Event

logger = logging.getLogger(__name__)

LINKS_MAX = PEERS_MAX + 16
"""Which of them stay is for the core to say; the rest have come and are not judged yet."""
WAITING_INPUTS_MAX = 1024
WAITING_BYTES_MAX = 8 * MIB
"""In the queue of the node's thread, of commands; what peers send has its turns (`fair`)."""
DUPLICATE_S = 2.0
DUPLICATE = "another link to the same machine is kept"
CLOSE_S = 2.0


class Links:
    """All links of a node. `put` queues inputs for its thread; `era`, `taking` and `farewell` are the
    node's to set."""

    def __init__(self, own_key: bytes, put: Callable[[Inputs], None], bulk: Bulk) -> None:
        self._own_key = own_key
        self._put = put
        self._bulk = bulk
        self._links: dict[int, Link] = {}
        self._eras: dict[int, int] = {}
        self._gone = trio.Event()
        self._log = LogLimiter(logger)
        self.room = Room(WAITING_INPUTS_MAX, WAITING_BYTES_MAX)
        self.fair = Fair()
        self.blame = Blame()
        self.era = 0
        self.taking = False
        self.hushed = False
        """Nobody keeps a link with this machine, which was said once: it is not said again of each."""
        self.farewell: bytes | None = None
        """What is said to whoever links while no links are taken; None: nobody is answered."""

    @property
    def open(self) -> tuple[Link, ...]:
        return tuple(link for link in self._links.values() if link.open)

    def get(self, number: int) -> Link | None:
        return self._links.get(number)

    def close_older(self, era: int, reason: str) -> None:
        """Close what an earlier core knew; the one of `era` has never heard of it."""
        self.era = era
        for number, link in self._links.items():
            if self._eras[number] < era:
                if self.farewell is not None:
                    link.send(self.farewell)
                link.close(reason)

    def close_moved(self) -> None:
        """Close those that speak from an address that this machine has no more: nothing comes back to it, and
        it would take TCP 20 s to find out."""
        for link in self.open:
            if not has_address(link.connection):
                link.abort("this machine has another address now")

    async def close_all(self, reason: str) -> None:
        """Close every link and wait until they are gone, `CLOSE_S` at most."""
        self.taking, self.farewell = False, None
        for link in self.open:
            link.close(reason)
        with trio.move_on_after(CLOSE_S):
            while self._links:
                self._gone = trio.Event()
                await self._gone.wait()

    async def serve(self, link: Link, first: Sequence[Event]) -> None:
        """Run an established link to its end; `link.reason` says why it ended.

        At once for a key that was blamed, for one too many, and for a duplicate that goes.
        """
        if not self.taking and self.farewell is not None:
            await link.dismiss(self.farewell, "this Common takes no links now")
            return
        if not self._may_stay(link):
            return
        leaving = {old: self._loser(old, link) for old in self.open if _same_process(old, link)}
        if any(loser is link and link.initiator for loser in leaving.values()):
            link.abort(DUPLICATE)
            return
        era = self.era
        self._links[link.number] = link
        self._eras[link.number] = era
        up = LinkUp(link.number, link.key, link.token, link.name, link.address, link.initiator, link.process)
        self._put(Inputs((up,), 0, era))
        level = logging.DEBUG if leaving or self.hushed else logging.INFO
        self._log.log(level, "linked with %s at %s", short_key(link.key), link.address, about=_host(link))
        try:
            async with trio.open_nursery() as nursery:
                for old, loser in leaving.items():
                    if loser.initiator:
                        loser.close(DUPLICATE)
                    else:
                        nursery.start_soon(_expect_close, loser, old)

                async def handle(messages: Sequence[bytes]) -> None:
                    ordinary = [one for one in messages if not self._bulk.takes(link, era, one)]
                    await self.queue(link, era, ordinary)

                nursery.start_soon(self._bulk.serve, link)
                await link.run(first, handle)
                nursery.cancel_scope.cancel()
        finally:
            self._forget(link, era)

    def _may_stay(self, link: Link) -> bool:
        if not self.taking:
            link.abort("this Common takes no links now")
        elif self.blame.until(link.key) > trio.current_time():
            link.abort("this machine was blamed a while ago")
        elif len(self._links) >= LINKS_MAX:
            link.abort("there are links enough")
        return link.open

    def _loser(self, old: Link, new: Link) -> Link:
        if old.initiator == new.initiator:
            return new
        ours, theirs = (old, new) if old.initiator else (new, old)
        return theirs if self._own_key < new.key else ours

    async def queue(self, link: Link, era: int, messages: Sequence[bytes]) -> None:
        """Have the node's thread take these, when their turn comes; returns when all of them are queued."""
        for kind, some in by_kind(messages):
            load = Load(link.account, link.office, kind, len(some), sum(map(len, some)))
            guess = await self.fair.take(load)
            received = [Received(link.number, message) for message in some]
            spent = Spent()
            done = partial(self._had_turn, link, load, guess, spent)
            self._put(Inputs(received, load.size, era, None, done, spent))

    def _had_turn(self, link: Link, load: Load, guess: float, spent: Spent) -> None:
        self.fair.give(load, guess, spent)
        link.unhandled.give(load.items, load.size)

    def _forget(self, link: Link, era: int) -> None:
        del self._links[link.number], self._eras[link.number]
        self._gone.set()
        link.abort("this machine stops")
        self._put(Inputs((LinkDown(link.number),), 0, era))
        if link.blame:
            self.blame.put(link.key, trio.current_time())
            what = "blamed %s at %s: %s"
            self._log.warning(what, short_key(link.key), link.address, link.reason, about=_host(link))
            return
        again = self.hushed or any(other.key == link.key for other in self.open)
        level = logging.DEBUG if again else logging.INFO
        what = "no longer linked with %s at %s: %s"
        self._log.log(level, what, short_key(link.key), link.address, link.reason, about=_host(link))


def _same_process(one: Link, other: Link) -> bool:
    return one.key == other.key and one.process == other.process


def _host(link: Link) -> str:
    return link.address.rpartition(":")[0]


async def _expect_close(loser: Link, old: Link) -> None:
    """Their end should close `loser`; if it does not, it does not know `old`."""
    await trio.sleep(DUPLICATE_S)
    if loser.open:
        old.abort("the machine has forgotten this link")
