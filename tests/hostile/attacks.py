"""The attacks: what strangers and bad members do, each until it is told to stop.

Every one takes a `Target` and an event, and says how often it struck. Being hung up on is what it expects: it
comes again, as long as it is let in.
"""

from __future__ import annotations

import os
import random
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass

from aslp2p.artifacts.invite import Invite
from aslp2p.artifacts.token import bear
from aslp2p.artifacts.types import Beacon, Cosignature, Endorsement, Put, Rejection, Remove
from aslp2p.errors import AslError
from aslp2p.gossip.messages import GetContent, GetRange, Have, OpenIds, Push, Range, Want
from aslp2p.home.key import SecretKey
from aslp2p.limits import IDS_PER_MESSAGE_MAX, INLINE_CONTENT_BYTES_MAX, MIB
from tests.hostile.intruder import Intruder

BATCH = 64
SLOW_CONNECTIONS = 200
PAUSE_S = 0.05
"""Between two tries of whoever is not let in."""


@dataclass(frozen=True)
class Target:
    """Where the daemon listens, and what the attacker knows: only members use `invite` and `key`."""

    port: int
    invite: Invite
    key: SecretKey
    head: bytes
    height: int
    content: bytes
    """The id of something large that it has."""


Attack = Callable[[Target, threading.Event], int]
Strike = Callable[[Intruder, Target], None]
ATTACKS: dict[str, Attack] = {}


def attack(function: Attack) -> Attack:
    ATTACKS[function.__name__] = function
    return function


# --- strangers --------------------------------------------------------------------------------------


def _connect(target: Target) -> socket.socket:
    return socket.create_connection(("127.0.0.1", target.port), timeout=30)


@attack
def garbage(target: Target, stop: threading.Event) -> int:
    """Noise, frames that announce too much, too little, or more than comes, and no first message."""
    chance = random.Random(1)
    count = 0
    while not stop.is_set():
        size = chance.choice((1, 50, 65536))
        for start in (b"", b"\xff\xff", b"\0\0", b"\0\x30", b"\0\x31"):
            with _connect(target) as one, suppress(OSError):
                one.sendall(start + chance.randbytes(size))
                one.shutdown(socket.SHUT_WR)
                while one.recv(4096):
                    pass
            count += 1
    return count


@attack
def one_byte_a_second(target: Target, stop: threading.Event) -> int:
    """Many connections, each with a first frame that begins well and never ends."""
    count = 0
    with ExitStack() as stack:
        held: list[tuple[socket.socket, Iterator[int]]] = []
        while not count or not stop.wait(1.0):
            while len(held) < SLOW_CONNECTIONS:
                held.append((stack.enter_context(_connect(target)), iter(b"\0\x30" + os.urandom(48))))
            for one, left in list(held):
                try:
                    one.send(bytes([next(left)]))
                    count += 1
                except OSError:
                    one.close()
                    held.remove((one, left))
    return count


# --- members --------------------------------------------------------------------------------------------


@contextmanager
def _let_in(target: Target, stop: threading.Event) -> Iterator[Intruder]:
    """A link; hung up on, it ends the block. Not let in at all: a short pause, and nothing."""
    try:
        with Intruder(target.port, target.invite, target.key) as intruder:
            yield intruder
    except (OSError, AslError):
        stop.wait(PAUSE_S)


def _member(strike: Strike) -> Strike:
    """`strike`, which is also an attack: over a link again and again, reading what comes."""

    def run(target: Target, stop: threading.Event) -> int:
        count = 0
        while not stop.is_set():
            with _let_in(target, stop) as intruder:
                intruder.introduce(target.head, target.height)
                while not stop.is_set():
                    strike(intruder, target)
                    count += 1
                    intruder.drain()
        return count

    run.__name__ = strike.__name__
    attack(run)
    return strike


@_member
def no_messages(intruder: Intruder, target: Target) -> None:
    intruder.say_bytes(os.urandom(1000))


@_member
def deep_messages(intruder: Intruder, target: Target) -> None:
    intruder.say_bytes(b"\x91" * MIB + b"\xc0")


@_member
def wide_messages(intruder: Intruder, target: Target) -> None:
    intruder.say_bytes(b"\xdd\xff\xff\xff\xff" + bytes(MIB))


@_member
def endless_records(intruder: Intruder, target: Target) -> None:
    # A frame of the right form, sealed under no key.
    intruder.say_raw(b"\xff\xff" + os.urandom(65535))


@_member
def refused_proposals(intruder: Intruder, target: Target) -> None:
    """Well signed, and the witness has to answer each with a rejection of its own."""
    intruder.say(intruder.propose(*[Remove(f"no/{n}", os.urandom(32)) for n in range(BATCH)]))


@_member
def puts_without_content(intruder: Intruder, target: Target) -> None:
    """Well signed, and they wait for content that will never come (G6)."""
    puts = [Put(f"hole/{n}", os.urandom(32), MIB, "", False, 0, None) for n in range(BATCH)]
    intruder.say(intruder.propose(*puts))


@_member
def paper_of_nobody(intruder: Intruder, target: Target) -> None:
    """Well signed by somebody who is neither witness nor authority."""
    common = target.invite.common_id
    artifacts = []
    for number in range(BATCH // 4):
        artifacts += [
            intruder.sign(Beacon(common, 0, 10**6 + number, os.urandom(32), number)),
            intruder.sign(Cosignature(common, 0, 10**6, os.urandom(32), number)),
            intruder.sign(Endorsement(common, os.urandom(32), 7, number)),
            intruder.sign(Rejection(common, os.urandom(32), "no", "no", number)),
        ]
    intruder.say(Push(tuple(artifacts), ()))


@_member
def heads_of_nothing(intruder: Intruder, target: Target) -> None:
    """It claims to be far ahead, and never shows it."""
    intruder.introduce(os.urandom(32), 10**6, 10**3)


@_member
def ids_of_nothing(intruder: Intruder, target: Target) -> None:
    ids = tuple(os.urandom(32) for _ in range(IDS_PER_MESSAGE_MAX))
    intruder.say(Have(ids), Want(ids), OpenIds((0,), ids))


@_member
def contents_unasked(intruder: Intruder, target: Target) -> None:
    contents = tuple(os.urandom(INLINE_CONTENT_BYTES_MAX) for _ in range(BATCH))
    intruder.say(Push((), contents), Range(1, 1, (), contents))


@_member
def asks_without_end(intruder: Intruder, target: Target) -> None:
    intruder.say(GetRange(1, target.head, (), 1, 256))


# --- several kinds at once ------------------------------------------------------------------------


@attack
def guests_that_claim_heights_and_flood(target: Target, stop: threading.Event) -> int:
    """Fresh keys with a good invite: each is far ahead, and asks for everything until it is hung up on."""
    count = 0
    while not stop.is_set():
        key = SecretKey.generate()
        try:
            token = bear(target.invite.token, key.key)
            with Intruder(target.port, target.invite, key, token=token) as intruder:
                for _ in range(BATCH):
                    intruder.introduce(os.urandom(32), 2**50, 10**3)
                    intruder.say(GetRange(1, target.head, (), 1, 256), GetContent((target.content,) * 16))
                    count += 1
                    intruder.drain()
        except (OSError, AslError):
            count += 1
            stop.wait(PAUSE_S)
    return count


@attack
def asks_and_does_not_read(target: Target, stop: threading.Event) -> int:
    """Several links that ask for all there is, and never take the answers."""
    count = 0
    asked = GetContent((target.content,) * 16), GetRange(1, target.head, (), 1, 256)
    while not stop.is_set():
        with _let_in(target, stop) as intruder:
            intruder.introduce(target.head, target.height)
            while not stop.is_set():
                intruder.say(*asked)
                count += 1
    return count
