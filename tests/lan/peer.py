"""A discovering process for tests: `python tests/lan/peer.py PORT SECRETS [INTERFACES]`.

Prints one JSON line an event with a wall-clock time in seconds, so that processes on one machine can be
compared. A line `SECRETS` (comma-separated hexadecimal) on standard input changes what it belongs to; the
end of standard input ends it, with a goodbye.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import AsyncIterator
from typing import Any

import trio

from aslp2p.daemon.discovery import Announcement, Counters, make_tag, run_discovery


def emit(event: str, **fields: Any) -> None:
    sys.stdout.write(json.dumps({"event": event, "time": time.time(), **fields}) + "\n")
    sys.stdout.flush()


def secrets_of(text: str) -> list[bytes]:
    return [bytes.fromhex(part) for part in text.split(",") if part]


async def main(port: int, network_secrets: list[bytes], interfaces: list[str] | None) -> None:
    tell, rescan = trio.open_memory_channel[None](1)
    counters = Counters()

    def found(hint: Announcement) -> None:
        tags = ",".join(tag.hex() for tag in hint.tags)
        nonce = hint.nonce.hex()
        emit("hint", host=hint.host, port=hint.port, instance=hint.instance, nonce=nonce, tags=tags)

    async def beat() -> None:
        # What changed, and the longest that the loop was held up, which is what nobody may do to it.
        worst = 0.0
        told: dict[str, int] = {}
        while True:
            before = trio.current_time()
            await trio.sleep(0.01)
            if (late := trio.current_time() - before - 0.01) > worst:
                worst = late
                emit("late", seconds=round(worst, 4))
            if vars(counters) != told:
                told = dict(vars(counters))
                emit("counters", **told)

    async with trio.open_nursery() as nursery:
        emit("starting")
        await nursery.start(
            lambda task_status: run_discovery(
                port=port,
                tags=lambda nonce: [make_tag(secret, nonce) for secret in network_secrets],
                on_hint=found,
                on_lost=lambda instance: emit("lost", instance=instance),
                on_state=lambda state: emit("state", state=state),
                interfaces=interfaces,
                rescan=rescan,
                counters=counters,
                poll_s=float(os.environ.get("POLL_S", "0.5")),
                task_status=task_status,
            )
        )
        emit("ready")
        nursery.start_soon(beat)
        async for line in _lines():
            network_secrets[:] = secrets_of(line)
            tell.send_nowait(None)
        nursery.cancel_scope.cancel()
    emit("ended")


async def _lines() -> AsyncIterator[str]:
    buffer = b""
    stream = trio.lowlevel.FdStream(os.dup(0))
    async for chunk in stream:
        *lines, buffer = (buffer + chunk).split(b"\n")
        for line in lines:
            yield line.decode()


if __name__ == "__main__":
    trio.run(
        main, int(sys.argv[1]), secrets_of(sys.argv[2]), sys.argv[3].split(",") if sys.argv[3:] else None
    )
