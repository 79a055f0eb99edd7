"""Discovery without a LAN: announcements as bytes (G1), the bounds, and two daemons on loopback."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from zeroconf import ServiceInfo, Zeroconf

from aslp2p.daemon.adapters import Adapter, Place, Wishes, announced, place_of, read_adapters, wished
from aslp2p.daemon.announcement import (
    ADDRESSES_MAX,
    NONCE_BYTES,
    SERVICE_TYPE,
    TAG_BYTES,
    TAGS_MAX,
    TXT_BYTES_MAX,
    decode_txt,
    encode_txt,
    instance_of,
)
from aslp2p.daemon.discovery import (
    FOREIGN_MAX,
    INSTANCES_MAX,
    INSTANCES_PER_NONCE_MAX,
    Announcement,
    Counters,
    _Discovery,
    make_tag,
    matching,
    run_discovery,
)
from aslp2p.daemon.mdns import INBOX_MAX, Found, Inbox, parse
from aslp2p.errors import PeerFault
from aslp2p.limits import PAIRING_NUMBER_MAX, PAIRING_OPEN_MAX

LOOPBACK = ("127.0.0.1",)
NONCE = bytes(range(NONCE_BYTES))
SECRET = bytes(range(32))

nonces = st.binary(min_size=NONCE_BYTES, max_size=NONCE_BYTES)
tag_sets = st.sets(st.binary(min_size=TAG_BYTES, max_size=TAG_BYTES), max_size=TAGS_MAX)


def strings(*parts: bytes) -> bytes:
    return b"".join(bytes([len(part)]) + part for part in parts)


V = b"v=1"
N = b"n=" + NONCE.hex().encode()


# --- tags: fellows know each other, nobody else learns anything (G1) ----------------------------------


def test_a_tag_is_the_one_that_every_node_computes() -> None:
    # Frozen: a change here keeps nodes of different versions from finding each other.
    assert make_tag(SECRET, NONCE).hex() == "a772e7edd9ec544d"


def test_matching_finds_the_shared_commons_and_only_those() -> None:
    ours = [secrets.token_bytes(32) for _ in range(5)]
    theirs = [ours[3], secrets.token_bytes(32), ours[1]]
    assert matching(ours, NONCE, [make_tag(secret, NONCE) for secret in theirs]) == (ours[1], ours[3])
    assert matching(ours, NONCE, []) == ()
    assert matching([], NONCE, [make_tag(ours[0], NONCE)]) == ()


@given(st.binary(min_size=32, max_size=32), nonces, nonces)
def test_tags_of_one_common_under_two_nonces_have_nothing_in_common(
    secret: bytes, one: bytes, two: bytes
) -> None:
    assert (make_tag(secret, one) == make_tag(secret, two)) == (one == two)
    assert len(make_tag(secret, one)) == TAG_BYTES
    assert make_tag(secret, one) not in secret


@given(nonces, st.lists(st.binary(min_size=32, max_size=32), max_size=9, unique=True))
def test_the_order_of_commons_does_not_show(nonce: bytes, ours: list[bytes]) -> None:
    tags = [make_tag(secret, nonce) for secret in ours]
    assert encode_txt(nonce, tags) == encode_txt(nonce, reversed(tags))


# --- TXT records: bytes from anybody (A4, G5) ---------------------------------------------------------


@given(nonces, tag_sets)
def test_a_txt_record_says_what_was_put_in(nonce: bytes, tags: set[bytes]) -> None:
    text = encode_txt(nonce, tags)
    assert len(text) <= TXT_BYTES_MAX
    assert decode_txt(text) == (nonce, tuple(sorted(tags)), ())


def test_more_commons_than_fit_are_left_out() -> None:
    tags = [secrets.token_bytes(TAG_BYTES) for _ in range(TAGS_MAX + 5)]
    assert len(decode_txt(encode_txt(NONCE, tags))[1]) == TAGS_MAX


@given(st.binary(max_size=2 * TXT_BYTES_MAX))
def test_any_bytes_are_an_announcement_or_a_peers_fault(text: bytes) -> None:
    try:
        nonce, tags, numbers = decode_txt(text)
    except PeerFault:
        return
    assert len(nonce) == NONCE_BYTES
    assert len(tags) <= TAGS_MAX
    assert len(numbers) <= PAIRING_OPEN_MAX and all(1 <= one <= PAIRING_NUMBER_MAX for one in numbers)


@given(nonces, tag_sets, st.data())
def test_a_damaged_announcement_is_within_bounds_or_refused(
    nonce: bytes, tags: set[bytes], data: st.DataObject
) -> None:
    text = bytearray(encode_txt(nonce, tags))
    at = data.draw(st.integers(0, len(text) - 1))
    text[at] = data.draw(st.integers(0, 255))
    try:
        found = decode_txt(bytes(text))
    except PeerFault:
        return
    assert len(found[0]) == NONCE_BYTES
    assert all(len(tag) == TAG_BYTES for tag in found[1])


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"", "another version"),
        (strings(b"v=2", N), "another version"),
        (strings(N), "another version"),
        (strings(V), "nonce"),
        (strings(V, b"n="), "nonce"),
        (strings(V, N + b"00"), "nonce"),
        (strings(V, N.upper()), "another version|nonce"),
        (strings(V, N, b"t=12"), "tags"),
        (strings(V, N, b"t=" + b"AB" * 8), "tags"),
        (strings(V, N, b"t=" + b"ab" * 8 + b","), "tags"),
        (strings(V, N, b"t3=,"), "tags"),
        (strings(V, N, N), "twice"),
        (strings(V, N)[:-1], "cut short"),
        (strings(V, N) + b"\xff", "cut short"),
        (strings(V, N, *[b"x%d=" % i + b"x" * 200 for i in range(6)]), "bytes"),
    ],
)
def test_a_malformed_announcement_is_refused_with_the_reason(text: bytes, why: str) -> None:
    with pytest.raises(PeerFault, match=why):
        decode_txt(text)


def test_keys_of_later_versions_are_skipped() -> None:
    assert decode_txt(strings(b"later=1", V, b"flag", N)) == (NONCE, (), ())


@pytest.mark.parametrize(
    "name",
    [
        f"0123456789ABCDEF.{SERVICE_TYPE}",
        f"0123456789abcde.{SERVICE_TYPE}",
        f"alice.{SERVICE_TYPE}",
        f"0123456789abcdef.x.{SERVICE_TYPE}",
        "0123456789abcdef._http._tcp.local.",
        "0123456789abcdef",
        SERVICE_TYPE,
        "",
    ],
)
def test_only_our_own_kind_of_name_is_an_instance(name: str) -> None:
    assert instance_of(f"0123456789abcdef.{SERVICE_TYPE}") == "0123456789abcdef"
    with pytest.raises(PeerFault):
        instance_of(name)


def test_only_addresses_that_can_be_dialled_are_kept() -> None:
    text = encode_txt(NONCE, [])
    useless = ["224.0.0.1", "0.0.0.0", "fe80::1", "::", "ff02::1"]
    useful = ["10.0.0.1", "fd00::1", "fe80::2%3"]
    found = parse(text, 7000, [*useless, *useful, "10.0.0.1", "127.0.0.1", "::1"], loopback=False)
    assert found == Found(tuple(useful), 7000, NONCE, ())
    assert parse(text, 7000, ["127.0.0.1"], loopback=True).hosts == ("127.0.0.1",)
    with pytest.raises(PeerFault, match="dialled"):
        parse(text, 7000, useless, loopback=True)


@pytest.mark.parametrize("port", [None, 0, -1, 65536])
def test_an_announcement_without_a_port_is_refused(port: int | None) -> None:
    with pytest.raises(PeerFault, match="port"):
        parse(encode_txt(NONCE, []), port, ["10.0.0.1"], loopback=False)


def test_an_announcement_of_too_many_addresses_is_refused() -> None:
    many = [f"10.0.0.{i}" for i in range(1, ADDRESSES_MAX + 2)]
    assert len(parse(encode_txt(NONCE, []), 1, many[:-1], loopback=False).hosts) == ADDRESSES_MAX
    with pytest.raises(PeerFault, match="17 addresses"):
        parse(encode_txt(NONCE, []), 1, many, loopback=False)


# --- adapters -----------------------------------------------------------------------------------------


def test_one_address_of_each_kind_sends_and_all_are_announced() -> None:
    one = Adapter("eth0", 2, False, ("10.0.0.1", "10.0.0.2", "fd00::1", "fe80::1"))
    two = Adapter("wlan0", 3, False, ("10.1.0.1",))
    assert one.senders() == ("10.0.0.1", "fe80::1")
    assert announced([one, two]) == ["10.0.0.1", "fe80::1", "10.1.0.1", "10.0.0.2", "fd00::1"]
    many = Adapter("eth1", 4, False, tuple(f"10.2.0.{i}" for i in range(1, 40)))
    assert len(announced([many, two])) == ADDRESSES_MAX
    assert "10.1.0.1" in announced([many, two])


@pytest.mark.parametrize(
    ("name", "addresses", "place"),
    [
        ("eth0", ("192.168.1.5",), Place.ROUTE),
        ("wlan0", ("10.0.0.5",), Place.PRIVATE),
        ("eth1", ("fd00::5", "fe80::1"), Place.PRIVATE),
        ("eth2", ("8.8.4.4",), Place.OTHER),
        ("eth3", ("fe80::1",), Place.OTHER),
        ("wg0", ("192.168.1.5",), Place.TUNNEL),
        ("tailscale0", ("100.64.0.1",), Place.TUNNEL),
        ("docker0", ("172.17.0.1",), Place.CONTAINER),
        ("br-0123456789ab", ("172.18.0.1",), Place.CONTAINER),
        ("br0", ("192.168.1.5",), Place.ROUTE),
    ],
)
def test_where_others_reach_a_machine(name: str, addresses: tuple[str, ...], place: Place) -> None:
    assert place_of(name, addresses, {"192.168.1.5"}) is place


def test_ten_bridges_push_no_address_of_the_lan_out() -> None:
    lan = Adapter("eth0", 20, False, ("192.168.1.5",), Place.ROUTE)
    tunnel = Adapter("wg0", 3, False, ("10.9.0.1",), Place.TUNNEL)
    bridges = [
        Adapter(f"br-00000000000{n}", n + 4, False, (f"172.{n + 16}.0.1",), Place.CONTAINER)
        for n in range(10)
    ]
    adapters = sorted([tunnel, *bridges, lan], key=lambda one: (one.place, one.index))
    assert announced(wished(adapters, Wishes())) == ["192.168.1.5", "10.9.0.1"]
    assert announced(wished(bridges[:2], Wishes())) == ["172.16.0.1", "172.17.0.1"], "there are no others"


@pytest.mark.parametrize(
    ("wishes", "told"),
    [
        (Wishes(), ["192.168.1.5", "10.9.0.1"]),
        (Wishes(only=("wg0",)), ["10.9.0.1"]),
        (Wishes(only=("docker0", "192.168.1.5")), ["192.168.1.5", "172.17.0.1"]),
        (Wishes(never=("wg0",)), ["192.168.1.5"]),
        (Wishes(only=("eth0", "wg0"), never=("192.168.1.5",)), ["10.9.0.1"]),
        (Wishes(only=("no-such",)), []),
    ],
)
def test_owner_says_what_is_told_to_others(wishes: Wishes, told: list[str]) -> None:
    adapters = [
        Adapter("eth0", 2, False, ("192.168.1.5",), Place.ROUTE),
        Adapter("wg0", 3, False, ("10.9.0.1",), Place.TUNNEL),
        Adapter("docker0", 4, False, ("172.17.0.1",), Place.CONTAINER),
    ]
    assert announced(wished(adapters, wishes)) == told


def test_adapters_are_chosen_by_name_or_address() -> None:
    (by_address,) = read_adapters(LOOPBACK)
    assert by_address.loopback
    assert by_address.addresses == LOOPBACK
    (by_name,) = read_adapters([by_address.name])
    assert set(LOOPBACK) <= set(by_name.addresses)
    assert read_adapters(["no-such-adapter"]) == ()


# --- bounds -------------------------------------------------------------------------------------------


def test_the_inbox_keeps_the_latest_of_each_and_is_bounded() -> None:
    woken: list[None] = []
    counters = Counters()
    inbox = Inbox(lambda: woken.append(None), counters)
    found = Found(("10.0.0.1",), 1, NONCE, ())
    for i in range(INBOX_MAX + 3):
        inbox.put(f"{i:016x}", found)
    assert counters.excess == 3
    inbox.put(f"{0:016x}", None)
    taken = inbox.take()
    assert len(taken) == INBOX_MAX
    assert taken[f"{0:016x}"] is None
    assert len(woken) == INBOX_MAX + 1
    assert inbox.take() == {}


class Ears:
    """Callbacks that remember, and wait for what they are to hear."""

    def __init__(self) -> None:
        self.hints: list[Announcement] = []
        self.events: list[str] = []
        self.states: list[str] = []
        self.foreign: list[str] = []
        self._changed = trio.Event()

    def on_hint(self, hint: Announcement) -> None:
        self.hints.append(hint)
        self._note(f"+{hint.instance} {hint.host}")

    def on_lost(self, instance: str) -> None:
        self._note(f"-{instance}")

    def on_state(self, state: str) -> None:
        self.states.append(state)
        self._note(state)

    def on_foreign(self, announcements: Sequence[Found]) -> None:
        self.foreign = [found.hosts[0] for found in announcements]
        self._changed.set()

    def _note(self, event: str) -> None:
        self.events.append(event)
        self._changed.set()

    async def until(self, predicate: Callable[[], bool]) -> None:
        with trio.fail_after(20):
            while not predicate():
                self._changed = trio.Event()
                await self._changed.wait()


async def counted(predicate: Callable[[], bool]) -> None:
    """Counters move in zeroconf's thread and wake nobody: poll."""
    with trio.fail_after(20):
        while not predicate():  # noqa: ASYNC110
            await trio.sleep(0.01)


def a_discovery(ears: Ears, counters: Counters, *network_secrets: bytes) -> _Discovery:
    def tags(nonce: bytes) -> list[bytes]:
        return [make_tag(secret, nonce) for secret in network_secrets]

    return _Discovery(1, tags, ears.on_hint, ears.on_lost, ears.on_state, ears.on_foreign, counters)


def fellow(nonce: bytes, *hosts: str, secret: bytes = SECRET) -> Found:
    return Found(hosts or ("10.0.0.1",), 7000, nonce, (make_tag(secret, nonce),))


async def test_only_fellows_become_hints_and_changes_are_told() -> None:
    ears, counters = Ears(), Counters()
    discovery = a_discovery(ears, counters, SECRET)
    discovery._hear("stranger", fellow(NONCE, secret=b"another secret"))
    assert (ears.events, counters.foreign) == ([], 1)
    discovery._hear("a", fellow(NONCE, "10.0.0.1"))
    discovery._hear("a", fellow(NONCE, "10.0.0.1"))
    discovery._hear("a", fellow(NONCE, "10.0.0.1", "10.0.0.2"))
    assert ears.events == ["+a 10.0.0.1", "+a 10.0.0.2"]
    discovery._hear("a", fellow(NONCE, "10.0.0.3"))
    assert ears.events[2:] == ["-a", "+a 10.0.0.3"]
    discovery._hear("a", fellow(NONCE, "10.0.0.3", secret=b"it left our Common"))
    discovery._lose("a")
    assert ears.events[4:] == ["-a"]


async def test_foreign_announcements_are_shown_and_never_hints() -> None:
    """V9, G1: listed as foreign, while they last, and as many as are kept."""
    ears, secrets_of = Ears(), [SECRET]

    def tags(nonce: bytes) -> list[bytes]:
        return [make_tag(secret, nonce) for secret in secrets_of]

    discovery = _Discovery(1, tags, ears.on_hint, ears.on_lost, ears.on_state, ears.on_foreign, Counters())
    for i in range(FOREIGN_MAX + 10):
        discovery._hear(f"{i}", fellow(i.to_bytes(NONCE_BYTES), f"10.0.0.{i}", secret=b"another secret"))
    discovery._hear("0", fellow(NONCE, "10.0.1.0", secret=b"another secret"))
    assert ears.foreign == ["10.0.1.0", *(f"10.0.0.{i}" for i in range(1, FOREIGN_MAX))]
    discovery._lose("1")
    discovery._hear("2", fellow(NONCE, "10.0.0.2"))
    assert len(ears.foreign) == FOREIGN_MAX - 2 and ears.events == ["+2 10.0.0.2"]
    discovery._hear("2", fellow(NONCE, "10.0.0.2", secret=b"it left our Common"))
    assert ears.foreign[-1] == "10.0.0.2" and ears.events[1:] == ["-2"]


async def test_a_foreign_announcement_is_a_fellows_once_its_common_is_joined() -> None:
    other = secrets.token_bytes(32)
    async with discovering(7001, SECRET) as (one, ours, bell), discovering(7002, other):
        await one.until(lambda: bool(one.foreign))
        assert not one.hints
        ours.append(other)
        bell.send_nowait(None)
        await one.until(lambda: bool(one.hints) and not one.foreign)


async def test_repeating_a_nonce_pushes_nobody_out() -> None:
    ears, counters = Ears(), Counters()
    discovery = a_discovery(ears, counters, SECRET)
    for i in range(1000):
        discovery._hear(f"copy {i}", fellow(NONCE))
    assert len(ears.hints) == INSTANCES_PER_NONCE_MAX
    assert counters.excess == 1000 - INSTANCES_PER_NONCE_MAX
    discovery._hear("real", fellow(secrets.token_bytes(NONCE_BYTES)))
    assert ears.hints[-1].instance == "real"


async def test_fellows_are_bounded_too() -> None:
    ears, counters = Ears(), Counters()
    discovery = a_discovery(ears, counters, SECRET)
    for i in range(INSTANCES_MAX + 10):
        discovery._hear(f"{i}", fellow(i.to_bytes(NONCE_BYTES)))
    assert len(ears.hints) == INSTANCES_MAX
    assert counters.excess == 10
    discovery._lose("0")
    discovery._hear("next", fellow(NONCE))
    assert ears.hints[-1].instance == "next"


# --- for real, on loopback ----------------------------------------------------------------------------


@asynccontextmanager
async def discovering(
    port: int, *network_secrets: bytes, counters: Counters | None = None
) -> AsyncIterator[tuple[Ears, list[bytes], trio.MemorySendChannel[None]]]:
    """A running discovery on loopback: what it hears, its secrets (may be changed), the bell for rescans."""
    ears = Ears()
    held = list(network_secrets)
    bell, rescan = trio.open_memory_channel[None](1)
    async with trio.open_nursery() as nursery:
        await nursery.start(
            lambda task_status: run_discovery(
                port=port,
                tags=lambda nonce: [make_tag(secret, nonce) for secret in held],
                on_hint=ears.on_hint,
                on_lost=ears.on_lost,
                on_state=ears.on_state,
                on_foreign=ears.on_foreign,
                interfaces=LOOPBACK,
                rescan=rescan,
                counters=counters,
                poll_s=0.1,
                task_status=task_status,
            )
        )
        yield ears, held, bell
        nursery.cancel_scope.cancel()


async def test_two_on_loopback_find_and_lose_each_other() -> None:
    secret = secrets.token_bytes(32)
    async with discovering(7001, secret) as (one, _, _):
        async with discovering(7002, secret) as (two, _, _):
            await one.until(lambda: [hint.port for hint in one.hints] == [7002])
            await two.until(lambda: [hint.port for hint in two.hints] == [7001])
            await one.until(lambda: one.states == ["mdns: ok"])
        gone = one.hints[0].instance
        await one.until(lambda: f"-{gone}" in one.events)
    assert one.hints[0].host == "127.0.0.1"
    assert matching([secret], one.hints[0].nonce, one.hints[0].tags) == (secret,)


async def test_a_common_joined_later_makes_fellows_of_strangers() -> None:
    secret = secrets.token_bytes(32)
    counters = Counters()
    async with (
        discovering(7001, secret) as (one, _, _),
        discovering(7002, counters=counters) as (two, held, bell),
    ):
        await counted(lambda: counters.foreign >= 1)
        assert two.hints == []
        held.append(secret)
        bell.send_nowait(None)
        await two.until(lambda: [hint.port for hint in two.hints] == [7001])
        await one.until(lambda: [hint.port for hint in one.hints] == [7002])
        held.clear()
        bell.send_nowait(None)
        await two.until(lambda: f"-{two.hints[0].instance}" in two.events)
        await one.until(lambda: f"-{one.hints[0].instance}" in one.events)


async def test_malformed_services_are_counted_and_ignored() -> None:
    secret = secrets.token_bytes(32)
    counters = Counters()

    def announce() -> Zeroconf:
        other = Zeroconf(interfaces=list(LOOPBACK))
        for number, (name, text) in enumerate(
            [
                ("alice", encode_txt(NONCE, [])),
                (secrets.token_hex(8), b"\x05hello"),
                (secrets.token_hex(8), b""),
            ]
        ):
            other.register_service(
                ServiceInfo(
                    SERVICE_TYPE,
                    f"{name}.{SERVICE_TYPE}",
                    port=9,
                    properties=text,
                    server=f"evil{number}.local.",
                    parsed_addresses=["127.0.0.1"],
                ),
                cooperating_responders=True,
            )
        return other

    async with discovering(7001, secret, counters=counters) as (one, _, _):
        other = await trio.to_thread.run_sync(announce)
        await counted(lambda: counters.malformed >= 3)
        async with discovering(7002, secret):
            await one.until(lambda: [hint.port for hint in one.hints] == [7002])
        await trio.to_thread.run_sync(other.close)


async def test_who_takes_our_name_makes_us_take_another() -> None:
    secret = secrets.token_bytes(32)
    counters = Counters()
    async with discovering(7001, secret) as (one, _, _), discovering(7002, secret, counters=counters):
        await one.until(lambda: bool(one.hints))
        taken = one.hints[0].instance

        def take_it() -> Zeroconf:
            other = Zeroconf(interfaces=list(LOOPBACK))
            text = encode_txt(secrets.token_bytes(NONCE_BYTES), [])
            info = ServiceInfo(
                SERVICE_TYPE,
                f"{taken}.{SERVICE_TYPE}",
                port=9,
                properties=text,
                server="other.local.",
                parsed_addresses=["127.0.0.1"],
            )
            other.register_service(info, cooperating_responders=True)
            return other

        other = await trio.to_thread.run_sync(take_it)
        await one.until(lambda: one.hints[-1].instance != taken and one.hints[-1].port == 7002)
        assert counters.conflicts == 1
        await trio.to_thread.run_sync(other.close)


async def test_without_an_interface_it_says_so_and_lives_on() -> None:
    ears = Ears()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(
            lambda: run_discovery(
                port=7001,
                tags=lambda nonce: [],
                on_hint=ears.on_hint,
                on_lost=ears.on_lost,
                on_state=ears.on_state,
                interfaces=["no-such-adapter"],
                poll_s=0.01,
            )
        )
        await ears.until(lambda: bool(ears.states))
        nursery.cancel_scope.cancel()
    assert ears.states == ["mdns: unavailable: no network interface is up"]


async def test_what_a_callback_raises_comes_out_and_the_service_is_closed() -> None:
    secret = secrets.token_bytes(32)

    def fail(hint: Announcement) -> None:
        raise ZeroDivisionError

    async with discovering(7001, secret) as (one, _, _):
        with pytest.RaisesGroup(pytest.RaisesExc(ZeroDivisionError)), trio.fail_after(20):
            await run_discovery(
                port=7002,
                tags=lambda nonce: [make_tag(secret, nonce)],
                on_hint=fail,
                on_lost=one.on_lost,
                interfaces=LOOPBACK,
            )
        await one.until(lambda: bool(one.hints) and f"-{one.hints[0].instance}" in one.events)
