"""One side of the discovery row: `python -m benchmarks.ours.discovering SECRET`, until SIGTERM.

Says on lines of JSON when (seconds of the monotonic clock) it started its discovery, when that was ready, and
when it found the first fellow.
"""

from __future__ import annotations

import json
import signal
import sys
import time

import trio

from aslp2p.daemon.discovery import Announcement, make_tag, run_discovery

PORT = 7777


def _say(event: str) -> None:
    sys.stdout.write(json.dumps({event: time.monotonic()}) + "\n")
    sys.stdout.flush()


async def _run(secret: bytes) -> None:
    found: list[Announcement] = []

    def on_hint(hint: Announcement) -> None:
        if not found:
            _say("found")
        found.append(hint)

    def on_lost(instance: str) -> None:
        """A goodbye of the round before."""

    async with trio.open_nursery() as nursery:
        _say("starting")
        await nursery.start(
            lambda task_status: run_discovery(
                port=PORT,
                tags=lambda nonce: [make_tag(secret, nonce)],
                on_hint=on_hint,
                on_lost=on_lost,
                task_status=task_status,
            )
        )
        _say("ready")
        with trio.open_signal_receiver(signal.SIGTERM) as signals:
            async for _ in signals:
                nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(_run, bytes.fromhex(sys.argv[1]))
