"""Finding peers over mDNS: hints where fellows of our Commons may listen, never more than hints (G1).

`run_discovery` announces this daemon, browses for others and calls `on_hint` for each address of each
fellow. The trio loop never waits for it: zeroconf works in a thread of its own (`mdns`), everything that
opens, changes or closes it runs in worker threads, and what was heard comes back through a bounded inbox.

What happens when:

* every few seconds the adapters are read; where they differ (an address, a cable, a Wi-Fi) the sockets
  follow and the announcement is renewed, while all that was heard stays known;
* others are asked for again after growing pauses, 4 s up to an hour (RFC 6762 section 5.2), and at once
  after a change or on `rescan`: an announcement that was lost between us is found without waiting for it to
  be repeated;
* where nothing can be announced (no adapter, no permission, port 5353 held by another, our own announcements
  not heard) `on_state` says why, and it is tried again.

Announcements with a tag of ours are kept, at most 256, and at most 4 that repeat one nonce, so that who
floods the wire without knowing a network secret pushes nobody out. Of others the first 64 are kept apart, to
be shown as foreign and never dialled, until they say goodbye or their records expire.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

import trio

from aslp2p.daemon.adapters import Adapter, Wishes, read_adapters
from aslp2p.daemon.announcement import NONCE_BYTES, Announcement, encode_txt, make_tag, matching
from aslp2p.daemon.mdns import Counters, Found, Inbox, Mdns

__all__ = ["Announcement", "Counters", "make_tag", "matching", "run_discovery"]

INSTANCES_MAX = 256
INSTANCES_PER_NONCE_MAX = 4
FOREIGN_MAX = 64
POLL_S = 3.0
ANNOUNCE_S_MIN = 1.0
ASK_S_MIN = 4.0
ASK_S_MAX = 3600.0
UNHEARD_S_MAX = 60.0
"""The longest pause while our own announcements are not heard: the firewall may open any time."""

T = TypeVar("T")


class Codes(Protocol):
    """The pairing codes of this machine, and what is heard of those of others."""

    def numbers(self) -> Sequence[int]:
        """The numbers of our open codes, to be announced."""

    def hear(self, instance: str, found: Found | None) -> None:
        """An announcement, a fellow's or foreign, as it is now; None when it is gone."""


class NoCodes:
    """Where nobody pairs."""

    def numbers(self) -> Sequence[int]:
        return ()

    def hear(self, instance: str, found: Found | None) -> None:
        pass


async def run_discovery(  # noqa: PLR0913 - one callback for each thing that is heard
    *,
    port: int,
    tags: Callable[[bytes], Sequence[bytes]],
    on_hint: Callable[[Announcement], None],
    on_lost: Callable[[str], None],
    on_state: Callable[[str], None] | None = None,
    on_foreign: Callable[[Sequence[Found]], None] | None = None,
    interfaces: Sequence[str] | None = None,
    wishes: Wishes = Wishes(),  # noqa: B008 - it cannot be changed
    codes: Codes | None = None,
    rescan: trio.MemoryReceiveChannel[None] | None = None,
    counters: Counters | None = None,
    poll_s: float = POLL_S,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Announce `port`, browse, and call back in the trio thread, until cancelled; then say goodbye (0.3 s).

    `tags(nonce)` gives the tag of each Common of ours for a nonce (`make_tag`): for our own announcement
    and to recognise others. `on_hint` is called for each address once, and again when it changes;
    `on_lost(instance)` when that announcement is gone, and before the hints of an announcement that no
    longer names an address that it did.

    `interfaces` names adapters or addresses, loopback ones too; None means all but loopback, and loopback
    where there is nothing else; `wishes` says which addresses are announced. A None from `rescan` says that
    `tags` answers otherwise now, or that somebody is wanted: the announcement is renewed, and everybody
    asked. `on_state` hears `mdns: ok` or `mdns: unavailable: ` and why. `on_foreign` hears, whenever it
    changes, whose announcements have no tag of ours. `codes` says which pairing codes are announced, and
    hears of all. `counters` counts what is ignored. `poll_s` is the time in seconds between looks at the
    adapters.

    Started (`task_status`) after the first try, whatever came of it. Raises nothing but what the callbacks
    raise.
    """
    discovery = _Discovery(
        port, tags, on_hint, on_lost, on_state or _ignore, on_foreign or _ignore, counters or Counters()
    )
    discovery.codes = codes or NoCodes()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(discovery.deliver)
        await discovery.keep_open(interfaces, wishes, rescan, poll_s, task_status)


class _Discovery:
    def __init__(
        self,
        port: int,
        tags: Callable[[bytes], Sequence[bytes]],
        on_hint: Callable[[Announcement], None],
        on_lost: Callable[[str], None],
        on_state: Callable[[str], None],
        on_foreign: Callable[[Sequence[Found]], None],
        counters: Counters,
    ) -> None:
        self.codes: Codes = NoCodes()
        self._port = port
        self._tags = tags
        self._on_hint = on_hint
        self._on_lost = on_lost
        self._on_state = on_state
        self._on_foreign = on_foreign
        self._counters = counters
        self._token = trio.lowlevel.current_trio_token()
        self._woken = trio.Event()
        self._inbox = Inbox(self._wake, counters)
        self._mdns: Mdns | None = None
        self._known: dict[str, tuple[Announcement, ...]] = {}
        self._foreign: dict[str, Found] = {}
        self._adapters: tuple[Adapter, ...] = ()
        self._any_loopback = False
        self._failure = ""
        self._state = ""

    # --- what was heard -------------------------------------------------------------------------------

    def _wake(self) -> None:
        # From zeroconf's thread. Idempotent: however much is heard, one call waits.
        with contextlib.suppress(trio.RunFinishedError):
            self._token.run_sync_soon(self._set_woken, idempotent=True)

    def _set_woken(self) -> None:
        self._woken.set()

    async def deliver(self) -> None:
        """Turn what the inbox holds into hints, for ever."""
        while True:
            await self._woken.wait()
            self._woken = trio.Event()
            for instance, found in self._inbox.take().items():
                if found is None:
                    self._lose(instance)
                else:
                    self._hear(instance, found)
            if not self._unheard():
                self._tell_state()

    def _hear(self, instance: str, found: Found) -> None:
        self.codes.hear(instance, found)
        known = self._known.get(instance, ())
        if frozenset(self._tags(found.nonce)).isdisjoint(found.tags):
            self._counters.foreign += 1
            self._lose_fellow(instance)
            self._hear_foreign(instance, found)
            return
        self._lose_foreign(instance)
        if not known:
            same = sum(hints[0].nonce == found.nonce for hints in self._known.values())
            if len(self._known) >= INSTANCES_MAX or same >= INSTANCES_PER_NONCE_MAX:
                self._counters.excess += 1
                return
        hints = tuple(
            Announcement(host, found.port, found.tags, found.nonce, instance) for host in found.hosts
        )
        if any(hint not in hints for hint in known):
            self._on_lost(instance)
            known = ()
        self._known[instance] = hints
        for hint in hints:
            if hint not in known:
                self._on_hint(hint)

    def _hear_foreign(self, instance: str, found: Found) -> None:
        if instance in self._foreign or len(self._foreign) < FOREIGN_MAX:
            self._foreign[instance] = found
            self._on_foreign(tuple(self._foreign.values()))

    def _lose(self, instance: str) -> None:
        self.codes.hear(instance, None)
        self._lose_fellow(instance)
        self._lose_foreign(instance)

    def _lose_fellow(self, instance: str) -> None:
        if self._known.pop(instance, None):
            self._on_lost(instance)

    def _lose_foreign(self, instance: str) -> None:
        if self._foreign.pop(instance, None):
            self._on_foreign(tuple(self._foreign.values()))

    # --- the service ----------------------------------------------------------------------------------

    async def keep_open(
        self,
        interfaces: Sequence[str] | None,
        wishes: Wishes,
        rescan: trio.MemoryReceiveChannel[None] | None,
        poll_s: float,
        task_status: trio.TaskStatus[None],
    ) -> None:
        """Open the service, follow the adapters, ask again, for ever; a goodbye at the end."""
        self._any_loopback = interfaces is not None
        told = False
        pause_s, renewed_at, ask_at = ASK_S_MIN, 0.0, 0.0
        try:
            while True:
                self._failure = ""
                adapters = await self._work(read_adapters, interfaces, wishes)
                if self._mdns is not None and self._mdns.conflict:
                    await self._close()
                if adapters is not None and await self._keep_up(adapters, told):
                    pause_s, renewed_at = ASK_S_MIN, trio.current_time()
                    ask_at = renewed_at + pause_s
                elif self._mdns is not None and trio.current_time() >= ask_at:
                    await self._work(self._mdns.ask)
                    pause_s = min(2 * pause_s, UNHEARD_S_MAX if self._unheard() else ASK_S_MAX)
                    ask_at = trio.current_time() + pause_s
                self._woken.set()
                task_status.started()
                task_status = trio.TASK_STATUS_IGNORED
                with trio.move_on_after(poll_s) as waiting:
                    await _told(rescan)
                told = not waiting.cancelled_caught
                if told:
                    # RFC 6762 section 8.3: announcements at least a second apart.
                    await trio.sleep_until(renewed_at + ANNOUNCE_S_MIN)
                else:
                    self._tell_state()
        finally:
            with trio.CancelScope(shield=True):
                await self._close()

    async def _keep_up(self, adapters: tuple[Adapter, ...], told: bool) -> bool:
        """Bring the service to where the adapters and the tags are; whether there was anything to do."""
        before, self._adapters = self._adapters, adapters
        if self._mdns is None:
            if not adapters:
                return False
            nonce = secrets.token_bytes(NONCE_BYTES)
            text = self._text(nonce)
            self._mdns = await self._work(
                Mdns, adapters, self._port, nonce, text, self._inbox, self._counters
            )
        elif adapters != before:
            await self._work(self._mdns.follow, adapters)
        elif told:
            nonce = secrets.token_bytes(NONCE_BYTES)
            await self._work(self._mdns.refresh, nonce, self._text(nonce))
            for instance, found in list(self._foreign.items()):  # may be fellows under the tags of now
                self._hear(instance, found)
        else:
            return False
        return True

    def _text(self, nonce: bytes) -> bytes:
        return encode_txt(nonce, self._tags(nonce), self.codes.numbers())

    async def _work(self, do: Callable[..., T], *arguments: object) -> T | None:
        """Run something in a worker thread. If it fails: close the service and forget its hints.

        zeroconf, the sockets and the threads can fail in many ways, and none may reach the daemon, which
        lives without hints. `on_state` says what is wrong, and the next round starts anew.
        """
        try:
            return await trio.to_thread.run_sync(do, *arguments)
        except Exception as error:
            await self._close()
            for instance in [*self._known, *self._foreign]:
                self._lose(instance)
            self._failure = str(error) or type(error).__name__
            return None

    async def _close(self) -> None:
        mdns, self._mdns = self._mdns, None
        if mdns is not None:
            await trio.to_thread.run_sync(mdns.close)
            self._inbox.take()

    def _unheard(self) -> bool:
        return self._mdns is None or not self._mdns.heard

    def _tell_state(self) -> None:
        if self._failure:
            why = self._failure
        elif self._mdns is None:
            why = "no network interface is up"
        elif not self._mdns.sending:
            why = "no network interface takes multicast"
        elif not self._mdns.heard:
            why = "our own announcements are not heard; is multicast or port 5353 blocked?"
        elif not self._any_loopback and all(adapter.loopback for adapter in self._adapters):
            why = "no network but this machine's own"
        else:
            why = ""
        state = f"mdns: unavailable: {why}" if why else "mdns: ok"
        if state != self._state:
            self._state = state
            self._on_state(state)


async def _told(rescan: trio.MemoryReceiveChannel[None] | None) -> None:
    if rescan is not None:
        with contextlib.suppress(trio.EndOfChannel, trio.ClosedResourceError):
            await rescan.receive()
            return
    await trio.sleep_forever()


def _ignore(_: object) -> None:
    pass
