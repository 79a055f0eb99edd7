"""Dialling for one Common: one task looks which addresses are due, one a dialled address runs its link.

See `addresses` for what is dialled and when. An address whose machine is linked already, whoever dialled,
rests until that link ends. What worked is written to the Common's folder, so that a restart without mDNS
finds its peers again.
"""

from __future__ import annotations

import ipaddress
import logging
import random
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import trio

from aslp2p.artifacts.keys import key_text
from aslp2p.daemon.addresses import (
    SHUT_OUT_S,
    Address,
    AddressBook,
    Remembered,
    Source,
    pack,
    parse_address,
    unpack,
)
from aslp2p.daemon.announcement import Announcement
from aslp2p.daemon.links import DUPLICATE
from aslp2p.daemon.node import CommonNode
from aslp2p.daemon.transport import Transport, address_text
from aslp2p.errors import AslError, LinkError, SelfLink
from aslp2p.home.files import atomic_write, read_small
from aslp2p.limits import KIB

logger = logging.getLogger(__name__)

DIALLING_MAX = 16
"""At once, for one Common."""
IDLE_S = 60.0
"""The longest pause between looks."""
SAVE_S = 60.0
BOOK_BYTES_MAX = 64 * KIB
BOOK_NAME = "addresses"
PEER_HINTS_KEPT = 128


class Dialer:
    """Dials for `node`. `chance` is for back-off and choice; nothing secret hangs on it."""

    def __init__(self, node: CommonNode, transport: Transport, folder: Path) -> None:
        self._node = node
        self._transport = transport
        self._path = folder / BOOK_NAME
        self.book = AddressBook(random.random)
        self._look = trio.Event()
        self._slots = trio.Semaphore(DIALLING_MAX)
        self._saved: Sequence[Remembered] = ()
        self._told_shut_out = False
        self._outgoing = 0
        node.on_hints = self.on_hints
        node.on_change = self._wake
        node.places = self.places

    # --- hints ----------------------------------------------------------------------------------------

    def add(self, addresses: Sequence[Address], source: Source) -> None:
        for address in addresses:
            self.book.learn(address, source, trio.current_time())
        self._look.set()

    def on_hints(self, addresses: Sequence[str]) -> None:
        """What a peer told: addresses only, for nobody else decides which names this machine looks up."""
        own = set(self._node.addresses)
        found = [parse_address(text) for text in addresses[:PEER_HINTS_KEPT] if text not in own]
        self.add([address for address in found if address and _is_ip(address[0])], Source.PEER)

    def on_announcement(self, hint: Announcement) -> None:
        """An announcement with this Common's tag."""
        now = trio.current_time()
        self.book.learn(
            (hint.host, hint.port), Source.MDNS, now, instance=f"{hint.instance}/{hint.nonce.hex()}"
        )
        self._look.set()

    def on_lost(self, instance: str) -> None:
        """That announcement is gone."""
        self.book.lose(instance)

    def _wake(self) -> None:
        self._look.set()

    # --- dialling -------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Dial until cancelled."""
        self._recall()
        self.add([(hint.host, hint.port) for hint in self._node.belonging.hints], Source.INVITE)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._save_often)
                while True:
                    await self._start_due(nursery)
        finally:
            self._save()

    async def _start_due(self, nursery: trio.Nursery) -> None:
        self._look = trio.Event()
        linked = {link.key for link in self._node.links.open}
        now = trio.current_time()
        self.book.authorities = self._node.other_authorities
        pause = IDLE_S
        if self._node.accepts_links:
            joining = not self._node.is_admitted
            for address in self.book.choose(now, linked, self._outgoing, joining=joining):
                self.book.started(address, now)
                nursery.start_soon(self._dial, address)
            due = self.book.next_due(now, linked)
            if due is not None:
                pause = min(IDLE_S, due - now)
        with trio.move_on_after(pause):
            await self._look.wait()

    async def _dial(self, address: Address) -> None:
        lived_s, duplicate, blamed_until, shut_out = 0.0, False, 0.0, False
        try:
            async with self._slots:
                link, events = await self._transport.dial(self._node, *address)
            self.book.linked(address, link.key, time.time_ns() // 1_000_000)
            self._outgoing += 1
            try:
                with link.connection:
                    await self._node.serve_link(link, events)
            finally:
                self._outgoing -= 1
                lived_s = trio.current_time() - link.established_at
                duplicate = link.reason == DUPLICATE
                blamed_until = self._node.links.blame.until(link.key)
                shut_out = self._is_shut_out()
        except SelfLink:
            self.book.is_ours(address, trio.current_time())
        except (LinkError, OSError, trio.TooSlowError) as error:
            logger.debug("cannot link with %s port %d: %s", *address, error)
        except Exception as error:
            logger.critical("a link ended by a bug: %s", error, exc_info=error)
        finally:
            self.book.ended(
                address,
                trio.current_time(),
                lived_s=lived_s,
                duplicate=duplicate,
                blamed_until=blamed_until,
                shut_out=shut_out,
            )
            self._look.set()

    def _is_shut_out(self) -> bool:
        """Whether our key is no member's any more, as those say who ended our links, and nobody keeps one."""
        shut_out = self._node.was_put_out and not self._node.links.open
        if shut_out and not self._told_shut_out:
            what = "%s: the others say that this key was expelled or revoked; each is tried every %d min now"
            logger.warning(what, self._node.name, SHUT_OUT_S // 60)
        self._told_shut_out = shut_out
        self._node.links.hushed = shut_out
        return shut_out

    def places(self) -> list[dict[str, Any]]:
        """Where members may be dialled, and how that went, as `peers` shows it."""
        return [
            {
                "address": address_text(*place.address),
                "source": place.source.name.lower(),
                "key": key_text(place.key) if place.key else "",
                "failures": place.failures,
                "success_ms": place.success_ms,
            }
            for place in self.book.places()
        ]

    # --- memory ---------------------------------------------------------------------------------------

    def _recall(self) -> None:
        try:
            data = read_small(self._path, BOOK_BYTES_MAX) or b""
        except AslError as error:
            logger.warning("%s", error)
            return
        self._saved = unpack(data)
        for one in self._saved:
            self.book.remember(one, trio.current_time())

    async def _save_often(self) -> None:
        while True:
            await trio.sleep(SAVE_S)
            await trio.to_thread.run_sync(self._save)

    def _save(self) -> None:
        worked = self.book.worked()
        if [(one.address, one.key) for one in worked] == [(one.address, one.key) for one in self._saved]:
            return
        try:
            atomic_write(self._path, pack(worked))
        except AslError as error:
            logger.warning("%s", error)
        else:
            self._saved = worked


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
