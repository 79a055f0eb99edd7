"""A member that floods: with what it needs as one line of JSON on stdin (`main`).

It links with one daemon, as often as it is told, sends what its kind says as fast as that is read, and comes
again when it is dropped, until SIGTERM. A process of its own, so that it takes no time from who measures.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress

import msgspec
from msgspec import Struct

from aslp2p.artifacts.content import content_id
from aslp2p.artifacts.invite import Invite
from aslp2p.artifacts.types import Put, Remove
from aslp2p.errors import AslError
from aslp2p.gossip.messages import AnyMessage, GetContent, GetRange, Push
from aslp2p.home.key import SecretKey
from tests.hostile.intruder import Intruder

PAUSE_S = 0.05
"""Between two tries of whoever is not let in."""
PUSHED = 200


class Flood(Struct, frozen=True):
    """Whom it floods, with what key, and what is there to ask for."""

    kind: str
    links: int
    host: str
    port: int
    common_id: bytes
    network_secret: bytes
    seed: bytes
    head: bytes
    height: int
    content: bytes


def _ranges(intruder: Intruder, flood: Flood) -> AnyMessage:
    return GetRange(1, flood.head, (), 1, 256)


def _contents(intruder: Intruder, flood: Flood) -> AnyMessage:
    return GetContent((flood.content,) * 6)


def _proposals(intruder: Intruder, flood: Flood) -> AnyMessage:
    """Well signed, of files that are not there: each is answered with a rejection."""
    return intruder.propose(*[Remove(f"no/{n}", os.urandom(32)) for n in range(PUSHED)])


def _puts(intruder: Intruder, flood: Flood) -> AnyMessage:
    """Well signed, and with their contents: each is listed."""
    letters = [os.urandom(50) for _ in range(PUSHED)]
    names = [os.urandom(8).hex() for _ in letters]
    puts = [
        Put(f"puts/{name}", content_id(one), len(one), "", False, 0, None)
        for name, one in zip(names, letters, strict=True)
    ]
    return Push(intruder.propose(*puts).artifacts, tuple(letters))


KINDS: dict[str, Callable[[Intruder, Flood], AnyMessage]] = {
    "ranges": _ranges,
    "contents": _contents,
    "proposals": _proposals,
    "puts": _puts,
}


def _strike(flood: Flood) -> None:
    invite = Invite(flood.common_id, "bench", flood.network_secret, b"")
    key = SecretKey(flood.seed)
    while True:
        with suppress(OSError, AslError), Intruder(flood.port, invite, key, host=flood.host) as intruder:
            intruder.introduce(flood.head, flood.height)
            while True:
                intruder.say(KINDS[flood.kind](intruder, flood))
                intruder.discard()
        time.sleep(PAUSE_S)


def main() -> None:
    flood = msgspec.json.decode(sys.stdin.readline(), type=Flood)
    for _ in range(flood.links):
        threading.Thread(target=_strike, args=(flood,), daemon=True).start()
    print("floods", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
