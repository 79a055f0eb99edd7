"""One mDNS service on zeroconf: the side that lives in zeroconf's own thread. Nothing here knows trio.

zeroconf runs an asyncio loop in a thread of its own. Methods of `Mdns` block, for up to a second, and are
called from worker threads, one at a time; they hand coroutines to that loop. What the loop hears is parsed
and bounded there and left in an `Inbox`, which wakes its owner by a callback and holds at most one entry an
instance, so a flood on the wire costs neither memory nor time elsewhere. Before zeroconf reads a datagram it
has passed the `Gate`; what zeroconf has cached and scheduled is cut back to what is ours as often as it says.

**No probing.** A responder that starts asks first, for up to a second, whether another has the records that
it wants to be unique. But RFC 6762 section 8.1 goes on: "If a responder knows by other means that its
unique resource record set name, rrtype, and rrclass cannot already be in use by any other responder on the
network, then it SHOULD skip the probing step". Ours cannot: instance and host name are 64 random bits each,
new in every process, never stored. What section 9 asks for stays: should two ever meet, or somebody
pretend, the TXT record under our name shows a nonce that is not ours, and `conflict` asks the owner to open
a service with another name. So running browsers hear a new service with its first packet, milliseconds
after it starts.

**A new host name for every set of addresses.** Caches keep an old address record for a while beside a new
one. An SRV record replaces its predecessor at once, so when addresses change the service points to a new
host name that never had others.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import re
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

from zeroconf import Error as ZeroconfError
from zeroconf import ServiceStateChange, Zeroconf
from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo

from aslp2p.daemon.adapters import Adapter, announced
from aslp2p.daemon.announcement import ADDRESSES_MAX, SERVICE_TYPE, decode_txt, instance_of
from aslp2p.daemon.mdns_gate import RECORDS_MAX, Gate, GatedProtocol
from aslp2p.errors import InvariantBroken, PeerFault

INBOX_MAX = 512
"""Instances that wait to be taken; the owner takes them within a turn of its loop."""
ASKING_MAX = 16
"""Announcements whose missing records are being asked for at once."""
ASK_TIMEOUT_MS = 3000
CALL_TIMEOUT_S = 10.0
NONCES_MAX = 16
"""Of our own, the latest: what shows one of them was announced by us."""
_HOST = re.compile(r"[0-9a-f]{16}\.local\.")
POINTER_TTL_S = 1200
"""How long others keep a machine that went without a goodbye. zeroconf takes less than 1125 s for 1125 s."""


@dataclass
class Counters:
    """What was ignored, and why; for status and tests."""

    malformed: int = 0
    foreign: int = 0
    excess: int = 0
    conflicts: int = 0
    refused: int = 0
    """Datagrams that were too long or too many (`mdns_gate`)."""


@dataclass(frozen=True)
class Found:
    """A well-formed announcement. `hosts` are dialable addresses, at most 16, without doubles."""

    hosts: tuple[str, ...]
    port: int
    nonce: bytes
    tags: tuple[bytes, ...]
    pairing: tuple[int, ...] = ()
    """The numbers of pairing codes that are open there."""


def parse(text: bytes, port: int | None, addresses: Sequence[str], loopback: bool) -> Found:
    """The announcement that these records make. Raises PeerFault if they make none, or exceed a bound.

    Addresses that cannot be dialled are left out: multicast, unspecified, IPv6 link-local without a scope,
    and loopback unless `loopback` (we listen there ourselves).
    """
    if port is None or not 1 <= port <= 65535:
        raise PeerFault("announcement without a port")
    if len(addresses) > ADDRESSES_MAX:
        raise PeerFault(f"announcement of {len(addresses)} addresses")
    said = decode_txt(text)
    hosts = tuple(dict.fromkeys(address for address in addresses if _dialable(address, loopback)))
    if not hosts:
        raise PeerFault("announcement without an address that can be dialled")
    return Found(hosts, port, said.nonce, said.tags, said.pairing)


def _is_ours(name: str) -> bool:
    """Whether a record of this name (in lower case) can be of an announcement of our kind."""
    return name.endswith(SERVICE_TYPE) or _HOST.fullmatch(name) is not None


def _dialable(address: str, loopback: bool) -> bool:
    ip = ipaddress.ip_address(address)
    if ip.is_multicast or ip.is_unspecified or (ip.is_loopback and not loopback):
        return False
    return not (isinstance(ip, ipaddress.IPv6Address) and ip.is_link_local and ip.scope_id is None)


class Inbox:
    """What was heard and not yet taken: the latest of each instance (None: gone). Safe for threads."""

    def __init__(self, wake: Callable[[], None], counters: Counters) -> None:
        self._wake = wake
        self._counters = counters
        self._lock = threading.Lock()
        self._waiting: dict[str, Found | None] = {}

    def put(self, instance: str, found: Found | None) -> None:
        """Leave an entry and wake the owner. While the inbox is full, a new instance is counted only."""
        with self._lock:
            if instance not in self._waiting and len(self._waiting) >= INBOX_MAX:
                self._counters.excess += 1
                return
            self._waiting[instance] = found
        self._wake()

    def take(self) -> dict[str, Found | None]:
        """Everything that waits, oldest instance first."""
        with self._lock:
            taken, self._waiting = self._waiting, {}
        return taken

    def wake(self) -> None:
        """Wake the owner without an entry."""
        self._wake()


class Mdns:
    """An announced and browsing service. `heard` is true once our own announcement came back to us.

    Raises OSError or zeroconf's Error where no socket can be opened; then nothing is left open.
    """

    def __init__(
        self,
        adapters: Sequence[Adapter],
        port: int,
        nonce: bytes,
        text: bytes,
        inbox: Inbox,
        counters: Counters,
    ) -> None:
        self.instance = secrets.token_hex(8)
        self.heard = False
        self.conflict = False
        self._port = port
        self.nonces = deque([nonce], maxlen=NONCES_MAX)
        self._text = text
        self._adapters = tuple(adapters)
        self._inbox = inbox
        self._counters = counters
        self._asking: dict[str, asyncio.Task[None]] = {}
        self._browser: AsyncServiceBrowser | None = None
        self._gate = Gate(time.monotonic())
        self._trimming: asyncio.Task[None] | None = None
        self._info = self._service_info()
        self._zeroconf = Zeroconf(interfaces=self._wanted(), use_asyncio=False)
        try:
            self._call(self._start())
        except BaseException:
            self._zeroconf.close()
            raise

    @property
    def sending(self) -> int:
        """From how many addresses we send."""
        return len(self._zeroconf.engine.senders)

    def follow(self, adapters: Sequence[Adapter]) -> None:
        """Use these adapters and announce their addresses from now on; what was heard stays known."""
        before, self._adapters = self._adapters, tuple(adapters)
        self._call(self._follow(before))

    def refresh(self, nonce: bytes, text: bytes) -> None:
        """Announce this TXT record, which is of a new nonce; ask for everybody, hear what is known anew.

        The nonce is new so that nobody sees which tags stayed, and so that the record is: one that was
        announced some seconds ago is an old acquaintance to caches, and they do not tell of it.
        """
        self.nonces.append(nonce)
        self._text = text
        self._call(self._refresh())

    def ask(self) -> None:
        """Ask for everybody again, hear all that is known anew, and do again what did not work out before.

        That is: an address that was still being checked for duplicates, an announcement that nobody heard.
        """
        if self.sending < len(self._wanted()):
            self.follow(self._adapters)
        else:
            self._call(self._browse() if self.heard else self._refresh())

    def close(self) -> None:
        """Say goodbye and stop. Takes about a quarter of a second: three goodbyes."""
        with contextlib.suppress(ZeroconfError, TimeoutError, RuntimeError):
            self._call(self._stop())
        with contextlib.suppress(ZeroconfError, TimeoutError, RuntimeError):
            self._zeroconf.close()

    # --- in zeroconf's loop ---------------------------------------------------------------------------

    async def _start(self) -> None:
        self._guard()
        # Announced before we browse: the first query is delayed anyway, the first announcement is not.
        await self._zeroconf.async_register_service(self._info, cooperating_responders=True)
        await self._browse()

    async def _browse(self) -> None:
        await self._stop()
        # A new browser hears every cached service again, and asks, four times, at growing intervals.
        self._browser = AsyncServiceBrowser(self._zeroconf, SERVICE_TYPE, handlers=[self._changed])

    def _guard(self) -> None:
        """Put the gate before every socket that has none yet."""
        for reader in self._zeroconf.engine.readers:
            inner = reader.transport.get_protocol()
            if not isinstance(inner, GatedProtocol):
                gated = GatedProtocol(inner, self._gate, time.monotonic, self._trim)
                reader.transport.set_protocol(gated)

    def _trim(self) -> None:
        """Forget the oldest of too many records, others' first, and all that is scheduled for them."""
        self._counters.refused = self._gate.refused
        cache = self._zeroconf.cache
        records = [record for name in cache.names() for record in cache.entries_with_name(name)]
        if len(records) <= RECORDS_MAX or self._trimming is not None:
            return
        records.sort(key=lambda record: (_is_ours(record.key), record.created))
        cache.async_remove_records(records[: len(records) - RECORDS_MAX // 2])
        self._trimming = asyncio.get_running_loop().create_task(self._forget_schedule())

    async def _forget_schedule(self) -> None:
        try:
            await self._browse()  # a new browser knows what the cache holds, and nothing else
        finally:
            self._trimming = None

    async def _stop(self) -> None:
        if self._browser is not None:
            await self._browser.async_cancel()
            self._browser = None
        for task in self._asking.values():
            task.cancel()
        self._asking.clear()

    async def _follow(self, before: tuple[Adapter, ...]) -> None:
        self._info = self._service_info()
        # The registry first: interfaces that come up announce what it holds, and it must be the new
        # addresses.
        self._zeroconf.registry.async_update(self._info)
        indexes = {adapter.index for adapter in before}
        moved = [a for a in self._adapters if a.index not in indexes]
        lost = {address for adapter in before for address in adapter.senders()}
        if any(address in lost for adapter in moved for address in adapter.senders()):
            # The same address on another adapter (a network stick unplugged and put in again): its socket
            # must go first, or zeroconf takes it for one that stayed.
            kept = [address for a in self._adapters if a not in moved for address in a.senders()]
            await self._zeroconf.async_update_interfaces(kept)
        await self._zeroconf.async_update_interfaces(self._wanted())
        self._guard()
        await self._zeroconf.async_update_service(self._info)
        await self._browse()

    async def _refresh(self) -> None:
        self._info = self._service_info(self._info.server)
        await self._zeroconf.async_update_service(self._info)
        await self._browse()

    def _changed(
        self, zeroconf: Zeroconf, service_type: str, name: str, state_change: ServiceStateChange
    ) -> None:
        try:
            instance = instance_of(name)
        except PeerFault:
            self._counters.malformed += 1
            return
        if instance == self.instance:
            if state_change is not ServiceStateChange.Removed:
                self._own(zeroconf, name)
        elif state_change is ServiceStateChange.Removed:
            self._inbox.put(instance, None)
        else:
            info = AsyncServiceInfo(SERVICE_TYPE, name)
            if info.load_from_cache(zeroconf):
                self._deliver(instance, info)
            elif instance not in self._asking:
                if len(self._asking) >= ASKING_MAX:
                    self._counters.excess += 1
                    return
                self._asking[instance] = asyncio.get_running_loop().create_task(self._ask(instance, info))

    async def _ask(self, instance: str, info: AsyncServiceInfo) -> None:
        try:
            if await info.async_request(self._zeroconf, ASK_TIMEOUT_MS):
                self._deliver(instance, info)
        finally:
            self._asking.pop(instance, None)

    def _deliver(self, instance: str, info: AsyncServiceInfo) -> None:
        try:
            found = parse(info.text, info.port, info.parsed_scoped_addresses(), self._on_loopback())
        except PeerFault:
            self._counters.malformed += 1
            return
        self._inbox.put(instance, found)

    def _own(self, zeroconf: Zeroconf, name: str) -> None:
        info = AsyncServiceInfo(SERVICE_TYPE, name)
        info.load_from_cache(zeroconf)
        try:
            ours = decode_txt(info.text).nonce in self.nonces
        except PeerFault:
            ours = False
        if ours:
            self.heard = True
        else:
            self._counters.conflicts += not self.conflict
            self.conflict = True
        self._inbox.wake()

    # --- anywhere -------------------------------------------------------------------------------------

    def _service_info(self, server: str | None = None) -> AsyncServiceInfo:
        return AsyncServiceInfo(
            SERVICE_TYPE,
            f"{self.instance}.{SERVICE_TYPE}",
            port=self._port,
            properties=self._text,
            server=server or f"{secrets.token_hex(8)}.local.",
            other_ttl=POINTER_TTL_S,
            parsed_addresses=announced(self._adapters),
        )

    def _wanted(self) -> list[str]:
        return [address for adapter in self._adapters for address in adapter.senders()]

    def _on_loopback(self) -> bool:
        return any(adapter.loopback for adapter in self._adapters)

    def _call(self, coroutine: Coroutine[Any, Any, None]) -> None:
        loop = self._zeroconf.loop
        if loop is None:
            raise InvariantBroken("zeroconf runs without its loop")
        asyncio.run_coroutine_threadsafe(coroutine, loop).result(CALL_TIMEOUT_S)
